"""Texts and tags by command: from a table, a folder, columns and lines to answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from test_cli import result, run
from test_texts import reviews, sentences

from ostinato.data import DataError
from ostinato.tasks.sequence_table import SequenceColumns
from ostinato.tasks.text_table import read_tag_table, read_text_table

TINY = ["--hidden-size", "3", "--embedding-size", "4", "--max-epochs", "1", "--cell", "rnn"]
LABEL, TAG = SequenceColumns(targets=("label",)), SequenceColumns(targets=("tag",))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a table of mails, and sentences in columns."""
    monkeypatch.chdir(tmp_path)
    texts, labels = reviews(40, 0)
    pd.DataFrame({"body": texts, "from": "me", "kind": labels}).to_csv("mails.csv", index=False)
    both = list(zip(*sentences(20, 0), strict=True))
    Path("some.tsv").write_text("\n\n".join("\n".join(map("\t".join, zip(*pair, strict=True))) for pair in both))
    return tmp_path


def test_texts_from_fit_to_answers(folder):
    fitted, told = result(
        "fit", "classify", "mails.csv", "--text", "body", "--label", "kind", "--max-length", "4", *TINY, "--plot", "m.png"
    )
    assert list(fitted["scores"]) == ["majority class", "linear, words", "rnn"] and "have more than 4 tokens" in told
    assert Path("m.png").stat().st_size > 10_000
    Path("lines.txt").write_text("so fine\n\nawful, awful\n")
    lines = run("predict", "mails-classify.safetensors", "lines.txt", "--probabilities")[1].splitlines()
    assert lines[0] == "line,kind,p_bad,p_good" and [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    lines = run("predict", "mails-classify.safetensors", "mails.csv")[1].splitlines()
    assert lines[0] == "row,kind" and len(lines) == 41
    scores, _ = result("evaluate", "mails-classify.safetensors", "mails.csv")
    assert scores["scores"]["rnn"]["sequences"] == 40
    assert run("evaluate", "mails-classify.safetensors", "lines.txt")[0] == 1


def test_tags_from_fit_to_answers(folder):
    fitted, _ = result("fit", "tag", "some.tsv", *TINY, "--plot", "t.png")
    assert list(fitted["scores"]) == ["most frequent", "linear, window", "rnn"] and fitted["test"]["sequences"] == 4
    Path("new.txt").write_text("1yor not 3lar\n\n7lar\n")
    lines = run("predict", "some-tag.safetensors", "new.txt", "--probabilities")[1].splitlines()
    assert lines[0] == "sentence,token,tag,p_after,p_no,p_noun,p_verb" and [line.split(",")[:2] for line in lines[1:]] == [
        ["1", "1yor"], ["1", "not"], ["1", "3lar"], ["3", "7lar"]
    ]  # fmt: skip
    scores, _ = result("evaluate", "some-tag.safetensors", "some.tsv")
    assert scores["scores"]["rnn"]["sequences"] == sum(map(len, sentences(20, 0)[0]))


def test_a_folder_for_each_label(folder):
    for label in ("ham", "spam"):
        Path("mails", label).mkdir(parents=True)
        for number in range(2):
            Path("mails", label, f"{number}.txt").write_text(f"{label} {number}")
    found = read_text_table("mails", LABEL)
    assert found.ids.tolist() == ["ham/0.txt", "ham/1.txt", "spam/0.txt", "spam/1.txt"]
    assert found.of_sequences().tolist() == ["ham", "ham", "spam", "spam"] and found.frame["text"][3] == "spam 1"


def test_columns_of_conll_u(folder):
    lines = [
        "# text = Del gato",
        "1-2\tDel\t_\t_",
        "1\tDe\tde\tADP",
        "2\tel\tel\tDET",
        "2.1\tx\tx\tX",
        "3\tgato\tgato\tNOUN",
        "",
        "",
        "1\tSí\tsí\tINTJ",
    ]
    Path("a.conllu").write_text("\n".join(lines))
    found = read_tag_table("a.conllu", TAG)
    assert found.frame["token"].tolist() == ["De", "el", "gato", "Sí"] and found.of_steps().tolist() == ["ADP", "DET", "NOUN", "INTJ"]
    assert found.frame["unique_id"].tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "read", "message"),
    [
        ("a.csv", "text,kind\na,b\n", read_text_table, "no column 'None'|no column 'label'"),
        ("a.tsv", "word\n", read_tag_table, "Line 1 has one column"),
        ("a.conllu", "1\tword\n", read_tag_table, "Line 1 has 2 columns, where CoNLL-U has 10"),
        ("a.conllu", "", read_tag_table, "no rows"),
        ("a.txt", "", read_text_table, "no texts"),
        ("a.txt", b"\xff\xfe", read_text_table, "not written in UTF-8"),
        ("a/b", "x", read_text_table, "one folder for each label"),
        ("none.tsv", None, read_tag_table, "There is no file"),
    ],
)
def test_what_cannot_be_read_is_named(folder, name, content, read, message):
    if content is not None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read("a" if name == "a/b" else name, TAG if read is read_tag_table else LABEL)
