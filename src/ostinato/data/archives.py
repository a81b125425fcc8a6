"""The files in an archive: .zip and .whl, .tar in any compression, .deb. Nothing is unpacked by name, nothing is run."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import BinaryIO

from .errors import DataError

AR_MAGIC, AR_HEADER = b"!<arch>\n", 60


def members(archive: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each regular file in the archive, in its order. `name` is what errors call it.

    Raises DataError where it is damaged or cut short, of another kind, or holds a path that leads out of its folder.
    """
    try:
        yield from _members(archive, name)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"The archive {name!r} cannot be read ({error}): it is damaged or cut short; get it again.") from error


def _members(archive: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    magic = archive.read(len(AR_MAGIC))
    archive.seek(0)
    if magic.startswith(b"PK"):
        yield from _in_zip(archive, name)
    elif magic == AR_MAGIC:
        _seek_data(archive, name)
        yield from _in_tar(archive, name, stream=True)
    else:
        yield from _in_tar(archive, name)


def _in_zip(archive: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        for one in opened.infolist():
            if not one.is_dir():
                yield _safe(one.filename, name), opened.read(one)


def _in_tar(archive: BinaryIO, name: str, stream: bool = False) -> Iterator[tuple[str, bytes]]:
    mode = "r|*" if stream else "r:*"
    with tarfile.open(fileobj=archive, mode=mode) as opened:  # type: ignore[call-overload]
        for one in opened:
            path = _safe(one.name, name)
            if one.isfile():  # a link is no content
                file = opened.extractfile(one)
                assert file is not None
                yield path, file.read()


def _seek_data(archive: BinaryIO, name: str) -> None:
    """To the tar of a .deb's files, which is the last member of an `ar` archive."""
    archive.seek(len(AR_MAGIC))
    while header := archive.read(AR_HEADER):
        label, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), header[48:58]
        if label.startswith("data.tar"):
            if label.endswith(".zst"):
                raise DataError(
                    f"{name!r} is compressed with zstd, which Python cannot read; unpack it with `dpkg -x` and pack it as .tar."
                )
            return
        length = int(size)
        archive.seek(length + length % 2, 1)
    raise DataError(f"The archive {name!r} has no data.tar: it is no Debian package, or cut short; get it again.")


def _safe(path: str, name: str) -> str:
    parts = PureWindowsPath(path)  # which knows drives, and both kinds of slash
    if parts.anchor or ".." in parts.parts:
        raise DataError(f"The archive {name!r} holds {path!r}, which leads out of its folder; it is refused.")
    return str(PurePosixPath(path))
