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
    """What is bundled under a name: where it is from, under which licence, and what to beware of."""

    task: ClassVar[str]  # as in `ostinato fit TASK`
    holds: ClassVar[str]

    name: str
    title: str
    source: str
    licence: str
    caveat: str

    @abstractmethod
    def csv(self) -> bytes:
        """The whole set as CSV, for `ostinato data NAME`."""

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
        """Where the files are from, and the licence's full text."""
        return (FILES / f"{self.name}.LICENSE").read_text(encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        """All that the record says, ready for JSON."""
        return {"task": self.task, **asdict(self)}
