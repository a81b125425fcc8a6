"""A group held out by command: of a table of numbers, of recordings, of texts, of a data set in parts; and what cannot be."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ostinato.cli.app import app

SMALL = ["--cell", "rnn", "--hidden-size", "3", "--max-epochs", "1", "--to", "m.safetensors", "--json"]


def run(*args):
    """The command in this process: exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a table of 24 short sequences of three sites, and one of texts."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    long = pd.DataFrame({"unique_id": np.repeat(np.arange(24), 4), "x": random.normal(size=96)})
    long["site"], long["label"] = long["unique_id"] % 3, np.where(long["unique_id"] % 2, "a", "b")
    long.to_csv("long.csv", index=False)
    long.assign(site=range(96)).to_csv("changing.csv", index=False)
    long.assign(site=1).to_csv("one.csv", index=False)
    long.assign(site=[None, *long["site"][1:]]).to_csv("hole.csv", index=False)
    texts = pd.DataFrame(
        {"text": [f"word{k % 4} other" for k in range(24)], "label": list("ab") * 12, "year": [2000 + k % 3 for k in range(24)]}
    )
    texts.to_csv("texts.csv", index=False)
    return tmp_path


def test_a_group_of_a_table_is_scored_on_and_not_learned_from(folder):
    code, out, err = run("fit", "classify", "long.csv", "--leave-out", "site=2", *SMALL)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["train"] == {"sequences": 16, "steps": 64}
    assert summary["test"] == {"sequences": 8, "steps": 32, "left_out": "site=2"}
    assert run("evaluate", "m.safetensors", "long.csv")[0] == 0 and "site" not in run("info", "m.safetensors")[1].split("features")[-1][:40]


def test_texts_of_a_year(folder):
    code, out, err = run("fit", "classify", "texts.csv", "--text", "text", "--leave-out", "year=2001", *SMALL)
    assert code == 0, err
    assert json.loads(out)["train"]["sequences"] == 16 and json.loads(out)["test"]["sequences"] == 8


def test_a_speaker_of_recordings(folder):
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("kaldi_native_fbank")
    random = np.random.default_rng(0)
    for k in range(12):
        soundfile.write(f"{k}.wav", 0.1 * random.normal(size=1000), 8000)
    table = pd.DataFrame({"path": [f"{k}.wav" for k in range(12)], "label": list("ab") * 6, "speaker": list("xxyyzz") * 2})
    table.to_csv("said.csv", index=False)
    code, out, err = run("fit", "classify", "said.csv", "--leave-out", "speaker=y", "--n-mels", 12, *SMALL)
    assert code == 0, err
    assert json.loads(out)["train"] == {"sequences": 8} and json.loads(out)["test"] == {"sequences": 4, "left_out": "speaker=y"}


def test_both_parts_of_a_data_set_together():
    from ostinato.data import DataError, find
    from ostinato.tasks.held_out import leave_out, together
    from ostinato.tasks.sequence_table import SequenceColumns
    from ostinato.tasks.text_table import read_text_table

    columns = SequenceColumns(targets=("label",), group="label")
    learn, test = (read_text_table("spam-small", columns, part) for part in ("train", "test"))
    every = together(learn, test)
    rest, held = leave_out(every, "spam")
    assert len(every.ids) == sum(find("spam-small").count.values()) == len(rest.ids) + len(held.ids)
    assert set(held.of_sequences()) == {"spam"} and set(rest.of_sequences()) == {"ham"} and len(held.frame) == len(held.ids)
    with pytest.raises(DataError, match="in each of its parts"):
        together(learn, learn)


@pytest.mark.parametrize(
    ("table", "group", "code", "message"),
    [
        ("long.csv", "site", 2, "'site' is no COLUMN=VALUE, such as speaker=theo"),
        ("long.csv", "sites=2", 1, "There is no column 'sites'. Did you mean 'site'? Name it with --leave-out"),
        ("long.csv", "site=22", 1, "long has no '22' in column 'site'. Did you mean '2'? There are 0, 1, 2."),
        ("one.csv", "site=1", 1, "nothing but '1' in column 'site': nothing is left to learn from"),
        ("hole.csv", "site=1", 1, "Column 'site' is empty in data row 1"),
        ("changing.csv", "site=1", 1, "Column 'site' changes within sequence 0 (data row 2)"),
    ],
)
def test_groups_that_cannot_be_left_out(folder, table, group, code, message):
    found, _, err = run("fit", "classify", table, "--leave-out", group, *SMALL)
    assert found == code and message in " ".join(err.replace("│", " ").split())


def test_a_group_and_a_table_to_score_on_are_one_too_many(folder):
    code, _, err = run("fit", "classify", "long.csv", "--leave-out", "site=1", "--test", "one.csv", *SMALL)
    assert code == 2 and "leave out --test" in err
