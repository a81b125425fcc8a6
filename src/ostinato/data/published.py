"""Files as their source published them, and what every data set tells of itself."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import DataError
from .fetched import Fetched, Tell, megabytes
from .registries import Progress

if TYPE_CHECKING:
    import pandas as pd

FILES = files(__package__) / "files"


@dataclass(frozen=True)
class Published:
    """A file in the package: its name there, ending ``.gz`` if it is gzipped, and the SHA-256 of what was published."""

    file: str
    sha256: str

    def read(self) -> bytes:
        """The bytes that the source published, not gzipped. Raises DataError where they are not those."""
        try:
            content = (FILES / self.file).read_bytes()
            if self.file.endswith(".gz"):
                content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"The bundled file {self.file!r} cannot be read ({error}); reinstall ostinato.") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise DataError(
                f"The bundled file {self.file!r} has SHA-256 {digest}, not {self.sha256}: it was changed or damaged; reinstall ostinato."
            )
        return content


@dataclass(frozen=True)
class DataSet(ABC):
    """What is known under a name: what it is for, where it is from, under which licence, and what to beware of."""

    task: ClassVar[str]  # as in `ostinato fit TASK`; empty where no command reads it by name
    also: ClassVar[tuple[str, ...]] = ()  # other tasks that it is for
    holds: ClassVar[str]

    name: str
    application: str
    title: str
    source: str
    licence: str
    caveat: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """All that it is for."""
        return (self.task, *self.also)

    @property
    @abstractmethod
    def files(self) -> tuple[Published | Fetched, ...]:
        """All files that it is read from."""

    @property
    def fetched(self) -> tuple[Fetched, ...]:
        """Those that are not in the package."""
        return tuple(file for file in self.files if isinstance(file, Fetched))

    @property
    def where(self) -> str:
        """Bundled, cached, or what it takes to have it."""
        missing = [file for file in self.fetched if not file.cached]
        if not self.fetched:
            return "bundled"
        if any(not file.registry for file in missing):
            return "to be brought by hand"
        return f"to be fetched, {megabytes(sum(file.download for file in missing))}" if missing else "cached"

    def fetch(self, tell: Tell | None = None, progress: Progress | None = None) -> None:
        """Bring what is not there yet into the cache, checked. Raises DataError with the cure where it cannot be had."""
        for file in self.fetched:
            if not file.cached:
                file.fetch(tell, progress)

    def take(self, archive: str) -> None:
        """Bring one of its files into the cache from an archive that a person has. Raises DataError where it is none of them."""
        if not self.fetched:
            raise DataError(f"{self.name} is bundled; there is nothing to bring.")
        for file in self.fetched:
            try:
                return file.take(archive)
            except DataError as error:
                refused = error
        raise refused

    def csv(self) -> bytes:
        """The whole set as CSV, for `ostinato data NAME`."""
        return bytes(self.frame().to_csv(index=False, lineterminator="\n").encode())

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The whole set in long form."""

    @abstractmethod
    def question(self) -> str:
        """What is asked, from what, in a line."""

    @abstractmethod
    def content(self) -> tuple[str, ...]:
        """How much there is and what is missing, in lines."""

    def notice(self) -> str:
        """Where the files are from, and the licence's full text, which comes with the files where they are fetched."""
        if not self.fetched:
            return (FILES / f"{self.name}.LICENSE").read_text(encoding="utf-8")
        told = [f"{self.title}\nSource: {self.source}\nLicence: {self.licence}\n"]
        for file in self.fetched:
            there = file.cached and file.licence
            told.append(file.read(file.licence).decode("utf-8", "replace") if there else f"Its text comes with {file.package}.\n")
        return "\n".join(told)

    def facts(self) -> dict[str, Any]:
        """All that the record says, ready for JSON."""
        return {"task": self.task, "where": self.where, **asdict(self)}
