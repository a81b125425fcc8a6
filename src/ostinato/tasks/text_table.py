"""From a file of texts, or of tokens with tags, to the frame that the estimators of sequences read, and what is known of each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data import DATA_SETS, DataError, LabelledTexts, SentencePairs, TaggedSequences, nearest
from .fasta import is_fasta, read_fasta
from .frame import read_numbers
from .recording_table import transcripts
from .recordings import is_path
from .sequence_table import SequenceColumns, SequenceTable, groups_of, labels, long_sequences, read_sequence_table
from .sequences import Rows
from .table import read_file, stem

LINES = "-"  # standard input
CONLL = (".conllu", ".conll", ".tsv")
FORM, UPOS = 1, 3  # CoNLL-U's columns of the word and of its part of speech
TOKEN = "token"


@dataclass(frozen=True)
class TextTable(SequenceTable):
    """A row for each text; `names` tells them apart."""

    names: NDArray[Any]

    @property
    def ids(self) -> NDArray[Any]:
        return self.names

    def take(self, chosen: NDArray[np.bool_]) -> Self:
        return replace(self._rows(chosen), names=self.names[chosen])

    def with_more(self, other: Self) -> Self:
        return replace(super().with_more(other), names=np.concatenate([self.names, other.names]))

    def _first_rows(self, columns: Mapping[str, NDArray[Any]]) -> Rows:
        return np.arange(len(self.frame))


def is_texts(source: str) -> bool:
    """Whether a source can hold nothing but texts: a folder without recordings, a file of lines, standard input."""
    if Path(source).is_dir():
        return not any(is_path(str(one)) for one in Path(source).rglob("*"))
    return source == LINES or source.endswith(".txt")


def read_text_table(
    source: str, columns: SequenceColumns, part: str = "test", *, numbers: bool = False, labelled: bool = True
) -> TextTable:
    """A table with a text in each row; a bundled set; a folder with one of texts for each label; or lines, a text each.

    Raises DataError for what cannot be used, OSError for what cannot be read.
    """
    text = columns.text or "text"
    bundled = DATA_SETS.get(source)
    if isinstance(bundled, LabelledTexts):
        named = replace(columns, series="unique_id", text="text", targets=columns.targets if numbers else ("label",))
        return text_rows(bundled.frame(part), named, source, numbers, labelled)
    if isinstance(bundled, SentencePairs):
        named = replace(columns, series="unique_id", text="source", targets=("target",))
        return text_rows(bundled.frame(part), named, source, numbers, labelled)
    try:
        if Path(source).is_dir():
            table = pd.DataFrame(files_in(Path(source)), columns=["file", text, columns.targets[0]])
            return text_rows(table, replace(columns, series="file", text=text), stem(source), numbers, labelled)
        if is_texts(source):
            table = pd.DataFrame({"line": range(1, len(lines := lines_of(source)) + 1), text: lines})
            return text_rows(table, replace(columns, series="line", text=text), stem(source), numbers, labelled)
        return text_rows(read_file(source, columns.text), columns, stem(source), numbers, labelled)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def text_rows(table: pd.DataFrame, columns: SequenceColumns, name: str, numbers: bool, labelled: bool) -> TextTable:
    """A table with a row for each text."""
    present = list(map(str, table.columns))
    if not len(table):
        raise DataError("It holds no texts.")
    predicting = not labelled and not set(columns.targets) <= set(present)
    series = columns.series if columns.series is not None else "unique_id" if "unique_id" in present else None
    flag = "--target" if numbers or columns.transcripts else "--label"
    wanted = [(str(columns.text), "--text"), *([(series, "--id-column")] if series is not None else [])]
    for column, said in [*wanted, *([] if predicting else [(target, flag) for target in columns.targets])]:
        if column not in present:
            raise DataError(
                f"There is no column {column!r}.{nearest(column, present)} Name it with {said}; there are {', '.join(present)}."
            )
    known = None if predicting else pd.DataFrame({target: told(table[target], columns, numbers) for target in columns.targets})
    names = np.arange(1, len(table) + 1) if series is None else table[series].to_numpy()
    frame = pd.DataFrame({str(columns.text): table[columns.text].astype(object).to_numpy()})
    named = replace(columns, series=series, features=(str(columns.text),))
    return TextTable(frame, known, name, named, (), groups_of(table, columns), names)


def told(column: pd.Series, columns: SequenceColumns, numbers: bool) -> Any:
    """What is known of each text: numbers, strings, or labels."""
    if columns.transcripts is not None:
        return pd.Series(transcripts(column, columns.transcripts), dtype=object)
    return read_numbers(column) if numbers else labels(column)


def files_in(folder: Path) -> list[tuple[str, str, str]]:
    """Name, text and label of each file; its folder is its label. Raises DataError for what is not UTF-8."""
    found = [(one, sub.name) for sub in sorted(folder.iterdir()) if sub.is_dir() for one in sorted(sub.iterdir()) if one.is_file()]
    if not found:
        raise DataError("The folder has no folders with files in them; give one folder for each label, with a file for each text.")
    return [(str(one.relative_to(folder)), read_utf8(one), label) for one, label in found]


def read_utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not written in UTF-8 ({error}); convert it: iconv -f latin1 -t utf-8.") from error


def lines_of(source: str) -> list[str]:
    """The lines of a file, or of standard input."""
    text = sys.stdin.read() if source == LINES else read_utf8(Path(source))
    return text.splitlines()


def read_tag_table(source: str, columns: SequenceColumns, part: str = "test", *, labelled: bool = True) -> SequenceTable:
    """A table with a row for each step; a bundled set; FASTA; sentences in columns (CoNLL); or lines, tokens between spaces or letters.

    Of a table `text` names the column of the tokens; without it, the columns of numbers are read. Raises DataError for what
    cannot be used, OSError for what cannot be read.
    """
    bundled = DATA_SETS.get(source)
    if isinstance(bundled, TaggedSequences):
        read = columns.text or (None if columns.features else bundled.reads)
        return long_sequences(bundled.frame(part), replace(columns, text=read), source, False, labelled)
    text = columns.text or TOKEN
    try:
        if is_fasta(source):
            table, columns = fasta_table(source, columns, labelled)
        elif source.endswith(CONLL):
            columns = replace(columns, series="sentence", time=None, text=text)
            table = pd.DataFrame(tokens_in(source, labelled), columns=["sentence", text, columns.targets[0]])
            table = table if labelled or table[columns.targets[0]].notna().all() else table.drop(columns=columns.targets[0])
        elif is_texts(source) and not Path(source).is_dir():
            columns = replace(columns, series="sentence", time=None, text=text)
            lines = ("".join(line.split()) if columns.letters else line.split() for line in lines_of(source))
            rows = [(number, token) for number, tokens in enumerate(lines, start=1) for token in tokens]
            table = pd.DataFrame(rows, columns=["sentence", text])
        elif columns.text is None:
            return read_sequence_table(source, columns, part, labelled=labelled)
        else:
            table = read_file(source, text)
        return long_sequences(table, columns, stem(source), False, labelled)
    except DataError as error:
        raise error if str(error).startswith(source) else DataError(f"{source}: {error}") from error


def fasta_table(source: str, columns: SequenceColumns, labelled: bool) -> tuple[pd.DataFrame, SequenceColumns]:
    """Residues alone. Raises DataError where labels are asked for, or a model that reads numbers."""
    if labelled:
        raise DataError("It has residues, but no labels; give a table with a row for each residue, and a column of labels.")
    if columns.text is None:
        raise DataError(f"It has residues, but the model reads numbers ({', '.join(columns.features or ())}); give a table of these.")
    named = replace(columns, series="sequence", time="position")
    return read_fasta(source, "sequence", "position", str(columns.text)), named


def tokens_in(path: str, labelled: bool) -> Iterator[tuple[int, str, str | None]]:
    """Number of the sentence, token and tag of each line. Sentences lie between empty lines.

    In CoNLL-U these are the second and the fourth column, and ranges and empty nodes are left out; otherwise the first and
    the last of columns between tabs, or where there are none between spaces.
    """
    sentence, universal = 1, path.endswith(".conllu")
    used = False
    for number, line in enumerate(lines_of_file(path), start=1):
        if not line.strip():
            sentence, used = sentence + used, False
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        if universal and (line.startswith("#") or not cells[0].isdigit()):
            continue
        if universal and len(cells) <= UPOS:
            raise DataError(f"Line {number} has {len(cells)} columns, where CoNLL-U has 10, between tabs.")
        if not universal and len(cells) < 2 and labelled:
            raise DataError(f"Line {number} has one column, {line!r}; give each token its tag, behind a tab.")
        token, tag = (cells[FORM], cells[UPOS]) if universal else (cells[0], cells[-1] if len(cells) > 1 else None)
        used = True
        yield sentence, token, None if universal and tag == "_" else tag


def lines_of_file(path: str) -> list[str]:
    if not Path(path).exists():
        raise DataError(f"There is no file {path!r}.")
    return read_utf8(Path(path)).split("\n")
