"""Transcribers: what they learn, how it is decoded and scored, live, their files, pictures, baselines, and bad input."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("kaldi_native_fbank")

import soundfile
import torch
from typer.testing import CliRunner

from ostinato.cli.app import app
from ostinato.data import DataError
from ostinato.model_file import ModelFileError, save
from ostinato.tasks import Transcriber, estimator_file
from ostinato.tasks.ctc import CTCLoss, best_path, best_transcript, decoder, steps_needed
from ostinato.tasks.plot_sound import draw_transcript
from ostinato.tasks.string_scores import error_rate, word_error_rate
from ostinato.tasks.transcript_baselines import OneTranscript, Templates

RATE = 8000
PITCHES = {"a": 300.0, "b": 800.0, "c": 1800.0}
ABLE = {"hidden_size": 24, "max_epochs": 25, "random_state": 0, "stack": 2, "n_mels": 20}
QUICK = {"hidden_size": 4, "max_epochs": 1, "random_state": 0, "n_mels": 12}


def spoken(text, seed=0):
    """A tone for each letter, and a pause after it."""
    random = np.random.default_rng([seed, *map(ord, text)])
    parts = [np.zeros(200)]
    for letter in text:
        tone = 0.3 * np.sin(2 * np.pi * PITCHES[letter] * np.arange(random.integers(500, 900)) / RATE)
        parts += [tone, np.zeros(random.integers(200, 400))]
    sound = np.concatenate(parts)
    return (sound + 0.01 * random.normal(size=len(sound))).astype(np.float32), RATE


@pytest.fixture(scope="module")
def words():
    random = np.random.default_rng(0)
    return ["".join(random.choice(list("abc"), random.integers(1, 5))) for _ in range(80)]


@pytest.fixture(scope="module")
def sounds(words):
    return [spoken(word, k) for k, word in enumerate(words)]


@pytest.fixture(scope="module")
def able(sounds, words):
    return Transcriber("gru", **ABLE).fit(sounds[:60], words[:60])


# ---------------------------------------------------------------- CTC


def told(path):
    """What a path tells."""
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def by_brute_force(posteriors):
    """The probability of each transcript: all paths, summed."""
    found = {}
    for path in itertools.product(range(posteriors.shape[1]), repeat=len(posteriors)):
        found[told(path)] = found.get(told(path), 0.0) + np.prod([float(posteriors[t, k]) for t, k in enumerate(path)])
    return found


def random_posteriors(seed, steps=5, classes=4):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), size=steps).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_finds_what_brute_force_finds(seed):
    posteriors = random_posteriors(seed)
    everything = by_brute_force(posteriors)
    assert tuple(best_transcript(posteriors, 1000).tolist()) == max(everything, key=everything.get)
    assert tuple(best_transcript(posteriors, 1).tolist()) == told(posteriors.argmax(1).tolist())


def test_a_beam_may_differ_from_the_best_path():
    assert any(best_transcript(random_posteriors(k), 100).tolist() != best_path(random_posteriors(k))[0].tolist() for k in range(20))


def test_the_loss_is_that_of_brute_force():
    posteriors = np.stack([random_posteriors(1), random_posteriors(2)])
    targets, lengths, weights = torch.tensor([[1, 2], [3, -1]]), torch.tensor([5, 4]), torch.tensor([1.0, 3.0])
    wanted = [by_brute_force(posteriors[0])[1, 2], by_brute_force(posteriors[1][:4])[3,]]
    loss = CTCLoss()(torch.from_numpy(np.log(posteriors)), (targets, weights, lengths))
    assert float(loss) == pytest.approx((-np.log(wanted[0]) / 2 - 3 * np.log(wanted[1])) / 2, rel=1e-4)


def test_a_long_recording_neither_underflows_nor_overflows():
    assert len(best_transcript(np.full((4000, 50), 1 / 50, np.float32), 4)) < 4000


@pytest.mark.parametrize("beam_size", [1, 2, 7])
@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks_are_decoded_as_the_whole(beam_size, chunk):
    posteriors = random_posteriors(0, steps=300, classes=6)
    one, settled = decoder(beam_size), []
    for start in range(0, 300, chunk):
        settled += one.push(posteriors[start : start + chunk])
        assert settled + one.pending == best_transcript(posteriors[: start + chunk], beam_size).tolist()
    assert len(settled) > 100 and one.push(posteriors[:0]) == []
    assert beam_size == 1 or len(one._begun.last) < 30 * beam_size  # what is settled is forgotten


def test_steps_needed():
    assert [steps_needed(np.array(one, int)) for one in ([], [1], [1, 2], [1, 1], [1, 1, 1])] == [0, 1, 2, 3, 5]


def test_error_rates():
    assert error_rate(["abc", "d"], ["abd", "d"]) == 0.25 and error_rate([["sh", "a"]], [["sh", "b", "b"]]) == 1.0
    assert word_error_rate(["one two", "three"], ["one", "three"]) == pytest.approx(1 / 3)


# ---------------------------------------------------------------- it learns


def test_it_learns_to_transcribe(able, sounds, words):
    assert able.score(sounds[60:], words[60:]) > 0.9 and able.alphabet_.symbols == ("a", "b", "c")
    assert able.predict(sounds[60:61]) == able.predict(sounds[60:61], beam_size=20) and isinstance(able.predict(sounds[:1])[0], str)
    (posteriors,) = able.predict_proba(sounds[:1])
    assert posteriors.shape[1] == 4 and np.allclose(posteriors.sum(1), 1)
    assert np.array_equal(posteriors, able.predict_proba(sounds[:9])[0])


def test_lists_of_symbols_come_back_as_such(sounds, words):
    phones = [[f"/{letter}/" for letter in word] for word in words]
    one = Transcriber("rnn", **QUICK).fit(sounds, phones)
    assert one.alphabet_.symbols == ("/a/", "/b/", "/c/") and all(isinstance(said, list) for said in one.predict(sounds))
    frame = pd.DataFrame({"path": [None] * 3, "said": phones[:3]})
    frame["path"] = sounds[:3]
    assert one.score(frame, "said") == one.score(sounds[:3], phones[:3])


def test_frames_are_transcribed_too(words):
    random = np.random.default_rng(0)
    X = [np.repeat(np.eye(3)[["abc".index(c) for c in word]], 4, axis=0) + 0.1 * random.normal(size=(4 * len(word), 3)) for word in words]
    X = [np.concatenate([np.zeros((1, 3)), *itertools.chain(*((part, np.zeros((2, 3))) for part in np.split(x, len(x) // 4)))]) for x in X]
    one = Transcriber("gru", hidden_size=16, max_epochs=30, random_state=0).fit(X[:60], words[:60])
    assert one.score(X[60:], words[60:]) > 0.9


def test_weights_and_more_data(sounds, words):
    weights = np.arange(80) < 70
    one = Transcriber("rnn", **QUICK).fit(sounds, words, sample_weight=weights)
    two = Transcriber("rnn", **QUICK).fit(sounds[:70], words[:70])
    assert one.predict(sounds) == two.predict(sounds)
    again = Transcriber("rnn", **QUICK).partial_fit(sounds, words).partial_fit(sounds[:5], words[:5])
    assert again.training_[0]["epochs"] == 2


def test_a_killed_fit_goes_on_to_the_same_bits(sounds, words, tmp_path):
    def stop(epoch):
        if epoch.number == 1:
            raise KeyboardInterrupt

    settings = {**QUICK, "max_epochs": 2, "augment": 0.5}
    one = Transcriber("gru", **settings, checkpoint=tmp_path / "c", on_epoch=stop)
    with pytest.raises(KeyboardInterrupt):
        one.fit(sounds, words)
    one.set_params(on_epoch=None).fit(sounds, words)
    whole = Transcriber("gru", **settings).fit(sounds, words)
    assert np.array_equal(one.predict_proba(sounds[:1])[0], whole.predict_proba(sounds[:1])[0])


# ---------------------------------------------------------------- live


@pytest.mark.parametrize("chunk", [100, 1111])
@pytest.mark.parametrize("more", [{}, {"num_layers": 2, "cell": "lstm", "ensemble": 2, "beam_size": 5}])
def test_live_is_the_whole_to_the_last_bit(sounds, words, able, chunk, more):
    one = Transcriber(**{"cell": "rnn", **QUICK, **more}).fit(sounds, words) if more else able
    live, (sound, _) = one.live(), sounds[3]
    for start in range(0, len(sound), chunk):
        live.push(sound[start : start + chunk])
    assert live.finish() == one.predict(sounds[3:4])[0] == live.finish()
    assert live.posteriors.tobytes() == one.predict_proba(sounds[3:4])[0].tobytes()
    with pytest.raises(DataError, match="finished"):
        live.push(sound)


@pytest.mark.parametrize("flag", ["bidirectional", "per_recording"])
def test_what_needs_the_end_is_not_live(sounds, words, flag):
    one = Transcriber("rnn", **QUICK, **{flag: True}).fit(sounds[:9], words[:9])
    with pytest.raises(ValueError, match=f"{flag}=True needs the whole recording"):
        one.live()


# ---------------------------------------------------------------- files and pictures


def test_a_model_file_says_the_same_bits(able, sounds, tmp_path):
    able.save(tmp_path / "m.safetensors")
    again = Transcriber.load(tmp_path / "m.safetensors")
    assert again.predict_proba(sounds[:1])[0].tobytes() == able.predict_proba(sounds[:1])[0].tobytes()
    assert again.predict(sounds[:5]) == able.predict(sounds[:5])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("alphabet", ["a", "b"], "has the shape"),
        ("alphabet", ["b", "a", "c"], "no list of different symbols in order"),
        ("alphabet", ["a", "b", "cc"], "symbols of several characters"),
        ("alphabet", ["a", "b", 3], "no list of texts"),
        ("alphabet", [], "no list of different symbols"),
        ("joined", 1, "'joined' is 1"),
        ("input", "smell", "'input' is 'smell'"),
        ("n_mels", 21, "'scaling.mean' has the shape"),
        ("n_mels", 10**9, "n_mels=1000000000 must be"),
        ("sampling_rate", None, "'sampling_rate' is empty"),
        ("sampling_rate", 10**12, "sampling_rate=1000000000000 must be"),
        ("hop_ms", 0, "hop_ms=0 must be"),
        ("window_ms", 1.0, "hop_ms=10 is more"),
        ("stack", 10**6, "stack=1000000 must be"),
        ("per_recording", 2, "per_recording=2 must be"),
    ],
)
def test_a_forged_field_is_refused(able, tmp_path, field, value, message):
    model = estimator_file.to_model(able)
    model.schema[field] = value
    save(model, tmp_path / "m.safetensors")
    with pytest.raises(ModelFileError, match=message):
        estimator_file.load(tmp_path / "m.safetensors")


def test_the_picture_has_what_was_said(able, sounds, words):
    figure = draw_transcript(able, sounds[0], words[0])
    upper, lower = figure.axes
    assert [text.get_text() for text in lower.texts] == list(able.predict(sounds[:1])[0])
    assert figure.get_supxlabel() == f"said: {able.predict(sounds[:1])[0]}\ntrue: {words[0]}"
    assert upper.images[0].get_array().shape[0] == 20


# ---------------------------------------------------------------- baselines


def test_baselines(sounds, words):
    from ostinato.tasks.log_mel import LogMel

    X = [LogMel(RATE, 20).frames([sound], RATE) for sound, _ in sounds]
    templates, one = Templates().fit(X[:60], words[:60]), OneTranscript().fit(X[:60], words[:60])
    assert templates.score(X[60:], words[60:]) > 0.8 > one.score(X[60:], words[60:]) and len(set(one.predict(X))) == 1


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: 7}, "transcript of Recording 1 is 7"),
        ({1: ["a"]}, "transcript of Recording 2 is a list of symbols, the first one a text"),
        ({2: "a" * 500}, "Recording 3 has .* steps, but its transcript of 500 symbols needs 999; lower stack"),
    ],
)
def test_bad_transcripts(sounds, words, change, message):
    y = [change.get(k, word) for k, word in enumerate(words)]
    with pytest.raises(DataError, match=message):
        Transcriber("rnn", **QUICK).fit(sounds, y)


def test_more_bad_transcripts(able, sounds, words):
    said = able.predict(sounds[:5])
    cases = [
        (lambda: able.fit(sounds[:5], words[:4]), "4 transcripts for 5 recordings"),
        (lambda: able.fit(sounds[:5], [""] * 5), "Every transcript of y is empty"),
        (lambda: able.fit(sounds[:5], words[:5], validation=(sounds[:1], ["z"])), "Recording 1 has the symbol 'z', which was not"),
        (lambda: able.partial_fit(sounds[:1], ["z"]), "'z', which was not"),
        (lambda: able.score(sounds[:1], [""]), "Every true string is empty"),
    ]
    for action, message in cases:
        with pytest.raises(DataError, match=message):
            action()
    assert able.predict(sounds[:5]) == said and able.score(sounds[:1], ["z"]) <= 0


# ---------------------------------------------------------------- the command line


def run(*args):
    """The command in this process: exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def table(sounds, words, tmp_path, monkeypatch):
    """A table of paths and transcripts, and the wavs, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for number, (sound, rate) in enumerate(sounds[:20]):
        soundfile.write(f"{number}.wav", sound, rate)
    frame = pd.DataFrame({"path": [f"{k}.wav" for k in range(20)], "text": words[:20], "phones": [" ".join(one) for one in words[:20]]})
    frame.to_csv("said.csv", index=False)
    return frame


SMALL = ["--cell", "rnn", "--hidden-size", "3", "--max-epochs", "1", "--n-mels", "12", "--to", "m.safetensors"]


@pytest.mark.parametrize("more", [[], ["--text", "phones", "--symbols"]])
def test_transcripts_by_command(table, more, tmp_path):
    code, out, err = run("fit", "transcribe", "said.csv", *more, *SMALL, "--plot", "p.png", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["test"] == {"sequences": 4} and set(summary["scores"]) == {"one for all", "templates", "rnn"}
    assert (summary["scores"]["rnn"]["word_error_rate"] is None) == bool(more) and (tmp_path / "p.png").stat().st_size > 10_000
    code, out, err = run("predict", "m.safetensors", "said.csv")
    assert code == 0 and out.splitlines()[0] == f"path,{more[1] if more else 'text'}" and len(out.splitlines()) == 21
    assert run("predict", "m.safetensors", "0.wav")[0] == 0 and run("info", "m.safetensors")[0] == 0
    code, out, err = run("evaluate", "m.safetensors", "said.csv", "--plot", "q.png")
    assert code == 0 and "symbol error rate" in out, err


def test_bad_tables_of_transcripts(table, tmp_path):
    table.assign(text=[None, *table["text"][1:]]).to_csv("hole.csv", index=False)
    cases = {
        ("hole.csv",): "Column 'text' has no transcript in data row 1",
        (".",): "has no transcripts; give a table of paths and transcripts",
        ("said.csv", "--text", "texts"): "There is no column 'texts'. Did you mean 'text'? Name it with --text",
    }
    for args, message in cases.items():
        code, _, err = run("fit", "transcribe", *args, *SMALL)
        assert code == 1 and message in err
