"""Labels along sequences: proteins from profiles and residues, FASTA, coarse labels, the picture, bad input."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from test_cli import result, run

from ostinato import model_file
from ostinato.cli.fit_sequences import read_parts
from ostinato.cli.jobs import TagJob
from ostinato.data import DataError, find
from ostinato.data.proteins import AMINO_ACIDS, three_states
from ostinato.tasks import SequenceTagger
from ostinato.tasks.fasta import read_fasta
from ostinato.tasks.plot_tags import LINE, PALETTE, plot_tags
from ostinato.tasks.sequence_scores import coarse_accuracy
from ostinato.tasks.sequence_table import SequenceColumns, coarse_labels, long_sequences
from ostinato.tasks.tag_baselines import WindowTagger

TINY = ["--hidden-size", "3", "--max-epochs", "1", "--cell", "rnn", "--label", "q8", "--validation-fraction", "0"]


@pytest.fixture(scope="module")
def chains():
    """Twelve chains of the bundled ones, in long form."""
    frame = find("proteins-small").frame("test")
    return frame[frame["unique_id"].isin(frame["unique_id"].unique()[:12])]


@pytest.fixture
def folder(tmp_path, monkeypatch, chains):
    monkeypatch.chdir(tmp_path)
    chains.to_csv("chains.csv", index=False)
    return tmp_path


def test_the_frame_of_chains(chains):
    assert chains.columns.tolist() == ["unique_id", "step", "residue", "q8", "q3", *AMINO_ACIDS]
    assert (chains["q3"] == chains["q8"].map(three_states)).all()
    assert chains.groupby("unique_id")["step"].apply(lambda own: own.tolist() == list(range(len(own)))).all()
    tokens, tags = find("proteins-small").sequences("test")
    assert [chains[column].tolist() for column in ("residue", "q8")] == [np.concatenate(one[:12]).tolist() for one in (tokens, tags)]
    profiles = np.concatenate(find("proteins-small").profiles("test")[:12])
    np.testing.assert_array_equal(chains[list(AMINO_ACIDS)].to_numpy(), profiles)


@pytest.mark.parametrize(
    ("name", "said", "features", "text"),
    [
        ("proteins-small", {"coarse": "q3"}, tuple(AMINO_ACIDS), None),
        ("proteins-small", {"text": "residue"}, ("residue",), "residue"),
        ("turkish-tags", {"label": "tag"}, ("token",), "token"),
    ],
)
def test_what_is_read_of_the_data_sets(name, said, features, text):
    parts = read_parts(name, TagJob(**{"label": "q8", **said}))
    for one, part in zip(parts, ("train", "test"), strict=True):
        assert one.columns.features == features and one.columns.text == text and len(one.ids) == find(name).count[part]
    assert set(coarse_labels(*parts).values()) == (set("HEC") if "coarse" in said else set())


def test_profiles_from_fit_to_answers(folder):
    fitted, told = result("fit", "tag", "chains.csv", *TINY, "--coarse", "q3", "--train-sequences", "8", "--plot", "c.png")
    assert fitted["train"]["sequences"] == 8 and "8 of 10 sequences are learned from" in told
    assert all(score["coarse_accuracy"] >= score["accuracy"] for score in fitted["scores"].values())
    assert Path("c.png").stat().st_size > 10_000
    model = model_file.load("chains-tag.safetensors")
    assert model.schema["names"] == list(AMINO_ACIDS) and ["G", "H"] in model.schema["columns"]["coarse_labels"]
    scores, _ = result("evaluate", "chains-tag.safetensors", "chains.csv")
    pd.read_csv("chains.csv").drop(columns="q3").sample(frac=1, random_state=0).to_csv("mixed.csv", index=False)
    again, _ = result("evaluate", "chains-tag.safetensors", "mixed.csv")  # in another order, and without the coarse labels
    assert again["scores"] == scores["scores"]
    whole, _ = result("evaluate", "chains-tag.safetensors", "proteins-small")
    assert whole["scores"]["rnn"]["sequences"] == 12565
    Path("a.fasta").write_text(">a\nMKV\n")
    code, _, said = run("predict", "chains-tag.safetensors", "a.fasta")
    assert code == 1 and "the model reads numbers (A, C, D" in said


def test_residues_from_fit_to_answers(folder):
    fitted, _ = result("fit", "tag", "chains.csv", *TINY, "--text", "residue", "--suffixes", "0")
    assert list(fitted["scores"]) == ["most frequent", "linear, window", "rnn"]
    Path("a.fasta").write_text("\ufeff>one a protein\nMKV L\nxx*\n\n>two\nggu\n")
    lines = run("predict", "chains-tag.safetensors", "a.fasta")[1].splitlines()
    assert lines[0] == "sequence,position,residue,q8" and [line.rsplit(",", 1)[0] for line in lines[1:]] == [
        "one,1,M", "one,2,K", "one,3,V", "one,4,L", "one,5,X", "one,6,X", "two,1,G", "two,2,G", "two,3,U"
    ]  # fmt: skip
    Path("a.fa.gz").write_bytes(gzip.compress(Path("a.fasta").read_bytes()))
    assert run("predict", "chains-tag.safetensors", "a.fa.gz")[1].splitlines() == lines
    Path("a.txt").write_text("MKV L\nGG\n")
    lines = run("predict", "chains-tag.safetensors", "a.txt")[1].splitlines()
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == ["1,M", "1,K", "1,V", "1,L", "2,G", "2,G"]
    code, _, said = run("fit", "tag", "a.fasta", *TINY, "--text", "residue")
    assert code == 1 and "has residues, but no labels" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no sequence"),
        ("MKV\n>a\nM\n", "Line 1 comes before the name"),
        (">a\nMK\n>b\n\n>c\nM", "'b' .line 3. has no residues"),
        (">a\nM\n>a\nK\n", "Two sequences are called 'a' .lines 1 and 3."),
        (">a\nMK-V\n", "Line 2 has '-', which is no residue"),
        (">a\nMÄ\n", "Line 2 has 'Ä'"),
        (b"\xff\xfe\x00", "no FASTA file"),
        (None, "There is no file"),
    ],
)
def test_what_is_no_fasta_is_named(tmp_path, content, message):
    path = tmp_path / "a.fasta"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read_fasta(str(path), "sequence", "position", "residue")


def test_coarse_labels_add_up():
    """The largest probability is c's, but a and b together are more."""
    classes, coarse = np.array(["a", "b", "c"]), {"a": "x", "b": "x", "c": "y"}
    said = np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    assert coarse_accuracy(np.array(["a", "c"]), said, classes, coarse) == 1.0
    assert coarse_accuracy(np.array(["c", "new"]), said, classes, coarse) == 0.0


def test_a_label_has_one_coarse_label(folder):
    frame = pd.DataFrame({"unique_id": [1, 1, 2], "x": [1.0, 2, 3], "tag": list("aab"), "rough": list("AAB")})
    columns = SequenceColumns(targets=("tag",), coarse="rough")
    first, second = (long_sequences(one, columns, "t", False, True) for one in (frame, frame.assign(rough=list("AAA"))))
    assert coarse_labels(first) == {"a": "A", "b": "B"} and first.columns.features == ("x",)
    with pytest.raises(DataError, match="'rough' has 'B' and 'A' where 'tag' is 'b'"):
        coarse_labels(first, second)
    code, _, said = run("fit", "tag", "chains.csv", *TINY, "--coarse", "q33")
    assert code == 1 and "no column 'q33'" in said
    assert coarse_labels(long_sequences(frame, SequenceColumns(targets=("tag",)), "t", False, True)) == {}


def test_a_forged_coarse_label_is_refused(folder):
    result("fit", "tag", "chains.csv", *TINY, "--coarse", "q3")
    held = model_file.load("chains-tag.safetensors")
    for forged in ({"H": "H"}, [["H"]], [["H", ["E"]]]):
        held.schema["columns"]["coarse_labels"] = forged
        model_file.save(held, "forged.safetensors", overwrite=True)
        code, _, said = run("evaluate", "forged.safetensors", "chains.csv")
        assert code == 1 and "'coarse_labels' are no pairs" in said


def test_long_chains_and_strange_residues():
    chains, states = ["MKVLAGGHMK", "GGHMKMKV"] * 4, ["HHHHEEEECC", "EECCCHHH"] * 4
    tagger = SequenceTagger("gru", tokens="characters", suffixes=0, prefixes=0, hidden_size=3, max_epochs=1, random_state=0).fit(
        chains, states
    )
    whole = tagger.predict_proba(["MKVLXZB*U" * 11_112])[0]
    assert whole.shape == (100_008, 3) and np.isfinite(whole).all()
    np.testing.assert_array_equal(tagger.predict_proba(["XZ"])[0], tagger.predict_proba(["U*"])[0])  # all unknown alike
    with pytest.raises(DataError, match="sequence 2"):
        tagger.predict(["MKV", ""])
    with pytest.raises(DataError, match="7 labels for sequence 1, which has 8 steps"):
        tagger.fit(["GGHMKMKV"], ["EECCCHH"])
    assert tagger.score(["MK"], ["QQ"]) == 0.0  # labels that were never seen are wrong


@pytest.mark.parametrize("reads", ["profiles", "residues"])
def test_the_window_reads_neighbours(reads):
    """What stands three steps before tells the label."""
    random = np.random.default_rng(0)
    letters = ["".join(random.choice(list("ACDE"), 30)) for _ in range(40)]
    labels = ["?" * 3 + one[:-3] for one in letters]
    X = letters if reads == "residues" else [np.array([[c == a for a in "ACDE"] for c in one], float) for one in letters]
    tagger = WindowTagger(tokens="characters").fit(X[:30], labels[:30])
    assert tagger.score(X[30:], labels[30:]) > 0.95


def test_the_ribbon_shows_what_it_was_given():
    truth = ["H"] * 70 + ["E"] * 60
    axes = plot_tags(truth, ["H"] * 130, name="1ABC")
    drawn = [(to_hex(one.get_facecolor()[0]).upper(), one.get_paths()[0].get_extents()) for one in axes.collections]
    widths = [(colour, round(box.x0), round(box.width)) for colour, box in drawn]
    strand, helix = PALETTE[:2]
    assert widths == [(helix, 0, 70), (strand, 70, 30), (strand, 0, 30), (helix, 0, LINE), (helix, 0, 30)]
    assert drawn[0][1].y0 < drawn[3][1].y0 < drawn[2][1].y0  # truth above the answer, the second line below both
    assert axes.get_title("left") == "1ABC; truth above, answer below; 53.8 % right"
    words = plot_tags(list("ab"), tokens=["Ankara", "$x$"])
    assert [text.get_text() for text in words.texts] == ["Ankara", "$x$"]
    assert "the first 1200 of 5000 steps" in plot_tags(["a"] * 5000).get_title("left")
    for bad in ((["a"], ["a", "b"]), ([], [])):
        with pytest.raises(DataError, match="must be as many"):
            plot_tags(*bad)


@pytest.mark.parametrize(
    ("columns", "said", "message"),
    [
        ("unique_id,word,tag\n1,a,X\n1,b,Y\n", (), "no column of numbers; give each step some, or read 'word' with --text"),
        ("unique_id,word,tag\n1,a,X\n1,b,\n", ("--text", "word"), "Column 'tag' has no label in data row 2"),
        ("unique_id,word,tag\n1,a,X\n,b,Y\n", ("--text", "word"), "'unique_id' is empty in data row 2"),
        ("unique_id,word\n1,a\n", ("--text", "word"), "no column 'tag'. Name it with --label"),
        ("unique_id,word,tag\n1,a,X\n2,b,X\n", ("--text", "word"), "one class only"),
    ],
)
def test_what_cannot_be_learned_from_is_named(tmp_path, monkeypatch, columns, said, message):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(columns)
    code, _, told = run("fit", "tag", "a.csv", *TINY[:6], *said, "--test-fraction", "0.5")
    assert code == 1 and re.search(message, " ".join(told.split())), told
