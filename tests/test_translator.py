"""The translator: beam search against every string, attention, strings as numbers, files, bad input, its baselines."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_cli import result, run

from ostinato.data import DataError
from ostinato.model_file import ModelFileError
from ostinato.tasks import Translator
from ostinato.tasks.beam import END, likeliest
from ostinato.tasks.encoder_decoder import EncoderDecoder
from ostinato.tasks.output_strings import BEYOND, OutputStrings
from ostinato.tasks.sequence_settings import TokenSettings
from ostinato.tasks.settings import Recurrence
from ostinato.tasks.string_scores import bleu, chrf, error_rate, whole_error_rate
from ostinato.tasks.translator import StringExamples
from ostinato.tasks.word_table import Copy, WordByWord, WordTable

WORDS = {"one": "uno", "two": "dos", "red": "rojo", "blue": "azul", "dog": "perro", "cat": "gato", "and": "y"}
SMALL = {
    "hidden_size": 24,
    "embedding_size": 24,
    "batch_size": 16,
    "tokens": "words",
    "random_state": 0,
    "max_epochs": 30,
    "learning_rate": 0.02,
}
TINY = ["--hidden-size", "16", "--embedding-size", "16", "--batch-size", "16", "--cell", "gru"]


def pairs() -> tuple[list[str], list[str]]:
    """Phrases whose adjective changes its place."""
    things = list(itertools.product(("one", "two"), ("red", "blue"), ("dog", "cat")))
    both = list(itertools.product(things, things))
    source = [" and ".join(map(" ".join, two)) for two in both]
    target = [" y ".join(" ".join(WORDS[w] for w in (n, o, a)) for n, a, o in two) for two in both]
    return source, target


@pytest.fixture(scope="module")
def fitted() -> Translator:
    return Translator("gru", dropout=0.0, validation_fraction=0.0, **SMALL).fit(*pairs())


def network(cell: str, symbols: int = 4) -> EncoderDecoder:
    torch.manual_seed(1)
    made = EncoderDecoder(Recurrence(cell, hidden_size=6, bidirectional=True), torch.nn.Embedding(9, 5), 5, symbols, 7).eval()
    torch.nn.init.normal_(made.bias)
    return made


def log_chance(nets: list[EncoderDecoder], x: torch.Tensor, lengths: torch.Tensor, string: tuple[int, ...]) -> float:
    """The log probability of a whole string, by the networks' `forward`."""
    before, said = torch.tensor([[END, *string]]), torch.tensor([*string, END])
    chances = torch.stack([net(x, before, torch.tensor([before.shape[1]]), lengths).double().softmax(1) for net in nets]).mean(0)
    return float(chances[torch.arange(len(said)), said].log().sum())


@pytest.mark.parametrize(("cell", "penalty"), [("gru", 0.0), ("lstm", 1.0), ("rnn", 0.6), ("mingru", 1.0)])
def test_a_beam_as_wide_as_all_strings_finds_the_best_of_them(cell: str, penalty: float) -> None:
    nets, longest = [network(cell), network(cell, 4)], 4
    x, lengths = torch.randint(0, 9, (3, 5)), torch.tensor([5, 2, 3])
    with torch.inference_mode():
        found = likeliest(nets, [net.encode(x, lengths) for net in nets], 200, longest, penalty, never=[3])
        every = [s for size in range(longest) for s in itertools.product((1, 2), repeat=size)]
        for row, said in enumerate(found.tolist()):
            renormalised = [without(net, 3) for net in nets]
            scores = {s: log_chance(renormalised, x[[row]], lengths[[row]], s) / (len(s) + 1) ** penalty for s in every}
            best = max(scores, key=lambda s: scores[s])
            assert tuple(said[: said.index(END)]) == best
            assert not any(said[said.index(END) :])


def without(net: EncoderDecoder, symbol: int) -> EncoderDecoder:
    """The same network, which never says a symbol."""
    made = network("gru")
    made.__dict__.update(net.__dict__)
    made._parameters = {**net._parameters, "bias": torch.nn.Parameter(net.bias.detach().clone())}
    made.bias.data[symbol] = -1e30
    return made


def test_what_lies_beyond_a_sequence_changes_nothing() -> None:
    net, said = network("lstm"), torch.tensor([[0, 1, 2]] * 2)
    x, lengths = torch.randint(0, 9, (2, 6)), torch.tensor([6, 3])
    other = x.clone()
    other[1, 3:] = 8 - other[1, 3:]
    with torch.inference_mode():
        ends = torch.tensor([3, 2])
        assert torch.equal(net(x, said, ends, lengths), net(other, said, ends, lengths))
        assert torch.allclose(net(x, said, ends, lengths)[3:], net(x[1:, :3], said[1:, :2], ends[1:]), atol=1e-6)


def test_it_learns_to_put_words_in_another_order(fitted: Translator) -> None:
    source, target = pairs()
    assert fitted.predict(source[:12]) == target[:12]
    assert fitted.score(source[:12], target[:12]) == pytest.approx(1.0)
    pieces, read, weights = fitted.attention(["two red cat and one blue dog"])[0]
    assert pieces == ["dos", "gato", "rojo", "y", "uno", "perro", "azul"]
    assert read == ["two", "red", "cat", "and", "one", "blue", "dog"]
    assert weights.shape == (7, 7)
    assert np.allclose(weights.sum(1), 1, atol=1e-5)


def test_a_decoder_reads_what_was_said_and_not_what_is_to_be_said() -> None:
    targets = np.array([[5, 6, END, BEYOND], [7, END, BEYOND, BEYOND]])
    examples = StringExamples(np.zeros((5, 1), np.int32), np.array([3, 2]), targets, np.array([1, 2], np.float32))
    inputs, (symbols, weights) = examples.batch(np.array([1, 0]))
    assert inputs["said"].tolist() == [[END, 7, 0], [END, 5, 6]]
    assert inputs["ends"].tolist() == [2, 3]
    assert symbols.tolist() == [7, END, 5, 6, END]
    assert weights.tolist() == [2, 2, 1, 1, 1]
    assert examples.batch(np.array([1]))[0]["said"].tolist() == [[END, 7]]


@pytest.mark.parametrize("says", ["words", "characters", "subwords"])
def test_strings_become_numbers_and_strings_again(says: str) -> None:
    texts = ["the cat sat on the mat .", "a cat", "", "the mat sat"] * 3
    split = [[text] if says == "subwords" else (text.split() if says == "words" else list(text)) or [""] for text in texts]
    strings = OutputStrings.of(split, says, TokenSettings(vocabulary_size=24, min_count=1))
    numbers = strings.numbers(split)
    assert [strings.spell(row[row >= 0].tolist()) for row in numbers] == texts
    assert strings.longest == numbers.shape[1]
    again = OutputStrings.restore(strings.schema(), strings.vocabulary.content())
    assert np.array_equal(again.numbers(split), numbers)


def test_lists_of_symbols_come_back_as_lists() -> None:
    X, y = ["ab", "ba", "b"] * 20, [["A", "B"], ["B", "A"], ["B"]] * 20
    one = Translator("lstm", **{**SMALL, "tokens": "characters"}, dropout=0.0, ensemble=2, validation_fraction=0.1).fit(X, y)
    assert one.predict(X[:3]) == y[:3]
    assert one.score(X[:3], y[:3]) == 1.0
    with pytest.raises(DataError, match="y has a text for sequence 2, but a list of symbols for the first"):
        one.score(X[:2], [["A"], "A"])
    for ask in (one.score, one.partial_fit):
        with pytest.raises(DataError, match="y has texts, but lists of symbols were learned from"):
            ask(X[:2], ["A", "A"])


def test_a_file_brings_back_the_same_translator(fitted: Translator, tmp_path: Path) -> None:
    source, _ = pairs()
    fitted.save(tmp_path / "t.safetensors")
    again = Translator.load(tmp_path / "t.safetensors")
    assert again.predict(source[:12]) == fitted.predict(source[:12])
    assert again.score(*pairs()) == fitted.score(*pairs())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["strings"].update(longest=0), "at most 0"),
        (lambda s: s["strings"].update(says="sounds"), "it says 'sounds'"),
        (lambda s: s["strings"].update(symbols=3), "'symbols' is 3"),
        (lambda s: s.pop("strings"), "strings"),
    ],
)
def test_a_forged_file_is_refused(fitted: Translator, tmp_path: Path, change, said: str) -> None:
    from ostinato import model_file
    from ostinato.tasks.estimator_file import to_model

    model = to_model(fitted)
    change(model.schema)
    model_file.save(model, tmp_path / "t.safetensors")
    with pytest.raises(ModelFileError, match=said):
        Translator.load(tmp_path / "t.safetensors")


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (["a b"] * 4, ["x"] * 3, "y has 3 strings for 4 sequences"),
        (["a b"] * 4, ["x", None, "x", "x"], "y has .* in sequence 2"),
        (["a b"] * 4, ["x", b"x", "x", "x"], "y has .* in sequence 2"),
        (["a b"] * 4, [""] * 4, "No token occurs"),
    ],
)
def test_bad_pairs_are_refused_with_their_place(X: list[str], y: list[object], said: str) -> None:
    one = Translator("gru", **SMALL)
    with pytest.raises(DataError, match=said):
        one.fit(X, y)
    assert not hasattr(one, "networks_")


def test_a_beam_is_a_whole_number(fitted: Translator) -> None:
    for beam in (0, 1.5, True, "5"):
        with pytest.raises(ValueError, match="beam_size"):
            fitted.predict(["one red dog"], beam)
    assert fitted.predict(["one red dog and two blue cat", "", "unheard of words"], 1)[0] == "uno perro rojo y dos gato azul"


def test_a_word_table_learns_which_word_stands_for_which() -> None:
    source, target = pairs()
    table = WordTable([text.split() for text in source], [text.split() for text in target])
    assert table.table == WORDS
    assert WordByWord().fit(source, target).predict(["One red fish"]) == ["uno rojo fish"]
    assert Copy().fit(source, target).score(target, target) == pytest.approx(1.0)


def test_scores_of_strings() -> None:
    assert bleu(["a b c d e"], ["a b c d e"]) == pytest.approx(1.0)
    assert 0 < chrf(["abcdef"], ["abcxef"]) < 1
    assert error_rate([["a", "b"], ["c", "d"]], [["a"], ["c", "x", "d"]]) == 0.5
    assert whole_error_rate([["a"], ["b"]], [["a"], ["c"]]) == 0.5
    with pytest.raises(DataError, match="nothing to score"):
        error_rate([""], ["a"])


def test_pairs_in_a_table_are_learned_and_said_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, target = pairs()
    pd.DataFrame({"english": source, "spanish": target}).to_csv("pairs.csv", index=False)
    flags = ["--text", "english", "--target", "spanish", "--tokens", "words", "--max-epochs", "3", "--learning-rate", "0.02", *TINY]
    fitted, _ = result("fit", "translate", "pairs.csv", *flags, "--plot", "t.png")
    assert list(fitted["scores"]) == ["copy", "word table", "gru"]
    assert fitted["scores"]["word table"]["bleu"] > fitted["scores"]["copy"]["bleu"]
    assert Path("t.png").stat().st_size > 10_000
    Path("new.txt").write_text("one red dog and two blue cat\n")
    assert run("predict", "pairs-translate.safetensors", "new.txt")[1].startswith("line,spanish\n1,")


def test_symbols_in_a_table_are_parted_by_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"source": ["ab", "ba", "b", "a"] * 10, "target": ["A B", "B A", "B", "A"] * 10}).to_csv("words.csv", index=False)
    fitted, _ = result("fit", "translate", "words.csv", "--tokens", "characters", "--symbols", "--max-epochs", "2", *TINY)
    assert fitted["scores"]["word table"]["error_rate"] == 0
    assert 0 <= result("evaluate", "words-translate.safetensors", "words.csv")[0]["scores"]["gru"]["right"] <= 1
