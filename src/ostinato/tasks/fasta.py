"""FASTA: sequences of one-letter residues, as most programs for proteins write them."""

from __future__ import annotations

import gzip
import string
import zlib
from pathlib import Path

import pandas as pd

from ..data.errors import DataError

ENDINGS = (".fasta", ".fa", ".faa")
LETTERS = frozenset(string.ascii_letters + "*")
STOP = "*"


def is_fasta(source: str) -> bool:
    return source.removesuffix(".gz").endswith(ENDINGS)


def read_fasta(path: str, series: str, time: str, residue: str) -> pd.DataFrame:
    """A row for each residue, in capitals: the name of its sequence, its position from 1, and its letter.

    A line that begins with ``>`` names a sequence by its first word; the lines up to the next are its residues. Space and a
    ``*`` at the end are left out. Raises DataError for anything that is no such file.
    """
    rows: list[tuple[str, int, str]] = []
    for name, line, residues in records(path):
        if not residues:
            raise DataError(f"The sequence {name!r} (line {line}) has no residues; leave it out.")
        rows += [(name, position, letter) for position, letter in enumerate(residues, start=1)]
    return pd.DataFrame(rows, columns=[series, time, residue])


def records(path: str) -> list[tuple[str, int, str]]:
    """Name, line and residues of each sequence."""
    found: dict[str, tuple[int, list[str]]] = {}
    name = None
    for number, line in enumerate(lines_of(path), start=1):
        if line.startswith(">"):
            name = (line[1:].split() or [f"line {number}"])[0]
            if name in found:
                raise DataError(f"Two sequences are called {name!r} (lines {found[name][0]} and {number}); rename one.")
            found[name] = (number, [])
        elif letters := "".join(line.split()):
            stray = next((letter for letter in letters if letter not in LETTERS), None)
            if stray is not None:
                raise DataError(f"Line {number} has {stray!r}, which is no residue; gaps of an alignment are to be taken out.")
            if name is None:
                raise DataError(f"Line {number} comes before the name of a sequence; a FASTA file begins with >.")
            found[name][1].append(letters)
    if not found:
        raise DataError("It holds no sequence; a FASTA file has a line > for each.")
    return [(name, line, "".join(parts).upper().removesuffix(STOP)) for name, (line, parts) in found.items()]


def lines_of(path: str) -> list[str]:
    if not Path(path).exists():
        raise DataError(f"There is no file {path!r}.")
    content = Path(path).read_bytes()
    try:
        return (gzip.decompress(content) if path.endswith(".gz") else content).decode("utf-8-sig").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"It is no FASTA file ({error}).") from error
