"""Tables as people keep them: a row for each sequence, cells of text, missing labels; and what the baselines make of texts."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import result, run
from test_texts import reviews

from ostinato.data import DataError
from ostinato.tasks import SequenceClassifier, SequenceRegressor
from ostinato.tasks.sequence_baselines import LinearClassifier, MeanValue, NearestClassifier
from ostinato.tasks.text_baselines import Lexicon, LexiconRegressor, LinearBagOfWords, LinearBagOfWordsRegressor

QUICK = {"hidden_size": 3, "max_epochs": 2, "random_state": 0}
TINY = ["--hidden-size", "3", "--max-epochs", "2", "--cell", "rnn"]
SENTENCES = ["A lovely film.", "An awful, boring film.", "GREAT fun :)", "It is not good at all."] * 6


@pytest.fixture
def genes(tmp_path, monkeypatch):
    """A table with a row for each gene: rising and falling courses."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    courses = np.linspace(-1, 1, 8) * np.where(np.arange(40) % 2, 1, -1)[:, None] + 0.1 * random.normal(size=(40, 8))
    table = pd.DataFrame(courses, columns=[f"{10 * k} min" for k in range(8)])
    table.insert(0, "gene", [f"Y{k}" for k in range(40)])
    table["group"] = np.where(np.arange(40) % 2, "up", "down")
    table.to_csv("genes.csv", index=False)
    return table


# ---------------------------------------------------------------- a row for each sequence


def test_a_wide_table_from_fit_to_answers(genes):
    fitted, told = result("fit", "classify", "genes.csv", "--wide", "--id-column", "gene", "--label", "group", *TINY)
    assert "a sequence of 8 steps, '0 min' to '70 min'" in told and fitted["train"] == {"sequences": 32, "steps": 256}
    assert fitted["scores"]["nearest neighbour"]["accuracy"] == 1.0
    predict = ("predict", "genes-classify.safetensors", "--probabilities")
    answers = run(*predict, "genes.csv")[1]
    genes[["group", *genes.columns[8:0:-1], "gene"]].to_csv("other.csv", index=False)  # columns are found by name
    assert run(*predict, "other.csv")[1] == answers and answers.startswith("gene,group,p_down,p_up\nY0,")
    genes[genes.columns[1:9]].assign(unique_id=genes["gene"]).to_csv("bare.csv", index=False)
    assert run(*predict, "bare.csv", "--id-column", "unique_id")[1].splitlines()[1:] == answers.splitlines()[1:]


def test_a_wide_table_without_names(genes):
    genes.drop(columns="gene").to_csv("rows.csv", index=False)
    fitted, _ = result("fit", "regress", "rows.csv", "--wide", "--target", "70 min", *TINY)
    assert list(fitted["scores"]) == ["mean", "linear", "nearest neighbour", "rnn"]
    lines = run("predict", "rows-regress.safetensors", "rows.csv")[1].splitlines()
    assert lines[0] == "row,70 min" and lines[1].startswith("1,") and len(lines) == 41


def test_it_is_what_python_makes_of_an_array(genes):
    genes.to_csv("test.csv", index=False)
    result("fit", "classify", "genes.csv", "--wide", "--id-column", "gene", "--label", "group", "--test", "test.csv", *TINY)
    X = genes.iloc[:, 1:9].to_numpy()
    own = SequenceClassifier("rnn", **QUICK).fit(X, genes["group"].to_numpy())
    assert (SequenceClassifier.load("genes-classify.safetensors").predict_proba(genes_long(genes)) == own.predict_proba(X)).all()


def genes_long(table):
    """A row for each step."""
    return pd.DataFrame({"unique_id": np.repeat(table["gene"].to_numpy(), 8), "value": table.iloc[:, 1:9].to_numpy().ravel()})


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        (lambda t: t, ["--label", "grop"], "no column 'grop'. Did you mean 'group'.*--label"),
        (lambda t: t.assign(gene="Y0"), ["--label", "group"], "'Y0' of column 'gene' stands twice"),
        (lambda t: t[["gene", "group"]], ["--label", "group"], "no column of numbers for a step"),
        (lambda t: t, ["--label", "group", "--features", "5 min"], "no column '5 min'.*--features"),
        (lambda t: t.mask(t == t.iloc[3, 4]), ["--label", "group"], "no value .NaN. of 'value' at step 4 of sequence 'Y3'"),
        (lambda t: t.assign(group=t["group"].mask(t["gene"] == "Y3")), ["--label", "group"], "no label in data row 25"),
    ],
)
def test_a_wide_table_that_cannot_be_used(genes, change, flags, message):
    change(genes).to_csv("genes.csv", index=False)
    code, _, told = run("fit", "classify", "genes.csv", "--wide", "--id-column", "gene", *flags, *TINY)
    assert code == 1 and re.search(message, told.replace("\n", " ")), told


def test_a_set_in_long_form_is_not_wide(genes):
    code, _, told = run("fit", "classify", "japanese-vowels", "--wide", *TINY)
    assert code == 1 and "leave --wide out" in told


# ---------------------------------------------------------------- cells of text


def test_a_cell_of_text_is_text(genes):
    Path("notes.csv").write_text("body,kind\n" + 6 * 'NA,a\n12,b\n,a\n"x, y",b\n')
    fitted, _ = result("fit", "classify", "notes.csv", "--text", "body", "--label", "kind", "--embedding-size", "3", *TINY)
    assert fitted["scores"]["linear, words"]["accuracy"] == 1.0
    Path("new.csv").write_text("kind,body\na,null\nc,\n")
    scores, _ = result("evaluate", "notes-classify.safetensors", "new.csv")
    assert scores["scores"]["rnn"]["unknown_labels"] == 1


# ---------------------------------------------------------------- labels and targets


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, pd.NaT, np.float64("nan")])
def test_a_missing_label_is_no_class(missing):
    texts, labels = reviews(20, 0)
    for one in (SequenceClassifier("rnn", **QUICK), LinearBagOfWords()):
        with pytest.raises(DataError, match=r"no label .* for sequence 2"):
            one.fit(texts, [labels[0], missing, *labels[2:]])


def test_texts_are_no_targets():
    with pytest.raises(DataError, match="y has the text 'good', where X is no frame"):
        SequenceRegressor("rnn", **QUICK).fit(*reviews(20, 0))


# ---------------------------------------------------------------- baselines


def test_numbers_of_texts_by_command(genes):
    texts, labels = reviews(60, 0)
    pd.DataFrame({"body": texts, "stars": [5 if label == "good" else 1 for label in labels]}).to_csv("stars.csv", index=False)
    fitted, _ = result("fit", "regress", "stars.csv", "--text", "body", "--target", "stars", "--embedding-size", "3", *TINY)
    assert list(fitted["scores"]) == ["mean", "linear, words", "rnn"] and fitted["scores"]["linear, words"]["r2"] > 0.5


def test_a_regression_of_words_leaves_nothing_out():
    texts, labels = reviews(80, 0)
    stars = np.array([[5.0, 1.0] if label == "good" else [1.0, 0.0] for label in labels])
    one = LinearBagOfWordsRegressor().fit(texts, stars)
    assert one.predict(["a lovely one", ""]).shape == (2, 2) and one.score(texts, stars) > 0.9
    assert MeanValue().fit(texts, stars).predict(["x"]).tolist() == [stars.mean(axis=0).tolist()]


def test_a_lexicon_knows_what_it_never_saw():
    pytest.importorskip("vaderSentiment")
    labels = ["positive", "negative"] * 12
    one = Lexicon().fit(SENTENCES, labels)
    assert one.predict(["What a delight!", "horrible"]).tolist() == ["positive", "negative"]
    assert one.predict([["What", "a", "delight"], []]).shape == (2,) and one.predict_proba([""]).sum() == pytest.approx(1)
    ratings = LexiconRegressor().fit(pd.DataFrame({"body": SENTENCES}), [2.0, -3.0] * 12)
    assert ratings.predict(pd.DataFrame({"body": ["good", "bad"]})) @ [1, -1] > 1


@pytest.mark.parametrize("installed", [True, False])
def test_the_lexicon_is_asked_for_and_may_be_missing(genes, monkeypatch, installed):
    if installed:
        pytest.importorskip("vaderSentiment")
    else:
        monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    pd.DataFrame({"body": SENTENCES, "label": ["positive", "negative"] * 12}).to_csv("s.csv", index=False)
    fitted, told = result("fit", "classify", "s.csv", "--text", "body", "--lexicon", *TINY)
    assert ("lexicon (VADER)" in fitted["scores"]) == installed
    assert ("needs the package vaderSentiment" in told) != installed


def test_sequences_of_one_length_are_compared_step_by_step():
    """A spike that resampling to 24 steps would lose."""
    X, y = np.zeros((40, 101)), np.arange(40) % 2
    X[np.arange(40), 2 + 4 * y] = 1.0 + np.arange(40) / 100
    for kind in (NearestClassifier, LinearClassifier):
        assert kind().fit(X[:30], y[:30]).score(X[30:], y[30:]) == 1.0
    longer = [np.append(x, 0.0) for x in X[30:]]
    assert NearestClassifier().fit(X[:30], y[:30]).predict(longer).shape == (10,)
