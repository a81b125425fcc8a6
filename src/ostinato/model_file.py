"""Model files: arrays and JSON metadata in one safetensors file with a checksum. docs/model-file.md is the format.

Reading evaluates nothing and opens no other file; writing never leaves half a file. Needs numpy and safetensors.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 2
KEY = "ostinato"
HEADER_LIMIT = 8 * 2**20  # bytes of names, shapes and metadata; arrays are not bounded by it
BYTES_A_BRACKET = 16  # of a header, on average at least: a list in memory is many times as long as "[],"
BLANK = "0" * 64
KINDS = {"F32": "<f4", "F64": "<f8", "U8": "|u1"}  # of arrays
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
    """The file's bytes; the same model always gives the same.

    Raises ValueError or TypeError for metadata that is not JSON, ModelFileError for more than would be read back.
    """
    from safetensors.numpy import save

    metadata = {"format": FORMAT_VERSION, "sha256": BLANK, **{name: getattr(model, name) for name in FIELDS}}
    text = json.dumps(metadata, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    tensors = {name: np.asarray(array, order="C") for name, array in model.tensors.items()}
    blank = save(tensors, metadata={KEY: text})
    header_length(blank, "The model")
    digest = hashlib.sha256(blank).hexdigest()
    return blank.replace(mark(BLANK), mark(digest), 1)


def mark(digest: str) -> bytes:
    """How the checksum stands in the header: JSON inside a JSON string, hence the backslashes."""
    return rf"\"sha256\":\"{digest}\"".encode()


def from_bytes(content: bytes, name: str) -> Model:
    """Read a file's bytes; `name` is what messages call it. Raises ModelFileError where anything is not as written."""
    header = content[8 : 8 + header_length(content, name)]
    check_digest(content, header, name)
    from safetensors import SafetensorError, deserialize

    try:
        metadata = parse(parse(header)["__metadata__"][KEY])
        check_metadata(metadata, name)
        arrays = deserialize(content)  # type: ignore[no-untyped-call]
        tensors = {key: to_array(entry, f"{name}: array {key!r}") for key, entry in arrays}
    except ModelFileError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{name} is no model file: {one_line(error)}.") from error
    return Model(tensors=tensors, **{key: metadata[key] for key in FIELDS})


def header_length(content: bytes, name: str) -> int:
    """How long the header is, from the file's first 9 bytes. Raises ModelFileError where it cannot be a header."""
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{":
        raise ModelFileError(f"{name} is no model file: it does not start with a safetensors header.")
    if length > HEADER_LIMIT:
        raise ModelFileError(
            f"{name} has a header of {length} bytes; more than {HEADER_LIMIT} are not read. It holds all names (of series, of labels) "
            "and the losses of every epoch: fewer of them make it shorter."
        )
    return length


def digest_in(header: bytes, name: str) -> str:
    """The checksum that a header claims. Raises ModelFileError where there is not one, or where it cannot be parsed safely."""
    found = MARK.findall(header)
    if len(found) != 1:
        raise ModelFileError(f"{name} is no model file, or is cut off: its header holds {len(found)} checksums, not one.")
    if header.count(b"[") + header.count(b"{") > len(header) // BYTES_A_BRACKET:
        raise ModelFileError(f"{name} is no model file: its header is nothing but lists of lists.")
    return str(found[0].decode("latin-1"))


def check_digest(content: bytes, header: bytes, name: str) -> None:
    """Compare the checksum, as text, with that of the bytes with 64 zeros in its place."""
    digest = digest_in(header, name)
    told = hashlib.sha256(content[:8] + header.replace(mark(digest), mark(BLANK), 1))
    told.update(memoryview(content)[8 + len(header) :])
    if told.hexdigest() != digest:
        raise ModelFileError(f"{name} is damaged or cut off: its checksum does not match; copy it again from where it came.")


def parse(text: bytes | str) -> Any:
    """JSON in which no name stands twice, no number is NaN or infinite, and all text is text. Raises ValueError."""
    made = json.loads(text, object_pairs_hook=distinct, parse_constant=refuse_constant, parse_float=finite)
    if b"\\ud" in (text if isinstance(text, bytes) else text.encode()).lower():
        json.dumps(made, ensure_ascii=False).encode()  # half a character, as \ud800, is none
    return made


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in its metadata")
    return made


def finite(number: str) -> float:
    if not math.isfinite(made := float(number)):
        refuse_constant(number)
    return made


def refuse_constant(constant: str) -> Any:
    raise ValueError(f"its metadata holds {constant}")


def check_metadata(metadata: Any, name: str) -> None:
    """Raise ModelFileError for another version, or for a field that is missing or of the wrong kind."""
    version = metadata.get("format") if isinstance(metadata, dict) else None
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ModelFileError(
            f"{name} has format {version!r}, but this version of ostinato reads format {FORMAT_VERSION}; "
            "use the version of ostinato that wrote it."
        )
    for key, kind in FIELDS.items():
        if not isinstance(metadata.get(key), kind):
            raise ModelFileError(f"{name} is no model file: its field {key!r} is missing or of the wrong kind.")


def to_array(entry: Mapping[str, Any], name: str) -> NDArray[Any]:
    """One array, on its own bytes. Raises ModelFileError for a type that is not in `KINDS`."""
    if entry["dtype"] not in KINDS:
        raise ModelFileError(f"{name} has the type {entry['dtype']}; only {', '.join(KINDS)} are read.")
    array: NDArray[Any] = np.frombuffer(entry["data"], dtype=KINDS[entry["dtype"]])
    return array.reshape(entry["shape"])


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def load(path: str | os.PathLike[str]) -> Model:
    """Read and verify a model file. Raises ModelFileError where it cannot be used, OSError where it cannot be read."""
    name = os.fspath(path)
    if not stat.S_ISREG(os.stat(path).st_mode) and not Path(path).is_dir():
        raise ModelFileError(f"{name} is no file but a pipe or a device; a model is read from a file.")
    with Path(path).open("rb") as file:
        check_beginning(file, name)
        return from_bytes(file.read(), name)


def check_beginning(file: BinaryIO, name: str) -> None:
    """Refuse a file of another kind by its header, before it is read as a whole."""
    start = file.read(9)
    digest_in(start[8:] + file.read(header_length(start, name) - 1), name)
    file.seek(0)


def save(model: Model, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a model file, whole or not at all. Raises ModelFileError where it exists and is not to be overwritten."""
    content = to_bytes(model)
    write_whole(path, lambda temporary: temporary.write_bytes(content), overwrite=overwrite)


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], object], *, overwrite: bool = False) -> None:
    """Have `write` fill a temporary file beside `path`, sync it, and give it that name; any failure leaves no trace.

    Raises ModelFileError where `path` exists and is not to be overwritten, OSError, with its name, where it cannot be written.
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    with naming(target):
        handle, name = tempfile.mkstemp(prefix=f".{target.stem[:50]}.", suffix=target.suffix, dir=target.parent)
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
    if os.path.lexists(target) and not overwrite:
        raise ModelFileError(f"{target} exists; choose another name, or ask to overwrite it (--overwrite).")


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise OSError, with its name, where a file of this name could not be made. Leaves nothing behind."""
    with naming(Path(path)):
        tempfile.TemporaryFile(dir=Path(path).parent).close()


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Let every OSError name the file that was wanted; the system names a temporary one, or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(target)) from error


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
