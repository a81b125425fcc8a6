"""What translators say to bad and to very long input, in Python and by command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import run

from benchmarks.pronunciation import rates, unstressed
from ostinato.data import DataError
from ostinato.tasks import Translator
from ostinato.tasks.beam import END
from ostinato.tasks.output_strings import BEYOND, OutputStrings
from ostinato.tasks.sequence_settings import TokenSettings

TINY = {"hidden_size": 4, "embedding_size": 4, "max_epochs": 1, "validation_fraction": 0.0, "random_state": 0}
LONG = "ab " * 33_334  # 100,002 characters


@pytest.fixture(scope="module")
def fitted() -> Translator:
    """Of strings of which one is far too long on both sides."""
    return Translator("gru", tokens="characters", max_length=20, **TINY).fit(["ab", "ba", LONG] * 4, ["x y", LONG, "y"] * 4)


def test_a_string_too_long_is_learned_as_far_as_it_may_go_and_its_end_is_not() -> None:
    strings = OutputStrings.of([["a", "b"], ["a"] * 9], "words", TokenSettings(max_length=3, min_count=1))
    a, b = strings.numbers([["a"], ["b"]])[:, 0]
    assert strings.longest == 4
    assert strings.numbers([["a", "b"], ["b"] * 3, ["a"] * 9]).tolist() == [[a, b, END, BEYOND], [b, b, b, END], [a, a, a, a]]
    assert OutputStrings.of([["a"] * 9], "words", TokenSettings(max_length=None, min_count=1)).longest == 10


@pytest.mark.parametrize("text", ["", LONG, "ÿ☃\U0001f600", " \n\t", "a" * 100_000])
def test_any_text_gets_a_string_within_bounds(fitted: Translator, text: str) -> None:
    (said,) = fitted.predict([text])
    assert len(said) <= fitted.strings_.longest == 21
    pieces, read, weights = fitted.attention([text])[0]
    assert "".join(pieces) == said
    assert weights.shape == (len(pieces), len(read))
    assert 1 <= len(read) <= 20


def test_a_string_that_was_never_seen_is_an_error_to_score_and_no_more(fitted: Translator) -> None:
    assert fitted.score(["ab", "ba"], ["ÿ☃", LONG]) < 0.01
    again = Translator("gru", tokens="characters", **TINY).fit(["ab"] * 4, ["x"] * 4, validation=(["ab"], ["never seen"]))
    assert np.isfinite(again.validation_loss_)


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (["a"] * 3, [], "y has 0 strings for 3 sequences"),
        (["a"] * 3, "target", "y names the column 'target', but X is no frame"),
        (["a"] * 3, [1, 2, 3], "y has 1 in sequence 1, which is no text"),
        (["a"] * 3, ["x", "y", float("nan")], "y has no text .* in sequence 3"),
        (["a"] * 3, [["x"], ["y"], [3]], "y has 3 in token 1 of sequence 3"),
        (["a"] * 3, ["x", "\ud800", "y"], "half a character"),
        (["a", None, "b"], ["x"] * 3, "X has no text .* in sequence 2"),
        ("a text", ["x"], "give a list of texts"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_place(X: object, y: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Translator("gru", tokens="characters", **TINY).fit(X, y)


def test_the_command_names_column_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted: Translator) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"source": ["a", "b"], "goal": ["x", None]}).to_csv("pairs.csv", index=False)
    code, _, said = run("fit", "translate", "pairs.csv")
    assert code == 1
    assert "There is no column 'target'" in said
    assert "Name it with --target" in said
    code, _, said = run("fit", "translate", "pairs.csv", "--target", "goal")
    assert code == 1
    assert "goal" in said and "2" in said
    fitted.save("t.safetensors")
    Path("none.txt").write_text("")
    code, _, said = run("predict", "t.safetensors", "none.txt")
    assert code == 1
    assert "no texts" in said
    Path("some.txt").write_text(f"ab\n\n☃\n{LONG}\n", encoding="utf-8")
    code, told, _ = run("predict", "t.safetensors", "some.txt")
    assert code == 0
    assert len(told.splitlines()) == 5


def test_a_word_that_is_said_in_two_ways_is_scored_by_the_nearer() -> None:
    ways = {"read": [["R", "IY1", "D"], ["R", "EH1", "D"]], "a": [["AH0"]]}
    assert rates(ways, {"read": ["R", "EH1", "D"], "a": ["AH0"]}) == (0, 0)
    assert rates(ways, {"read": ["R", "EH1", "T"], "a": ["AH0"]}) == (1 / 4, 1 / 2)
    assert unstressed(["R", "EH1", "D"]) == ["R", "EH", "D"]
