"""Model files: arrays and JSON metadata in one safetensors file with a checksum. docs/model-file.md is the format.

Reading evaluates nothing and opens no other file; writing never leaves half a file. Needs numpy and safetensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1
KEY = "ostinato"
HEADER_LIMIT = 4 * 2**20  # bytes of names, shapes and metadata; arrays are not bounded by it
BLANK = "0" * 64
MARK = re.compile(rb'\\"sha256\\":\\"([^"\\]*)\\"')
FIELDS: dict[str, type | tuple[type, ...]] = {
    "task": str,
    "cell": dict,
    "settings": dict,
    "schema": dict,
    "training": dict,
    "scores": dict,
}


class ModelFileError(ValueError):
    """A model file that cannot be used, or would be lost: one sentence with the file, the cause and the cure."""


@dataclass(frozen=True)
class Model:
    """What a model file holds.

    task: what it is for (``"forecast"``).  tensors: named arrays.  cell: ``name``, ``layer`` and ``programs``, the
    equations as text.  settings: the task's parameters.  schema: the data it was fitted on: columns, series, the step
    of time.  training: how it was trained.  scores: how good it was, by name. All but the arrays is JSON.
    """

    task: str
    tensors: Mapping[str, NDArray[Any]]
    cell: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)


def to_bytes(model: Model) -> bytes:
    """The file's bytes; the same model always gives the same. Raises ValueError for metadata that is not JSON."""
    from safetensors.numpy import save

    metadata = {"format": FORMAT_VERSION, "sha256": BLANK, **{name: getattr(model, name) for name in FIELDS}}
    text = json.dumps(metadata, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    tensors = {name: np.asarray(array, order="C") for name, array in model.tensors.items()}
    blank = save(tensors, metadata={KEY: text})
    digest = hashlib.sha256(blank).hexdigest()
    return blank.replace(mark(BLANK), mark(digest), 1)


def mark(digest: str) -> bytes:
    """How the checksum stands in the header: JSON inside a JSON string, hence the backslashes."""
    return rf"\"sha256\":\"{digest}\"".encode()


def from_bytes(content: bytes, name: str) -> Model:
    """Read a file's bytes; `name` is what messages call it. Raises ModelFileError where anything is not as written."""
    check_digest(content, name)
    from safetensors import SafetensorError, deserialize

    try:
        arrays = deserialize(content)  # type: ignore[no-untyped-call]
        header = parse(content[8 : 8 + header_length(content, name)])
        metadata = parse(header["__metadata__"][KEY])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{name} is no model file: {one_line(error)}.") from error
    check_metadata(metadata, name)
    tensors = {key: to_array(entry, f"{name}: array {key!r}") for key, entry in arrays}
    return Model(tensors=tensors, **{key: metadata[key] for key in FIELDS})


def header_length(content: bytes, name: str) -> int:
    """How long the header is, from the file's first 9 bytes. Raises ModelFileError where it cannot be a header."""
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{":
        raise ModelFileError(f"{name} is no model file: it does not start with a safetensors header.")
    if length > HEADER_LIMIT:
        raise ModelFileError(f"{name} has a header of {length} bytes; more than {HEADER_LIMIT} are not read.")
    return length


def check_digest(content: bytes, name: str) -> None:
    """Compare the checksum, as text, with that of the bytes with 64 zeros in its place."""
    header = content[8 : 8 + header_length(content, name)]
    found = MARK.findall(header)
    if len(found) != 1:
        raise ModelFileError(f"{name} is no model file, or is cut off: its header holds {len(found)} checksums, not one.")
    blank = content[:8] + header.replace(mark(found[0].decode("latin-1")), mark(BLANK), 1) + content[8 + len(header) :]
    if hashlib.sha256(blank).hexdigest() != found[0].decode("latin-1"):
        raise ModelFileError(f"{name} is damaged or cut off: its checksum does not match; copy it again from where it came.")


def parse(text: bytes | str) -> Any:
    """JSON in which no name stands twice and no number is NaN or infinite. Raises ValueError."""
    return json.loads(text, object_pairs_hook=distinct, parse_constant=refuse_constant)


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in its metadata")
    return made


def refuse_constant(constant: str) -> Any:
    raise ValueError(f"its metadata holds {constant}")


def check_metadata(metadata: Any, name: str) -> None:
    """Raise ModelFileError for another version, or for a field that is missing or of the wrong kind."""
    version = metadata.get("format") if isinstance(metadata, dict) else None
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ModelFileError(
            f"{name} has format {version!r}, but this version of ostinato reads format {FORMAT_VERSION}; "
            "use the version that wrote it, or a newer one."
        )
    for key, kind in FIELDS.items():
        if not isinstance(metadata.get(key), kind):
            raise ModelFileError(f"{name} is no model file: its field {key!r} is missing or of the wrong kind.")


def to_array(entry: Mapping[str, Any], name: str) -> NDArray[Any]:
    """One array, on its own bytes. Raises ModelFileError for a type other than float32 and float64."""
    kinds: dict[str, str] = {"F32": "<f4", "F64": "<f8"}
    if entry["dtype"] not in kinds:
        raise ModelFileError(f"{name} has the type {entry['dtype']}; only F32 and F64 are read.")
    array: NDArray[Any] = np.frombuffer(entry["data"], dtype=kinds[entry["dtype"]])
    return array.reshape(entry["shape"])


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def load(path: str | os.PathLike[str]) -> Model:
    """Read and verify a model file. Raises ModelFileError where it cannot be used, OSError where it cannot be read."""
    name = os.fspath(path)
    with Path(path).open("rb") as file:
        start = file.read(9)
        header_length(start, name)  # a file of another kind is refused before it is read as a whole
        return from_bytes(start + file.read(), name)


def save(model: Model, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a model file, whole or not at all. Raises ModelFileError where it exists and is not to be overwritten."""
    content = to_bytes(model)
    write_whole(path, lambda temporary: temporary.write_bytes(content), overwrite=overwrite)


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], object], *, overwrite: bool = False) -> None:
    """Have `write` fill a temporary file beside `path`, sync it, and give it that name; any failure leaves no trace.

    Raises ModelFileError where `path` exists and is not to be overwritten, OSError where it cannot be written.
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    temporary = Path(name)
    try:
        os.close(handle)
        write(temporary)
        os.chmod(temporary, 0o666 & ~current_umask())
        sync(temporary)
        put_in_place(temporary, target, overwrite)
    finally:
        temporary.unlink(missing_ok=True)
    sync(target.parent)


def refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise ModelFileError(f"{target} exists; choose another name, or ask to overwrite it (--overwrite).")


def put_in_place(temporary: Path, target: Path, overwrite: bool) -> None:
    """Rename; without `overwrite`, by a hard link where there are such, which cannot replace a file come meanwhile."""
    if not overwrite:
        try:
            os.link(temporary, target)
            return
        except OSError:
            refuse_existing(target, overwrite)
    os.replace(temporary, target)


def sync(path: Path) -> None:
    """Have the system put a file, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def current_umask() -> int:
    """The mask of permissions, which the system tells only by changing it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
