"""Protein chains: a secondary structure for each residue, and a profile."""

from __future__ import annotations

import struct
from abc import abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

from .errors import DataError
from .fetched import Fetched
from .published import Published
from .tagged import Tagged, TaggedSequences

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
SCALE = 10_000  # of the frequencies, which are kept as whole numbers


@dataclass(frozen=True)
class Proteins(TaggedSequences):
    """Chains of amino acids, each with one of DSSP's eight states, and how often each amino acid stands there in relatives."""

    reads = None

    @abstractmethod
    def chains(self, part: str) -> list[tuple[str, str, str]]:
        """Of each chain of a part its name, its residues and their states."""

    def items(self, part: str) -> list[Tagged]:
        return [Tagged(name, list(residues), list(states)) for name, residues, states in self.chains(part)]

    def part_frame(self, part: str) -> pd.DataFrame:
        """`unique_id`, `step` from 0, `residue`, its state `q8`, one of three (`q3`), and a column of the profile for each amino acid."""
        import numpy as np
        import pandas as pd

        chains = self.chains(part)
        lengths = [len(residues) for _, residues, _ in chains]
        residues, states = (np.array(list("".join(one[side] for one in chains)), dtype=object) for side in (1, 2))
        frame = pd.DataFrame(
            {
                "unique_id": np.repeat(np.array([name for name, _, _ in chains], dtype=object), lengths),
                "step": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
                "residue": residues,
                "q8": states,
                "q3": pd.Series(states).map({tag: three_states(tag) for tag in self.tags}).to_numpy(),
            }
        )
        return frame.join(pd.DataFrame(np.concatenate(self.profiles(part)), columns=list(AMINO_ACIDS)))

    def profiles(self, part: str) -> list[NDArray[np.float32]]:
        """Of each chain of a part, in the order of `sequences`, the frequencies `(time, 20)` in the order of AMINO_ACIDS."""
        import numpy as np

        self.check_part(part)
        return [one.astype(np.float32) / np.float32(SCALE) for one in self._frequencies(part)]

    @abstractmethod
    def _frequencies(self, part: str) -> list[NDArray[np.int16]]:
        """The frequencies as whole numbers."""


def three_states(tag: str) -> str:
    """Helix (H, G, I), strand (E, B) or coil: the three states of Q3."""
    return "H" if tag in "HGI" else "E" if tag in "EB" else "C"


@dataclass(frozen=True)
class ChainFiles(Proteins):
    """Two files: three lines a chain (name and part, residues, states), and the frequencies of all in order, as 16-bit integers."""

    text: Published
    frequencies: Published

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.text, self.frequencies)

    def chains(self, part: str) -> list[tuple[str, str, str]]:
        return [chain for name, chain in self._all() if name == part]

    def _all(self) -> list[tuple[str, tuple[str, str, str]]]:
        lines = iter(self.text.read().decode("ascii").splitlines())
        heads = ((*head.split(), residues, states) for head, residues, states in zip(lines, lines, lines, strict=True))
        return [(part, (name, residues, states)) for name, part, residues, states in heads]

    def _frequencies(self, part: str) -> list[NDArray[np.int16]]:
        import numpy as np

        every = np.frombuffer(self.frequencies.read(), "<i2").reshape(-1, len(AMINO_ACIDS))
        chains = self._all()
        ends = np.cumsum([len(residues) for _, (_, residues, _) in chains])
        return [piece for piece, (name, _) in zip(np.split(every, ends[:-1]), chains, strict=True) if name == part]


class Chain(NamedTuple):
    """A chain in the database: where its residues begin there, and how many there are."""

    name: str
    start: int
    length: int


@dataclass(frozen=True)
class StructureDB(Proteins):
    """ProMod3's database of structures. Chains shorter than `shortest` are left out.

    `split_list` has a line for each chain of the test, and for each that is left out because it is related to one of them.
    """

    file: Fetched
    member: str
    split_list: Published
    shortest: int

    @property
    def files(self) -> tuple[Published | Fetched, ...]:
        return (self.file, self.split_list)

    def chosen(self, part: str) -> list[Chain]:
        """The chains of a part."""
        told = dict(line.split() for line in self.split_list.read().decode("ascii").splitlines())
        with self.file.open(self.member) as database:
            chains = Layout.read(database).chains
        return [one for one in chains if one.length >= self.shortest and told.get(one.name, "train") == part]

    def chains(self, part: str) -> list[tuple[str, str, str]]:
        with self.file.open(self.member) as database:
            layout = Layout.read(database)
            residues, states = (layout.array(database, name).decode("ascii") for name in ("residues", "states"))
        cut = ((one.name, slice(one.start, one.start + one.length)) for one in self.chosen(part))
        return [(name, residues[piece], states[piece]) for name, piece in cut]

    def _frequencies(self, part: str) -> list[NDArray[np.int16]]:
        import numpy as np

        with self.file.open(self.member) as database:
            content = Layout.read(database).array(database, "frequencies")
        every = np.frombuffer(content, "<i2").reshape(-1, len(AMINO_ACIDS))
        return [every[one.start : one.start + one.length] for one in self.chosen(part)]


@dataclass(frozen=True)
class Layout:
    """What a database of version 2 holds: its chains, and where its arrays begin, which have an item for each residue."""

    chains: tuple[Chain, ...]
    begin: int

    HEAD, MAGIC, VERSION = 0x4D, 1234, 2
    ARRAYS = (
        ("residues", 1),
        ("atoms", 24),
        ("angles", 4),
        ("surface", 2),
        ("depth", 2),
        ("states", 1),
        ("frequencies", 40),
        ("others", 40),
    )

    @property
    def count(self) -> int:
        return sum(one.length for one in self.chains)

    @classmethod
    def read(cls, database: IO[bytes]) -> Layout:
        """The table of the chains. Raises DataError for another format."""
        head = database.read(cls.HEAD + 8)
        if len(head) < cls.HEAD + 8 or struct.unpack_from("<II", head) != (cls.MAGIC, cls.VERSION):
            raise DataError("This is no database of structures of ProMod3, version 2.")
        chains = []
        for _ in range(struct.unpack_from("<Q", head, cls.HEAD)[0]):
            name, chain = (exactly(database, struct.unpack("<I", exactly(database, 4))[0]).decode("ascii") for _ in range(2))
            start, length = struct.unpack("<IH14x", exactly(database, 20))  # then the first residue's number, and a shift in space
            chains.append(Chain(f"{name}_{chain}", start, length))
        return cls(tuple(chains), database.tell())

    def array(self, database: IO[bytes], wanted: str) -> bytes:
        """The bytes of an array, which has its number of items before it."""
        place = self.begin
        for name, width in self.ARRAYS:
            if name == wanted:
                database.seek(place)
                if struct.unpack("<Q", exactly(database, 8))[0] != self.count:
                    raise DataError(f"The database's array of {name} is not as long as its chains.")
                return exactly(database, width * self.count)
            place += 8 + width * self.count
        raise KeyError(wanted)


def exactly(file: IO[bytes], count: int) -> bytes:
    content = file.read(count)
    if len(content) != count:
        raise DataError("The database of structures ends too soon.")
    return content
