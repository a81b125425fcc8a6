"""Sound in: files, rates, channels and kinds of samples; frames by chunks; classifiers and transcribers of sound; bad input."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("kaldi_native_fbank")

import soundfile
from typer.testing import CliRunner

from ostinato.cli.app import app
from ostinato.data import DataError
from ostinato.tasks import SequenceClassifier
from ostinato.tasks.log_mel import FrameStream, LogMel
from ostinato.tasks.recordings import MixedDown, is_sound, look_at, mono

RATE = 8000
PITCHES = {"a": 300.0, "b": 800.0, "c": 1800.0}
QUICK = {"hidden_size": 8, "max_epochs": 2, "random_state": 0, "n_mels": 12}


def tone(pitch, seconds=0.1, rate=RATE, seed=0):
    noise = np.random.default_rng(seed).normal(size=int(seconds * rate))
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(len(noise)) / rate) + 0.01 * noise).astype(np.float32)


def heard(data, **settings):
    """The frames of recordings."""
    found = look_at(data)
    return [LogMel(settings.pop("sampling_rate", RATE), **settings).frames(one.blocks(), one.rate) for one in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tones in a folder: their names tell which."""
    to = tmp_path_factory.mktemp("tones")
    for name, pitch in PITCHES.items():
        for k in range(8):
            soundfile.write(to / f"{name}_{k}.wav", tone(pitch, 0.1 + 0.01 * k, seed=k), RATE)
    return to


@pytest.fixture(scope="module")
def files(folder):
    return sorted(map(str, folder.glob("*.wav")))


@pytest.fixture(scope="module")
def labels(files):
    return [name.rpartition("/")[2][0] for name in files]


# ---------------------------------------------------------------- frames


def test_frames_tell_the_pitch():
    low, high = heard([(tone(300), RATE), (tone(1800), RATE)])
    assert low.shape == high.shape == (8, 40) and low.dtype == np.float32
    assert low.mean(0).argmax() < high.mean(0).argmax()


@pytest.mark.parametrize("rate", [RATE, 11025, 44100])
@pytest.mark.parametrize("chunk", [1, 77, 4096])
def test_chunks_give_the_same_bits_as_the_whole(rate, chunk):
    sound, features = tone(500, 0.3 if chunk > 1 else 0.05, rate), LogMel(RATE)
    stream = FrameStream(features, rate)
    parts = [stream.push(sound[k : k + chunk]) for k in range(0, len(sound), chunk)]
    assert np.concatenate([*parts, stream.finish()]).tobytes() == features.frames([sound], rate).tobytes()


def test_a_frame_depends_on_its_own_window_alone():
    sound = tone(500, 0.2)
    other = np.concatenate([sound[:800], tone(900, 0.1)])
    assert np.array_equal(heard([(sound, RATE)])[0][:8], heard([(other, RATE)])[0][:8])


@pytest.mark.parametrize("rate", [RATE, 16000, 44100, 48000])
def test_another_rate_sounds_the_same(rate):
    ours, same = heard([(tone(500, 0.3, rate), rate), (tone(500, 0.3), RATE)])
    assert abs(ours.mean(0).argmax() - same.mean(0).argmax()) <= 1 and abs(len(ours) - len(same)) <= 1


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_kinds_of_samples_give_the_same_sound(tmp_path, subtype):
    sound = tone(500)
    soundfile.write(tmp_path / "x.wav", sound, RATE, subtype=subtype)
    (ours,), (truth,) = heard([tmp_path / "x.wav"]), heard([(sound, RATE)])
    assert np.abs(ours - truth).max() < (1.0 if subtype == "PCM_U8" else 0.05)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float64])
def test_whole_numbers_are_taken_by_their_range(kind):
    sound = tone(500)
    info = None if kind is np.float64 else np.iinfo(kind)
    given = sound.astype(kind) if info is None else ((sound + (kind is np.uint8)) * 2.0 ** (info.bits - 1)).astype(kind)
    assert np.abs(mono("x", given) - sound).max() < (0.01 if kind is np.uint8 else 1e-4)


def test_channels_are_mixed_down_and_it_is_said(tmp_path):
    sound = tone(500)
    soundfile.write(tmp_path / "x.wav", np.stack([sound, 0 * sound], axis=1), RATE, subtype="FLOAT")
    with pytest.warns(MixedDown, match=r"x\.wav has 2 channels; the mean"):
        (ours,) = heard([tmp_path / "x.wav"])
    assert np.array_equal(ours, heard([(sound / 2, RATE)])[0])


def test_silence_and_less_than_a_window_are_frames():
    silent, short = heard([(np.zeros(RATE), RATE), (tone(500)[:10], RATE)])
    assert np.isfinite(silent).all() and len(np.unique(silent)) == 1
    assert len(short) == 1 and np.isfinite(short).all()


def test_hours_are_read_in_blocks(tmp_path, monkeypatch):
    sound = tone(500, 2.0)
    soundfile.write(tmp_path / "long.wav", sound, RATE, subtype="FLOAT")
    monkeypatch.setattr("ostinato.tasks.recordings.BLOCK", 999)
    assert np.array_equal(heard([tmp_path / "long.wav"])[0], heard([(sound, RATE)])[0])


# ---------------------------------------------------------------- bad input


def test_what_is_no_sound_is_told_by_name(tmp_path):
    (tmp_path / "text.wav").write_text("This is no sound.")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    (tmp_path / "nothing").mkdir()
    cases = {
        "text.wav": "text.wav is no sound file that can be read",
        "empty.wav": "empty.wav is no sound file",
        "none.wav": "none.wav has no samples; leave it out",
        "nan.wav": "nan.wav has nan as sample 2",
        "nona.wav": "There is no file .*nona.wav' .recording 1.. Did you mean 'n.*wav'",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=message):
            heard([tmp_path / name])
    with pytest.raises(DataError, match="has no sound file"):
        heard(tmp_path / "nothing")
    for nothing in ([], None, 7):
        with pytest.raises(DataError, match="There is no recording"):
            look_at(nothing)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        ((np.zeros(0), RATE), "Recording 2 has no samples"),
        ((np.array(["a"]), RATE), "samples of the kind <U1"),
        ((np.zeros((2, 500)), RATE), r"shape \(2, 500\); several channels are \(time, channels\)"),
        ((np.zeros(500), 0), "0 samples a second"),
        ((np.zeros(500), 8000.5), "8000.5 samples a second"),
        ((np.array([0.1, np.inf]), RATE), "Recording 2 has inf as sample 2"),
        (7, "Recording 2 is int"),
    ],
)
def test_bad_samples_are_told_by_number(recording, message):
    with pytest.raises(DataError, match=message):
        heard([(tone(500), RATE), recording])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_mels": 500}, "n_mels=500 bands are too many for 8000 Hz"),
        ({"window_ms": 5.0}, "hop_ms=10 is more"),
        ({"hop_ms": 0.01}, "less than a sample"),
    ],
)
def test_settings_that_leave_nothing_to_hear(settings, message):
    with pytest.raises(DataError, match=message):
        LogMel(RATE, **settings)


def test_what_counts_as_sound(folder, files):
    sounds = [files, files[0], folder, [(np.zeros(9), RATE)], pd.DataFrame({"path": files}), pd.Series(files)]
    others = [
        np.zeros((3, 2)),
        [np.zeros((3, 2))],
        ["a text", "another"],
        [],
        "a text" * 999,
        np.array(3.0),
        pd.DataFrame({"path": ["home", "work"]}),
    ]
    assert [is_sound(one) for one in sounds + others] == [True] * len(sounds) + [False] * len(others)


# ---------------------------------------------------------------- classifiers


def test_a_classifier_of_sound(folder, files, labels, tmp_path):
    one = SequenceClassifier("gru", **QUICK | {"max_epochs": 15, "batch_size": 8}).fit(files, labels)
    assert one.score(files, labels) == 1.0 and one.classes_.tolist() == ["a", "b", "c"]
    said = one.predict_proba(files)
    assert np.array_equal(said, one.predict_proba(folder)) and np.array_equal(said, one.predict_proba(pd.DataFrame({"path": files})))
    recording = SimpleNamespace(name="a_0", samples=soundfile.read(files[0])[0], sampling_rate=RATE)
    assert np.array_equal(said[:1], one.predict_proba([recording]))
    assert np.array_equal(said[:1], one.predict_proba([soundfile.read(files[0], dtype="float32")]))
    one.save(tmp_path / "m.safetensors")
    assert np.array_equal(said, SequenceClassifier.load(tmp_path / "m.safetensors").predict_proba(files))


def test_settings_of_the_fit_are_those_of_the_answer(files, labels):
    one = SequenceClassifier("gru", **QUICK, stack=2, hop_ms=5.0, per_recording=True, augment=0.5).fit(files, labels)
    said = one.predict_proba(files)
    one.set_params(stack=1, hop_ms=10.0, per_recording=False, n_mels=40)
    assert np.array_equal(said, one.predict_proba(files)) and one.input_size_ == 24


def test_a_recording_at_another_rate_is_resampled(files, labels):
    one = SequenceClassifier("gru", **QUICK | {"max_epochs": 15, "batch_size": 8}).fit(files, labels)
    assert one.predict([(tone(PITCHES["b"], 0.15, rate), rate) for rate in (RATE, 16000, 44100)]).tolist() == ["b"] * 3


def test_per_recording_takes_loudness_away(files, labels):
    one = SequenceClassifier("gru", **QUICK, per_recording=True).fit(files, labels)
    loud = tone(500, 0.2)
    said = one.predict_proba([(loud, RATE), (loud / 4, RATE)])
    assert np.abs(said[0] - said[1]).max() < 1e-3


def test_varied_recordings_go_on_to_the_same_bits(files, labels, tmp_path):
    whole = SequenceClassifier("gru", **QUICK | {"max_epochs": 3}, augment=0.7).fit(files, labels)
    plain = SequenceClassifier("gru", **QUICK | {"max_epochs": 3}).fit(files, labels)

    def stop(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    one = SequenceClassifier("gru", **QUICK | {"max_epochs": 3}, augment=0.7, checkpoint=tmp_path / "c", on_epoch=stop)
    with pytest.raises(KeyboardInterrupt):
        one.fit(files, labels)
    one.set_params(on_epoch=None).fit(files, labels)
    assert np.array_equal(one.predict_proba(files), whole.predict_proba(files))
    assert not np.array_equal(plain.predict_proba(files), whole.predict_proba(files))


def test_a_text_among_recordings_leaves_the_estimator_as_it_was(files, labels, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    one = SequenceClassifier("gru", **QUICK).fit(files, labels)
    said = one.predict_proba(files)
    with pytest.raises(DataError, match=r"text\.wav is no sound file"):
        one.fit([*files, str(tmp_path / "text.wav")], [*labels, "a"])
    assert np.array_equal(one.predict_proba(files), said)
    with pytest.raises(DataError, match="X is no sound, which this SequenceClassifier was fitted on"):
        one.predict(np.zeros((3, 4)))


# ---------------------------------------------------------------- the command line


def run(*args):
    """The command in this process: exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.stdout, done.stderr


SMALL = ["--cell", "rnn", "--hidden-size", "3", "--max-epochs", "1", "--n-mels", "12"]


def test_a_folder_is_classified_by_command(folder, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("fit", "classify", folder, "--label-from", r"^(.)_", "--to", "m.safetensors", *SMALL, "--json")
    summary = json.loads(out)
    assert code == 0 and summary["train"] == {"sequences": 18} and summary["test"] == {"sequences": 6}
    assert set(summary["scores"]) == {"majority class", "nearest neighbour", "linear", "rnn"}
    code, out, _ = run("predict", "m.safetensors", folder)
    assert code == 0 and out.splitlines()[0] == "path,label" and len(out.splitlines()) == 1 + len(files)
    assert run("evaluate", "m.safetensors", folder)[0] == 0
    assert run("predict", "m.safetensors", files[0])[1].splitlines()[1].startswith(f"{files[0]},")
    (tmp_path / "text.wav").write_text("no sound")
    assert run("predict", "m.safetensors", "text.wav")[::2] == (
        1,
        "Error: text.wav is no sound file that can be read (Format not recognised); convert it to WAV, or leave it out.\n",
    )


def test_a_table_of_paths_is_classified_by_command(folder, files, labels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"file": [name.rpartition("/")[2] for name in files], "pitch": labels})
    table.to_csv(folder / "table.csv", index=False)
    named = ["--id-column", "file", "--label", "pitch"]
    code, _, err = run("fit", "classify", folder / "table.csv", *named, "--to", "m.safetensors", *SMALL, "--json")
    assert code == 0, err
    assert run("predict", "m.safetensors", folder / "table.csv")[1].splitlines()[0] == "file,pitch"
    pd.concat([table, table[:1]]).to_csv(folder / "twice.csv", index=False)
    assert "a_0.wav' stands twice (data row 25)" in run("fit", "classify", folder / "twice.csv", *named, *SMALL)[2]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "tells no label; put each class in a folder of its own"),
        (["--label-from", "("], "is no regular expression"),
        (["--label-from", "_"], "has no group"),
        (["--label-from", "(z)_"], "does not match it"),
    ],
)
def test_a_folder_that_tells_no_label(folder, more, message):
    code, _, err = run("fit", "classify", folder, *more, *SMALL)
    assert code == 1 and message in err
