"""What transcribers make of input that is odd or bad: rates, channels, lengths, transcripts, chunks, beams."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("kaldi_native_fbank")

import soundfile
from typer.testing import CliRunner

from ostinato.cli.app import app
from ostinato.data import DataError
from ostinato.tasks import Transcriber
from ostinato.tasks.recordings import MixedDown
from ostinato.tasks.transcript_baselines import Templates

RATE = 8000
QUICK = {"hidden_size": 4, "max_epochs": 1, "random_state": 0, "n_mels": 12}
FINE = {**QUICK, "n_mels": 4, "hop_ms": 1.25, "window_ms": 5.0, "stack": 1, "validation_fraction": 0.0}


@pytest.fixture(scope="module")
def sounds():
    random = np.random.default_rng(0)
    return [(0.1 * random.normal(size=4000).astype(np.float32), RATE) for _ in range(10)]


@pytest.fixture(scope="module")
def fitted(sounds):
    return Transcriber("rnn", **QUICK).fit(sounds, ["ab", "", "c", "ab", "b", "a", "", "c", "d", "ab"])


def test_transcripts_of_nothing_are_learned_from_and_scored(fitted, sounds):
    assert np.isfinite(fitted.training_[0]["train_loss"]).all() and np.isfinite(fitted.score(sounds[:2], ["ab", ""]))
    assert Templates().fit(sounds, ["ab", *[""] * 9]).predict(sounds[:1])


def test_symbols_that_were_never_learned_are_errors_of_the_score(fitted, sounds):
    said = fitted.predict(sounds[:1])[0]
    assert fitted.score(sounds[:1], ["z" * max(len(said), 1)]) == 0.0


def test_channels_and_rates(fitted, sounds):
    sound, _ = sounds[0]
    with pytest.warns(MixedDown):
        assert fitted.predict([(np.stack([sound, sound], 1), RATE)]) == fitted.predict(sounds[:1])
    twice = np.repeat(sound, 2)
    assert len(fitted.predict_proba([(twice, 2 * RATE)])[0]) == len(fitted.predict_proba(sounds[:1])[0])


def test_a_hundred_thousand_frames(sounds):
    long = (np.tile(sounds[0][0], 250), RATE)
    one = Transcriber("rnn", **FINE).fit([(np.tile(sounds[0][0], 20), RATE), *sounds], ["ab"] * 11)
    (posteriors,) = one.predict_proba([long])
    assert len(posteriors) == 99_997 and np.isfinite(posteriors).all()
    with pytest.raises(DataError, match="Recording 1 has 99997 steps and a transcript of 1000 symbols, too long to learn from"):
        Transcriber("rnn", **FINE).fit([long, *sounds], ["ab" * 500, *["ab"] * 10])


def test_a_transcript_must_fit_into_what_is_read_of_a_text():
    texts = [[str(k % 5) for k in range(40)]] * 8
    settings = {"hidden_size": 4, "max_epochs": 1, "min_count": 1, "max_length": 20, "random_state": 0}
    with pytest.raises(DataError, match=r"has 20 steps, but its transcript of 30 symbols needs 30; .* raise max_length"):
        Transcriber("rnn", **settings).fit(texts, ["ab" * 15] * 8)


@pytest.mark.parametrize("beam_size", [0, -1, "x", 2.5, 10**6])
def test_beams_that_there_cannot_be(fitted, sounds, beam_size):
    with pytest.raises(ValueError, match=r"beam_size=.* must be a whole number of at least 1"):
        fitted.predict(sounds[:1], beam_size=beam_size)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        (np.zeros((2, 30)), r"shape \(2, 30\)"),
        ("abc", "samples of the kind <U3"),
        (None, "samples of the kind object"),
        ([[0.1], [0.1, 0.2]], "samples that are no array"),
        (np.array([0.1, np.nan]), "nan as sample 2"),
    ],
)
def test_a_bad_chunk_changes_nothing(fitted, sounds, chunk, message):
    live, (sound, _) = fitted.live(), sounds[0]
    live.push(sound[:2000])
    with pytest.raises(DataError, match=message):
        live.push(chunk)
    assert live.push(np.zeros(0)) == live.push([]) == live.transcript
    live.push(sound[2000:])
    assert live.finish() == fitted.predict(sounds[:1])[0]


def test_by_command(sounds, tmp_path, monkeypatch):
    def run(*args):
        done = CliRunner().invoke(app, [*map(str, args)])
        return done.exit_code, done.stdout + done.stderr

    monkeypatch.chdir(tmp_path)
    for number, (sound, _) in enumerate(sounds):
        soundfile.write(f"{number}.wav", np.stack([sound, sound], 1) if number == 1 else sound, 2 * RATE if number == 2 else RATE)
    soundfile.write("none.wav", np.zeros(0), RATE)
    table = pd.DataFrame({"path": [f"{k}.wav" for k in range(10)], "text": ["ab"] * 10})
    table.to_csv("said.csv", index=False)
    table.assign(text=["ab" * 99, *table["text"][1:]]).to_csv("long.csv", index=False)
    table.assign(path=["none.wav", *table["path"][1:]]).to_csv("none.csv", index=False)
    small = ["--cell", "rnn", "--hidden-size", "3", "--max-epochs", "1", "--n-mels", "12", "--to", "m.safetensors"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        code, said = run("fit", "transcribe", "said.csv", *small)
    assert code == 0, said
    assert any("1.wav has 2 channels" in str(one.message) for one in told) or "1.wav has 2 channels" in said
    for name, message in {
        "long": "0.wav has 16 steps, but its transcript of 198 symbols needs 198",
        "none": "none.wav has no samples",
    }.items():
        code, said = run("fit", "transcribe", f"{name}.csv", *small, "--overwrite", "--test", "said.csv")
        assert code == 1 and message in " ".join(said.split()), said
