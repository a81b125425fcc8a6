"""Small archives, made in a test, of the kinds that registries have."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ostinato.data.fetched import Fetched, digest_of, write_stored

Content = dict[str, bytes]


def zipped(content: Content) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, one in content.items():
            opened.writestr(name, one)
    return packed.getvalue()


def tarred(content: Content, kind: str = "gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{kind}") as opened:
        for name, one in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(one)
            opened.addfile(entry, io.BytesIO(one))
    return packed.getvalue()


def deb(content: Content, kind: str = "xz") -> bytes:
    """As Debian packs it: an ar archive of a version, control files, and the files."""
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": tarred({"./control": b"x"}, "xz")}
    parts[f"data.tar.{kind}"] = tarred({f"./{name}": one for name, one in content.items()}, kind)
    heads = {name: f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(one):<10}`\n".encode() for name, one in parts.items()}
    return b"!<arch>\n" + b"".join(heads[name] + one + b"\n" * (len(one) % 2) for name, one in parts.items())


KINDS = {".whl": zipped, ".tar.gz": tarred, ".tgz": tarred, ".deb": deb}


@dataclass(frozen=True)
class Tiny:
    """What `fetched` makes: the archive, and the record of it."""

    archive: Path
    record: Fetched


def fetched(folder: Path, content: Content, members: tuple[str, ...], root: str, ending: str = ".tgz", registry: str = "npm") -> Tiny:
    """An archive in the folder of what was said, and a record that fits it."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"tiny-1.0{ending}"
    archive.write_bytes(KINDS[ending](content))
    size = sum(map(len, content.values())) + 10_000
    record = Fetched("tiny", registry, "tiny", "1.0", archive.name, members, root, "LICENSE", archive.stat().st_size, size, "")
    write_stored(folder / "kept.zip", record._picked(archive))
    digest = digest_of(folder / "kept.zip")
    return Tiny(archive, Fetched(**{**vars(record), "sha256": digest, "size": (folder / "kept.zip").stat().st_size}))
