"""Texts and tokens in: how they are read, classified and tagged, their files, and bad input."""

from __future__ import annotations

import copy
import pickle
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from ostinato.data import DataError
from ostinato.model_file import ModelFileError, save
from ostinato.tasks import SequenceClassifier, SequenceRegressor, SequenceTagger, estimator_file
from ostinato.tasks.sequence_baselines import MajorityClass
from ostinato.tasks.tag_baselines import MostFrequentTag, WindowTagger
from ostinato.tasks.text_baselines import LinearBagOfWords
from ostinato.tasks.tokens import Split, read_tokens
from ostinato.tasks.vocabulary import NOTHING, UNKNOWN, Subwords, TokenTable, shape

QUICK = {"hidden_size": 4, "embedding_size": 6, "max_epochs": 2, "random_state": 0}
ABLE = {"hidden_size": 8, "embedding_size": 12, "max_epochs": 25, "random_state": 0, "learning_rate": 0.02}
GOOD, BAD, REST = ("fine", "great", "lovely"), ("awful", "bad", "poor"), tuple(f"word{k}" for k in range(30))


def reviews(count, seed):
    """Texts that are good or bad by one of their words."""
    random, texts, labels = np.random.default_rng(seed), [], []
    for number in range(count):
        words = random.choice(REST, random.integers(2, 12)).tolist()
        words[random.integers(len(words))] = str(random.choice((GOOD, BAD)[number % 2])).capitalize()
        texts.append(" ".join(words))
        labels.append(("good", "bad")[number % 2])
    return texts, labels


def sentences(count, seed):
    """Lists of tokens, and of each whether it comes after a "not" somewhere, or has the ending of a verb."""
    random, X, y = np.random.default_rng(seed), [], []
    for _ in range(count):
        tokens = [f"{random.integers(200)}{random.choice(['yor', 'lar'])}" for _ in range(random.integers(2, 9))]
        tokens[int(random.integers(len(tokens)))] = "not"
        tags = [
            "no" if t == "not" else "verb" if t.endswith("yor") else "after" if "not" in tokens[:k] else "noun"
            for k, t in enumerate(tokens)
        ]
        X.append(tokens)
        y.append(tags)
    return X, y


@pytest.fixture(scope="module")
def texts():
    return reviews(120, 0)


@pytest.fixture(scope="module")
def fitted(texts):
    return SequenceClassifier("gru", **QUICK).fit(*texts)


@pytest.fixture(scope="module")
def tagged():
    return sentences(60, 0)


@pytest.fixture(scope="module")
def tagger(tagged):
    return SequenceTagger("gru", **QUICK).fit(*tagged)


# ---------------------------------------------------------------- from texts to numbers


@pytest.mark.parametrize(
    ("into", "text", "tokens"),
    [
        ("words", "Don’t panic, it's 9.30!", ["Don’t", "panic", ",", "it's", "9", ".", "30", "!"]),
        ("words", "हिन्दी में", ["हिन्दी", "में"]),  # a word keeps its marks
        ("words", "שלום עולם 😀👍", ["שלום", "עולם", "😀", "👍"]),
        ("words", "\t \n", []),
        ("characters", "ab c", ["a", "b", " ", "c"]),
    ],
)
def test_how_a_text_is_split(into, text, tokens):
    assert Split(into)(text) == tokens


def test_texts_come_in_every_form():
    texts = ["one two", "three", ""]
    wanted = (["one", "two"], ["three"], [""])
    forms = [texts, tuple(texts), np.array(texts), np.array(texts, object), pd.Series(texts), pl.Series(texts)]
    forms += [[["one", "two"], ("three",), []], pd.DataFrame({"body": texts}), pl.DataFrame({"body": texts, "label": [1, 2, 3]})]
    for form in forms:
        assert read_tokens(form, Split("words")).tokens == wanted
    long = pd.DataFrame({"unique_id": ["b", "a", "b"], "token": ["one", "three", "two"]})
    assert read_tokens(long, Split("words")).tokens == wanted[:2]
    assert read_tokens(np.array([["a", "b"], ["c", "d"]]), Split("words")).source == "array"


def test_what_looks_the_same_is_the_same():
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    assert read_tokens([decomposed, [decomposed]], Split("words")).tokens == ([composed], [composed])


class Told:
    """The parameters that a vocabulary reads."""

    lowercase, suffixes, prefixes, min_count, vocabulary_size = True, 0, 0, 1, 100

    def __init__(self, **told):
        vars(self).update(told)


def test_a_vocabulary_has_the_most_frequent_first():
    table = TokenTable.fit([["b", "A", "a"], ["a", "c", "", "c"]], Told(vocabulary_size=2))
    assert table.entries == ("a", "c") and table.size == 4
    assert table.encode(["A", "c", "b", "x", ""]).tolist() == [[2], [3], [UNKNOWN], [UNKNOWN], [UNKNOWN]]
    assert TokenTable.fit([["b", "A", "a"]], Told(min_count=1, lowercase=False)).entries == ("A", "a", "b")
    with pytest.raises(DataError, match="No token occurs 2 times"):
        TokenTable.fit([["b", "a"]], Told(min_count=2))


def test_endings_and_shapes():
    table = TokenTable.fit([["Geliyor", "12.5"]], Told(suffixes=2))
    own = table.encode(["geliyor", "gidiyor", "XYZ"])
    assert own.shape == (3, 4) and own[0, 0] > UNKNOWN and own[1, 0] == UNKNOWN
    assert own[0, 1:3].tolist() == own[1, 1:3].tolist() and NOTHING not in own[1, 1:3]  # "r", "or"
    assert own[2].tolist() == [UNKNOWN, NOTHING, NOTHING, NOTHING]
    both = TokenTable.fit([["Geliyor"]], Told(suffixes=1, prefixes=2)).encode(["Gelir", "GE"])
    assert both[0, 0] == UNKNOWN and len(set(both[0, 1:].tolist()) - {NOTHING, UNKNOWN}) == 4  # "r", "g", "ge", "Xx"
    assert both[1].tolist() == [UNKNOWN, NOTHING, both[0, 2], NOTHING, NOTHING]
    assert [shape(token) for token in ("Ankara", "TBMM", "12.5", "e-posta", "")] == ["Xx", "X", "d.d", "x-x", ""]


# ---------------------------------------------------------------- it learns


@pytest.mark.parametrize("tokens", ["words", "characters", "subwords"])
def test_it_learns_classes_of_texts(texts, tokens):
    if tokens == "subwords":
        pytest.importorskip("sentencepiece")
    one = SequenceClassifier("gru", tokens=tokens, vocabulary_size=200, **ABLE).fit(*texts)
    assert one.score(*reviews(100, 1)) > 0.9


def test_it_learns_tags(tagged):
    X, y = sentences(100, 1)
    one = SequenceTagger("gru", **ABLE).fit(*tagged)
    assert one.score(X, y) > 0.95 > SequenceTagger("gru", suffixes=0, prefixes=0, **ABLE).fit(*tagged).score(X, y)  # words alone are new


def test_it_learns_tags_of_numbers_and_of_characters():
    random = np.random.default_rng(0)
    X = [random.normal(size=(random.integers(3, 9), 2)) for _ in range(60)]
    y = [np.where(np.roll(x[:, 0], -1) > 0, "up", "down") for x in X]  # the next step's number: both directions are needed
    assert SequenceTagger("gru", **ABLE).fit(X, y).score(X, y) > 0.8
    letters = ["".join(random.choice(list("ABCD"), 9)) for _ in range(60)]
    marks = ["".join("v" if c == "A" else "c" for c in one) for one in letters]
    one = SequenceTagger("gru", tokens="characters", **ABLE).fit(letters, marks)
    assert one.score(letters, marks) > 0.95 and one.predict(["ABA"])[0].tolist() == ["v", "c", "v"]


def test_a_number_is_told_of_a_text_and_of_a_token(texts, tagged):
    numbers = [float(label == "good") for label in texts[1]]
    assert SequenceRegressor("gru", **ABLE).fit(texts[0], numbers).score(texts[0], numbers) > 0.7
    lengths = [[float(len(token)) for token in tokens] for tokens in tagged[0]]
    assert SequenceRegressor("gru", per_step=True, **QUICK).fit(tagged[0], lengths).predict(tagged[0])[3].shape == (len(tagged[0][3]),)


# ---------------------------------------------------------------- the protocol


def test_a_frame_gives_the_same_model_as_a_list(texts, fitted):
    for kind in (pd.DataFrame, pl.DataFrame):
        frame = kind({"body": texts[0], "sender": texts[1], "kind": texts[1]})
        one = SequenceClassifier("gru", text="body", **QUICK).fit(frame, "kind")
        assert np.array_equal(one.predict_proba(frame), fitted.predict_proba(texts[0]))
        assert one.score(frame, "kind") == fitted.score(*texts)
    alone = SequenceClassifier("gru", **QUICK).fit(frame[["body", "kind"]], "kind")
    assert np.array_equal(alone.predict_proba(frame), fitted.predict_proba(texts[0]))  # the column is remembered


def test_tags_stand_beside_their_rows(tagged, tagger):
    X, y = tagged
    rows = [
        (name, k, token, tag)
        for name, (own, tags) in enumerate(zip(X, y, strict=True))
        for k, (token, tag) in enumerate(zip(own, tags, strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["unique_id", "step", "token", "tag"]).sample(frac=1, random_state=0)
    frame["unique_id"] = frame["unique_id"].map("s{:03d}".format)
    ordered = frame.sort_values(["unique_id", "step"])
    one = SequenceTagger("gru", **QUICK).fit(ordered, "tag")
    assert np.array_equal(one.predict(ordered), np.concatenate(tagger.predict(X)))
    assert np.array_equal(pd.Series(one.predict(frame), frame.index)[ordered.index], one.predict(ordered))
    assert one.score(frame, "tag") == tagger.score(X, y)
    assert one.score(frame.drop(columns="tag"), frame["tag"].tolist()) == tagger.score(X, y)


def test_the_shapes_of_tags(tagged, tagger):
    said, sure = tagger.predict(tagged[0]), tagger.predict_proba(tagged[0])
    assert [one.shape for one in said] == [(len(tokens),) for tokens in tagged[0]] and sure[0].shape == (*said[0].shape, 4)
    assert np.allclose([one.sum() for one in sure], [len(one) for one in said])
    assert tagger.predict(np.array([["not", "1lar"]] * 3)).shape == (3, 2)
    assert tagger.transform(tagged[0]).shape == (60, 8)


def test_an_answer_does_not_depend_on_its_company(texts, fitted, tagged, tagger):
    alone = np.concatenate([fitted.predict_proba([text]) for text in texts[0]])
    assert np.array_equal(alone, fitted.predict_proba(texts[0]))
    together = tagger.predict_proba(tagged[0])
    assert all(np.array_equal(tagger.predict_proba([tokens])[0], said) for tokens, said in zip(tagged[0], together, strict=True))


def test_ensembles_weights_and_tools(texts, tagged, tagger):
    one = SequenceClassifier("gru", ensemble=2, class_weight={"good": 3.0}, token_dropout=0.2, embedding_dropout=0.2, **QUICK)
    assert one.fit(*texts).predict_proba(texts[0]).shape == (120, 2)
    assert len(cross_val_score(SequenceClassifier("gru", **QUICK), *texts, cv=3)) == 3
    assert len(cross_val_score(SequenceTagger("gru", **QUICK), *tagged, cv=3)) == 3
    rare = SequenceTagger("gru", class_weight={"no": 100.0}, **QUICK).fit(*tagged)
    sure = [np.concatenate(one.predict_proba(tagged[0]))[:, 1].mean() for one in (tagger, rare)]
    assert sure[1] > 1.2 * sure[0]
    weights = np.arange(60) % 2
    half = [[part[k] for k in range(1, 60, 2)] for part in tagged]
    said = [SequenceTagger("gru", **QUICK).fit(*data).predict_proba(tagged[0])[0] for data in (tagged, half)]
    one = SequenceTagger("gru", **QUICK).fit(*tagged, sample_weight=weights).predict_proba(tagged[0])[0]
    assert np.array_equal(one, said[1]) and not np.array_equal(one, said[0])


def test_partial_fit_keeps_the_first_vocabulary(texts, tagged):
    one = SequenceClassifier("gru", **QUICK).partial_fit(*texts, classes=["bad", "good"])
    entries = one.input_.vocabulary.entries
    one.partial_fit(["never seen before"] * 4, ["good", "bad"] * 2)
    assert one.input_.vocabulary.entries == entries and "never" not in entries
    other = SequenceTagger("gru", **QUICK)
    scores = [other.partial_fit(*tagged, classes=["after", "no", "noun", "verb"]).score(*tagged) for _ in range(12)]
    assert scores[-1] > scores[0]


def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(texts, tmp_path):
    wanted = SequenceClassifier("gru", **QUICK, token_dropout=0.2).fit(*texts).predict_proba(texts[0])

    def stop(epoch):
        raise KeyboardInterrupt

    keep = {**QUICK, "token_dropout": 0.2, "checkpoint": tmp_path / "c"}
    with pytest.raises(KeyboardInterrupt):
        SequenceClassifier("gru", on_epoch=stop, **keep).fit(*texts)
    assert (tmp_path / "c").exists()
    assert np.array_equal(SequenceClassifier("gru", **keep).fit(*texts).predict_proba(texts[0]), wanted)


def test_only_so_many_tokens_are_read(texts, fitted):
    one = SequenceClassifier("gru", max_length=3, validation_fraction=0.0, **QUICK).fit(*texts)
    assert one.input_.longer == sum(len(text.split()) > 3 for text in texts[0]) > 0
    assert np.array_equal(one.predict_proba([texts[0][1]]), one.predict_proba([" ".join(texts[0][1].split()[:3])]))
    assert np.array_equal(fitted.predict_proba(["word1 " * 100_000]), fitted.predict_proba(["word1 " * 256]))


def test_texts_without_a_known_token(fitted, tagger):
    said = fitted.predict_proba(["", "   ", "unheard", "שלום", []])
    assert np.isfinite(said).all() and (said == said[0]).all()
    assert len(tagger.predict([["😀", "", "неизвестно"]])[0]) == 3


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("tokens", ["words", "subwords"])
@pytest.mark.parametrize("copied", ["file", "pickle", "copy"])
def test_it_says_the_same_after_it_was_read_back(texts, tmp_path, tokens, copied):
    if tokens == "subwords":
        pytest.importorskip("sentencepiece")
    one = SequenceClassifier("lstm", tokens=tokens, vocabulary_size=100, **QUICK).fit(*texts)
    if copied == "file":
        one.save(tmp_path / "m")
        back = SequenceClassifier.load(tmp_path / "m")
        back.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    else:
        back = pickle.loads(pickle.dumps(one)) if copied == "pickle" else copy.deepcopy(one)
    strange = [*texts[0], "", "new 😀"]
    assert np.array_equal(back.predict_proba(strange), one.predict_proba(strange))
    assert clone(back).get_params() == clone(one).get_params() | ({"random_state": back.random_state} if copied == "file" else {})


def test_a_tagger_says_the_same_after_it_was_read_back(tagged, tagger, tmp_path):
    tagger.save(tmp_path / "m", scores={"accuracy": 1.0})
    back = SequenceTagger.load(tmp_path / "m")
    assert all(np.array_equal(a, b) for a, b in zip(back.predict_proba(tagged[0]), tagger.predict_proba(tagged[0]), strict=True))
    with pytest.raises(ModelFileError, match="holds a SequenceTagger, not a SequenceClassifier"):
        SequenceClassifier.load(tmp_path / "m")


def schema(**changes):
    return lambda m: replace(m, schema={**m.schema, **changes})


def vocabulary(content):
    return lambda m: replace(m, tensors={**m.tensors, "vocabulary": content(m.tensors["vocabulary"])})


FORGERIES = {
    "another split": (schema(tokens="verses"), "its tokens are 'verses'"),
    "a length of no kind": (schema(max_length=0), "'max_length' is 0"),
    "fewer beginnings than none": (schema(prefixes=-1), "'prefixes' is -1"),
    "true endings": (schema(suffixes=True), "'suffixes' is True"),
    "a capital answer": (schema(lowercase="yes"), "'lowercase' is 'yes'"),
    "a numbered column": (schema(column=3), "of the column 3"),
    "less than none": (schema(longer=-1), "'longer' is -1"),
    "more entries": (schema(entries=10**9), "'entries' is 1000000000"),
    "entries twice": (vocabulary(lambda v: np.concatenate([v, v[:0], np.zeros(1, np.uint8), v])), "stands twice"),
    "an entry less": (vocabulary(lambda v: v[: v.tobytes().rindex(b"\0")]), "its field 'entries' is"),
    "no text": (vocabulary(lambda v: np.full(4, 255, np.uint8)), "no usable model"),
    "no bytes": (vocabulary(lambda v: v.astype(np.float32)), "no row of bytes"),
    "no vocabulary": (lambda m: replace(m, tensors={k: v for k, v in m.tensors.items() if k != "vocabulary"}), "vocabulary"),
    "a wider embedding": (lambda m: replace(m, settings={**m.settings, "embedding_size": 10**9}), "or for other sizes"),
    "parts of words": (schema(tokens="subwords"), "no usable model"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_reader_of_texts_is_refused(fitted, tmp_path, case):
    if case == "parts of words":
        pytest.importorskip("sentencepiece")
    forge, message = FORGERIES[case]
    save(forge(estimator_file.to_model(fitted)), tmp_path / "m")
    with pytest.raises(ModelFileError, match=message):
        SequenceClassifier.load(tmp_path / "m")


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["a b", b"c"], r"bytes, b'c', in sequence 2; decode"),
        (["a b", None], r"no text \(None\) in sequence 2"),
        (["a b", float("nan")], r"no text \(nan\) in sequence 2"),
        (pd.Series(["a b", pd.NA]), r"no text .* in sequence 2"),
        (["a b", 3], r"3 in sequence 2, which is no text"),
        (["a b", "\ud83d"], r"half a character \('\\ud83d'\) in sequence 2"),
        (["a b", "c\0"], r"U\+0000 in sequence 2"),
        ([["a"], ["b", 1.5]], r"1.5 in token 2 of sequence 2"),
        (pd.DataFrame({"body": ["a", None]}), r"no text .* in data row 2 of column 'body'"),
        ("one text", "X is one text; give a list"),
        (pd.DataFrame({"body": ["a", "b"], "from": ["c", "d"]}), "no column 'unique_id'"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_named(X, message):
    one = SequenceClassifier(**QUICK)
    with pytest.raises(DataError, match=message):
        one.fit(X, [0, 1])
    assert not hasattr(one, "input_")


def test_what_does_not_fit_together_is_refused(texts, fitted, tagged, tagger):
    cases = [
        (lambda: fitted.predict(np.zeros((2, 3, 1))), "X is no tokens, which this SequenceClassifier was fitted on"),
        (lambda: fitted.predict([]), "X holds no text"),
        (lambda: fitted.predict([None]), r"no text \(None\) in sequence 1"),
        (lambda: SequenceClassifier(**QUICK).fit(np.zeros((4, 3, 1)), [0, 1] * 2).predict(["a"]), "X is no numbers"),
        (lambda: SequenceTagger(tokens="subwords", **QUICK).fit(texts[0], texts[0]), "choose words or characters"),
        (lambda: SequenceClassifier(tokens="subwords", suffixes=2, **QUICK).fit(*texts), "suffixes and prefixes are of words"),
        (lambda: SequenceClassifier(tokens="verses").fit(*texts), "tokens='verses' is unknown"),
        (lambda: SequenceClassifier(text="bdy", **QUICK).fit(pd.DataFrame({"body": texts[0]}), texts[1]), "Did you mean 'body'"),
        (lambda: tagger.predict([["a"], []]), "no tokens in sequence 2; leave it out"),
        (lambda: SequenceTagger(**QUICK).fit([["a", "b"], ["c"]], [["x"], ["y"]]), "1 labels for sequence 1, which has 2 steps"),
        (lambda: SequenceTagger(**QUICK).fit([["a", "b"], ["c"]], [["x", "y"]]), "labels for 1 sequences, but X has 2"),
        (lambda: SequenceTagger(**QUICK).fit([["a", "b"], ["c"]], [["x", None], ["y"]]), r"no label \(None\) at step 2 of sequence 1"),
        (lambda: SequenceTagger(**QUICK).fit([["a", "b"], ["c"]], ["xy", 5]), "5, which is no list of labels"),
        (
            lambda: SequenceTagger(**QUICK).fit(*tagged, validation=(tagged[0], [["x"] * len(t) for t in tagged[0]])),
            "not among the classes",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_missing_library_is_named(texts, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ValueError, match=r'pip install "ostinato\[text\]"'):
        SequenceClassifier(tokens="subwords", **QUICK).fit(*texts)


def test_forged_parts_of_words_never_crash(texts):
    pytest.importorskip("sentencepiece")
    content = Subwords.fit([[text] for text in texts[0]], Told(vocabulary_size=60)).content()
    random, read = np.random.default_rng(0), 0
    for _ in range(200):
        forged = content.copy()
        forged[random.integers(len(forged), size=3)] = random.integers(256, size=3)
        try:
            Subwords.restore(forged[: random.integers(1, len(forged) + 1)], True).encode(["a text of words"])
        except ValueError:
            read += 1
    assert read > 50


# ---------------------------------------------------------------- baselines


def test_baselines_of_texts(texts):
    frame = pd.DataFrame({"body": texts[0], "label": texts[1]})
    for kind, least in ((MajorityClass, 0.5), (LinearBagOfWords, 1.0)):
        one = kind().fit(*texts)
        assert one.score(*texts) >= least and one.predict_proba(texts[0]).shape == (120, 2)
        assert np.array_equal(kind().fit(frame, "label").predict(frame), one.predict(texts[0]))


def test_baselines_of_tags(tagged):
    X, y = sentences(100, 1)
    most, linear = (kind().fit(*tagged) for kind in (MostFrequentTag, WindowTagger))
    assert 0.4 < most.score(X, y) < linear.score(X, y) and linear.score(X, y) > 0.85
    assert linear.predict_proba(X)[0].shape == (len(X[0]), 4) and most.predict(X)[0].shape == (len(X[0]),)
    random = np.random.default_rng(0)
    numbers = [random.normal(size=(random.integers(3, 9), 2)) for _ in range(60)]
    ahead = [np.where(np.append(x[1:, 0], -1) > 0, "up", "down") for x in numbers]
    assert WindowTagger().fit(numbers, ahead).score(numbers, ahead) > 0.9 > MostFrequentTag().fit(numbers, ahead).score(numbers, ahead)
