"""Speakers: what they learn, durations, frames back to sound, distortion, files, going on, commands, and bad input."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from tolerances import SAME_SOUND

pytest.importorskip("kaldi_native_fbank")

import soundfile
from test_cli import run

from benchmarks.intelligibility import spoken as each_way
from ostinato.data import DataError
from ostinato.data.recordings import Phone, Recording
from ostinato.model_file import ModelFileError, load, save
from ostinato.tasks import Speaker, estimator_file
from ostinato.tasks.griffin_lim import sound_of
from ostinato.tasks.log_mel import LogMel
from ostinato.tasks.plot_sound import draw_utterance
from ostinato.tasks.sequence_table import SequenceColumns
from ostinato.tasks.speech_baselines import MeanPhone, Resynthesis
from ostinato.tasks.speech_scores import distortion, mel_cepstra, speech_scores, warped
from ostinato.tasks.speech_table import read_speech_table
from ostinato.tasks.timed_phones import Placed, read_phones

RATE = 8000
PITCHES = {"a": 300.0, "b": 800.0, "c": 1800.0}
SECONDS = {"a": 0.10, "b": 0.15, "c": 0.20, "_": 0.08}
ABLE = {"hidden_size": 16, "max_epochs": 20, "random_state": 0, "n_mels": 40, "learning_rate": 2e-2, "validation_fraction": 0.0}
QUICK = {"hidden_size": 4, "max_epochs": 1, "random_state": 0, "n_mels": 20}


def spoken(text, seed=0):
    """Phones with their times, and their sound: a tone each, which lasts half as long again after a pause, and rises within it."""
    random = np.random.default_rng([seed, *map(ord, text)])
    phones, parts, now = [], [], 0.0
    for before, name in zip("." + text, text, strict=False):
        count = round(SECONDS[name] * (1.5 if before == "_" else 1.0) * RATE * random.uniform(0.95, 1.05))
        rising = 1 + 0.5 * np.arange(count) / count
        tone = 0.3 * np.sin(2 * np.pi * np.cumsum(PITCHES[name] * rising) / RATE) if name in PITCHES else np.zeros(count)
        parts.append(tone + 0.003 * random.normal(size=count))
        phones.append((now, now + count / RATE, name))
        now += count / RATE
    return phones, (np.concatenate(parts).astype(np.float32), RATE)


def utterances(count, seed):
    random = np.random.default_rng(seed)
    return map(list, zip(*(spoken("_" + "".join(random.choice(list("abc_"), 8)) + "_", seed + k) for k in range(count)), strict=True))


@pytest.fixture(scope="module")
def learned():
    return tuple(utterances(40, 1))


@pytest.fixture(scope="module")
def held():
    return tuple(utterances(5, 1000))


@pytest.fixture(scope="module")
def able(learned):
    return Speaker("gru", **ABLE).fit(*learned)


@pytest.fixture(scope="module")
def mean(learned, held):
    return speech_scores(MeanPhone(n_mels=40).fit(*learned), *held)


# ---------------------------------------------------------------- frames and sound


@pytest.mark.parametrize("settings", [(8000, 40), (16000, 80), (22050, 60, 30.0, 7.5), (8000, 30, 20.0, 10.0)])
def test_frames_become_sound_of_about_these_frames(settings):
    features = LogMel(*settings)
    (sound, _) = spoken("_abcab_")[1]
    frames = features.frames([sound], RATE)
    again = sound_of(frames, features)
    heard = features.frames([again], features.sampling_rate)
    assert len(heard) == len(frames) and abs(again).max() <= 1 and again.dtype == np.float32
    assert np.array_equal(again, sound_of(frames, features))
    silent = features.frames([np.random.default_rng(0).normal(size=len(sound)).astype(np.float32) * 0.003], RATE)
    assert distortion([frames], [heard]) < 0.35 * distortion([frames], [silent[: len(frames)]])
    assert abs(np.std(again) / np.std(sound) - 1) < 0.1  # as loud


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_are_sound_too(count):
    features = LogMel(8000, 30)
    sound = sound_of(np.full((count, 30), -5, np.float32), features)
    assert len(features.frames([sound], 8000)) == count and np.isfinite(sound).all()


def test_what_would_be_clipped_is_softer():
    assert abs(sound_of(np.full((20, 30), 9.0, np.float32), LogMel(8000, 30))).max() == pytest.approx(0.99)


def test_bands_are_those_of_the_frames():
    features = LogMel(8000, 30)
    assert features.bands().shape == (30, 129)
    tone = np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000).astype(np.float32)
    assert features.frames([tone], 8000)[5].argmax() == features.bands()[:, 32].argmax()  # 1000 Hz


def test_frames_lie_in_their_phones():
    features = LogMel(8000, 30)
    placed = Placed.of(0.0, np.array([0.05, 0.052, 0.2]), features)
    middles = 0.0125 + 0.01 * np.arange(len(placed.phone))
    assert middles[-1] < 0.2 <= middles[-1] + 0.01
    assert placed.phone.tolist() == [0 if m < 0.05 else 1 if m < 0.052 else 2 for m in middles]
    assert np.allclose(placed.place[:4, 1] + placed.place[:4, 2], 0.5) and np.allclose(placed.place[:4, 0], middles[:4] / 0.05)
    assert Placed.of(0.0, np.array([0.001]), features).phone.tolist() == [0]
    later = Placed.of(0.1, np.array([0.2]), features)
    assert later.first == 9 and len(later.phone) == 10


# ---------------------------------------------------------------- the distortion


def by_brute_force(costs, row=0, column=0):
    """The least sum of costs along any way from here to the end."""
    ways = [by_brute_force(costs, i, j) for i, j in ((row + 1, column), (row, column + 1), (row + 1, column + 1))
            if i < costs.shape[0] and j < costs.shape[1]]  # fmt: skip
    return costs[row, column] + (min(ways) if ways else 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_warping_finds_the_cheapest_way(seed):
    random = np.random.default_rng(seed)
    costs = random.random((random.integers(1, 7), random.integers(1, 7)))
    i, j = warped(costs)
    assert costs[i, j].sum() == pytest.approx(by_brute_force(costs))
    assert (i[0], j[0], i[-1] + 1, j[-1] + 1) == (0, 0, *costs.shape) and max(*np.diff(i), *np.diff(j), 0) <= 1


def test_distortion_is_in_decibels():
    frames = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    cosine = np.cos(np.pi * 3 * (np.arange(40) + 0.5) / 40).astype(np.float32)
    assert distortion([frames], [frames + 2.0]) == pytest.approx(0, abs=1e-5)  # another loudness is none
    one_db = cosine * np.log(10) / 10 * np.sqrt(2)
    assert distortion([frames], [frames + one_db], aligned=True) == pytest.approx(1.0, rel=1e-5)
    assert mel_cepstra(frames).shape == (50, 13)
    assert distortion([frames], [np.repeat(frames, 2, axis=0)]) == pytest.approx(0, abs=1e-5)


# ---------------------------------------------------------------- it learns


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_learns_to_speak_better_than_means(cell, learned, held, able, mean):
    one = able if cell == "gru" else Speaker(cell, **ABLE).fit(*learned)
    own = speech_scores(one, *held)
    assert all(own[name] < 0.8 * mean[name] for name in ("mcd", "mcd_timed", "duration_rmse"))
    assert one.score(*held) == -own["mcd"]


def test_the_recording_itself_is_the_bound(learned, held, able):
    frame = pd.DataFrame({"phones": held[0], "path": held[1]})
    bound = speech_scores(Resynthesis(n_mels=40).fit(frame, held[1]), frame, held[1])
    assert bound["duration_rmse"] == 0 and bound["mcd"] - bound["mcd_timed"] < 1e-9  # but for rounding
    assert bound["mcd_timed"] < speech_scores(able, *held)["mcd_timed"]


def test_one_that_says_the_mean_is_no_better_than_it(held, able, mean, monkeypatch):
    """A planted fault: the places of the frames and the durations are lost."""
    monkeypatch.setattr(type(able.networks_[0]), "_lasting", lambda self, read: 0 * read[..., :1])
    monkeypatch.setattr(type(able.networks_[0]), "_sounding", lambda self, read, phone, place, frames: 0 * place[..., :1].repeat(1, 1, 40))
    own = speech_scores(able, *held)
    assert all(own[name] > mean[name] for name in ("mcd", "mcd_timed", "duration_rmse"))


def test_durations_are_told_in_seconds_and_fill_the_sound(able, held):
    (durations,) = able.predict_durations(["_ a b _ c _"])
    assert np.allclose(durations[[1, 2, 4]], [0.15, 0.15, 0.3], rtol=0.15) and durations.min() >= 0.01
    (sound,) = able.predict([list("_ab_c_")])
    assert len(sound) / RATE == pytest.approx(durations.sum(), abs=0.025) and sound.dtype == np.float32
    (timed,) = able.predict(held[0][:1], timed=True)
    assert len(timed) / RATE == pytest.approx(held[0][0][-1][1], abs=0.025)
    later = [[(start + 2, end + 2, name) for start, end, name in held[0][0]]]
    assert np.allclose(able.predict_frames(later, timed=True)[0], able.predict_frames(held[0][:1], timed=True)[0], atol=1e-3)


def test_a_row_is_the_same_in_any_batch(able, held):
    together = able.predict_frames(held[0])
    assert all(np.array_equal(able.predict_frames([one])[0], frames) for one, frames in zip(held[0], together, strict=True))


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_steps_of_several_frames(stack, learned, held):
    one = Speaker("rnn", **{**QUICK, "stack": stack}).fit(*learned)
    lengths = [len(frames) for frames in one.predict_frames(held[0], timed=True)]
    assert lengths == [len(Placed.of(0.0, np.array([phone[1] for phone in row]), one.features_).phone) for row in held[0]]


def test_texts_lists_and_frames_say_the_same(able):
    said = able.predict(["_ a _"])[0]
    frame = pd.DataFrame({"phones": [["_", "a", "_"]]})
    assert all(np.array_equal(said, able.predict(X)[0]) for X in ([["_", "a", "_"]], [("_", "a", "_")], frame))


def test_an_ensemble_going_on_and_states(learned, held):
    one = Speaker("rnn", **QUICK, ensemble=2).fit(*learned)
    assert one.transform(held[0]).shape == (5, 2 * 2 * 4)
    before = one.networks_[0].bands.weight.clone()
    one.partial_fit(*learned)
    assert not np.array_equal(before.detach(), one.networks_[0].bands.weight.detach())
    weighted = Speaker("rnn", **QUICK).fit(*learned, sample_weight=[0] * 20 + [1] * 20)
    fewer = Speaker("rnn", **QUICK).fit(learned[0][20:], learned[1][20:])
    assert np.array_equal(weighted.predict_frames(held[0])[0], fewer.predict_frames(held[0])[0])


# ---------------------------------------------------------------- files


def test_a_file_speaks_with_the_same_voice(able, held, tmp_path):
    able.save(tmp_path / "voice.safetensors")
    again = Speaker.load(tmp_path / "voice.safetensors")
    assert np.array_equal(again.predict(held[0][:1])[0], able.predict(held[0][:1])[0]) and again.phones_ == ("_", "a", "b", "c")


def test_an_interrupted_fit_goes_on_to_the_same_bits(learned, held, tmp_path):
    settings = {**QUICK, "max_epochs": 3}
    whole = Speaker("gru", **settings).fit(*learned)

    def stop(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Speaker("gru", **settings, checkpoint=tmp_path / "kept", on_epoch=stop).fit(*learned)
    again = Speaker("gru", **settings, checkpoint=tmp_path / "kept").fit(*learned)
    assert np.array_equal(whole.predict_frames(held[0])[0], again.predict_frames(held[0])[0])


FORGED = [
    (lambda m: m.schema["heard"].update(n_mels=39), "frames.mean"),
    (lambda m: m.schema["heard"].update(stack=0), "stack"),
    (lambda m: m.schema["heard"].pop("hop_ms"), "hop_ms"),
    (lambda m: m.schema["heard"].update(sampling_rate=None), "sampling_rate"),
    (lambda m: m.schema.update(heard=3), "subscriptable"),
    (lambda m: m.tensors.update({"durations.scale": np.zeros(1)}), "not positive"),
    (lambda m: m.tensors.update({"frames.mean": np.full(20, np.nan)}), "frames.mean"),
    (lambda m: m.schema.update(input="sound"), "sampling_rate"),
]


@pytest.mark.parametrize(("forge", "words"), FORGED)
def test_a_forged_file_is_refused(learned, tmp_path, forge, words):
    Speaker("rnn", **QUICK).fit(*learned).save(tmp_path / "voice.safetensors")
    model = load(tmp_path / "voice.safetensors")
    forge(model)
    save(model, tmp_path / "forged.safetensors")
    with pytest.raises(ModelFileError, match=words):
        estimator_file.load(tmp_path / "forged.safetensors")


def test_a_wav_of_16_bits(able, tmp_path):
    able.say("_ a b c _", tmp_path / "said.wav")
    info, (sound, rate) = soundfile.info(tmp_path / "said.wav"), soundfile.read(tmp_path / "said.wav", dtype="float32")
    assert (info.subtype, rate) == ("PCM_16", RATE) and 0.05 < np.std(sound) < 0.4
    assert np.allclose(sound, able.predict(["_ a b c _"])[0], atol=SAME_SOUND)
    with pytest.raises(ModelFileError, match="exists"):
        able.say("_ a _", tmp_path / "said.wav")


# ---------------------------------------------------------------- bad input


def changed(phones, number, value):
    return [*phones[:number], value, *phones[number + 1 :]]


PHONES, SOUND = spoken("_ab_")
BAD = [
    ([], [], "no phones"),
    ([[]], [SOUND], "no phones in utterance 1"),
    ("_ a", [SOUND], "give a list"),
    ([PHONES], [SOUND, SOUND], "2 recordings for 1"),
    ([["_", "a"]], [SOUND], "without times"),
    ([PHONES, ["a"]], [SOUND] * 2, "Utterance 2 of X has no times"),
    ([changed(PHONES, 1, (0.1, 0.05, "a"))], [SOUND], "Phone 2 .'a'. of utterance 1 lasts from"),
    ([changed(PHONES, 1, (np.nan, 0.3, "a"))], [SOUND], "lasts from nan"),
    ([changed(PHONES, 1, ("0", 0.3, "a"))], [SOUND], "give each phone as"),
    ([changed(PHONES, 1, (0.09, PHONES[1][1], "a"))], [SOUND], "give what lies between as a pause"),
    ([changed(PHONES, 1, (*PHONES[1][:2], None))], [SOUND], "no text"),
    ([changed(PHONES, 1, (*PHONES[1][:2], "a b"))], [SOUND], "without spaces"),
    ([[*PHONES, (PHONES[-1][1], 9.0, "a")]], [SOUND], "lasts 0.4. s, but its last phone ends at 9.00 s"),
    ([PHONES], [(np.where(np.arange(len(SOUND[0])) == 7, np.nan, SOUND[0]), RATE)], "nan as sample 8"),
    ([PHONES], [(SOUND[0][:0], RATE)], "no samples"),
    ([PHONES], [(SOUND[0], 12.5)], "samples a second"),
    ([PHONES], None, "y"),
]


@pytest.mark.parametrize(("X", "y", "words"), BAD)
def test_what_cannot_be_learned_from(X, y, words):
    one = Speaker("rnn", **QUICK)
    with pytest.raises(ValueError, match=words):
        one.fit(X, y)
    assert not hasattr(one, "networks_") and not hasattr(one, "features_")


def test_what_cannot_be_spoken(able, held):
    with pytest.raises(DataError, match=r"phone 'x' of utterance 2 was not learned.*_ a b c"):
        able.predict(["_ a _", "_ x _"])
    with pytest.raises(DataError, match="without times"):
        able.predict(["_ a _"], timed=True)
    with pytest.raises(DataError, match="no phones in utterance 1"):
        able.predict([" "])
    with pytest.raises(ValueError, match="half of window_ms"):
        Speaker(hop_ms=20.0).fit(*held)


def test_another_rate_is_resampled(able, held, learned):
    sounds = [(np.repeat(sound, 2), 2 * RATE) for sound, _ in learned[1]]
    one = Speaker("rnn", **QUICK, sampling_rate=RATE).fit(learned[0], sounds)
    assert one.features_.sampling_rate == RATE and able.score(held[0], [(np.repeat(sound, 2), 2 * RATE) for sound, _ in held[1]]) > -5


def test_silence_is_learned_from_and_said():
    phones, (sound, _) = spoken("__")
    one = Speaker("rnn", **QUICK).fit([phones] * 4, [(0 * sound, RATE)] * 4)
    assert abs(one.predict(["_ _"])[0]).max() < 1e-3


# ---------------------------------------------------------------- commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory, learned):
    """A table of phones beside its recordings."""
    where, rows = tmp_path_factory.mktemp("speech"), []
    for number, (phones, (sound, rate)) in enumerate(zip(*(part[:8] for part in learned), strict=True)):
        soundfile.write(where / f"u{number}.wav", sound, rate)
        rows += [(f"u{number}.wav", name, start, end) for start, end, name in phones]
    pd.DataFrame(rows, columns=["path", "phone", "start", "end"]).to_csv(where / "said.csv", index=False)
    (where / "phones.txt").write_text("_ a b _\n_ c _\n")
    (where / "strange.txt").write_text("_ q _\n")
    done = run("fit", "speak", where / "said.csv", "--cell", "rnn", "--hidden-size", 8, "--max-epochs", 3, "--n-mels", 40,
               "--to", where / "voice.safetensors", "--plot", where / "voice.png", "--json", "-q")  # fmt: skip
    assert done[0] == 0, done[2]
    (where / "fit.json").write_text(done[1])
    return where


def test_the_command_fits_and_scores(folder):
    told = json.loads((folder / "fit.json").read_text())
    assert set(told["scores"]) == {"rnn", "mean phone", "resynthesis"} and told["task"] == "speak"
    assert set(told["scores"]["rnn"]) == {"mcd", "mcd_timed", "duration_rmse", "sequences", "phones", "seconds"}
    assert (folder / "voice.png").stat().st_size > 10_000
    said = run("evaluate", folder / "voice.safetensors", folder / "said.csv")[1]
    assert "MCD" in said and "RMSE" in said
    assert "speak with rnn" in run("info", folder / "voice.safetensors")[1]


def test_the_command_speaks(folder, tmp_path):
    code, stdout, stderr = run("predict", folder / "voice.safetensors", folder / "phones.txt", "--to", tmp_path / "said")
    assert (code, stdout) == (0, "") and "Wrote 2 WAV files" in stderr
    assert sorted(path.name for path in (tmp_path / "said").iterdir()) == ["1.wav", "2.wav"]
    assert soundfile.info(tmp_path / "said" / "1.wav").samplerate == RATE
    run("predict", folder / "voice.safetensors", folder / "said.csv", "--to", tmp_path / "again")
    assert len(list((tmp_path / "again").iterdir())) == 8


def test_lines_come_from_standard_input_too(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("_ a _\n_ b c _\n"))
    table = read_speech_table("-", SequenceColumns(text="phone"), labelled=False)
    assert table.frame["phones"].tolist() == ["_ a _", "_ b c _"] and table.ids.tolist() == [1, 2]


def test_a_model_saved_by_python_answers_too(able, folder, tmp_path):
    able.save(tmp_path / "voice.safetensors")
    code, _, stderr = run("predict", tmp_path / "voice.safetensors", folder / "said.csv", "--to", tmp_path / "said")
    assert code == 0, stderr


WRONG = [
    (["predict", "voice.safetensors", "phones.txt"], 2, "name a folder"),
    (["predict", "voice.safetensors", "phones.txt", "--to", "here", "--json"], 2, "leave it out"),
    (["predict", "voice.safetensors", "u1.wav", "--to", "here"], 1, "u1.wav"),
    (["predict", "voice.safetensors", "said.csv", "--to", "."], 1, "exists"),
    (["predict", "voice.safetensors", "phones.txt", "--to", "said.csv"], 1, "said.csv"),
    (["predict", "voice.safetensors", "phones.txt", "--to", "no/where"], 1, "no folder 'no'"),
    (["predict", "voice.safetensors", "strange.txt", "--to", "here"], 1, "phone 'q' of utterance 1 was not learned"),
    (["evaluate", "voice.safetensors", "phones.txt"], 1, "neither times nor recordings"),
    (["fit", "speak", "phones.txt"], 1, "neither times nor recordings"),
    (["fit", "speak", "said.csv", "--text", "phon"], 1, "Did you mean 'phone'"),
    (["fit", "speak", "spam-small"], 1, "'spam-small' holds labelled texts.*russian-speech"),
]


@pytest.mark.parametrize(("words", "code", "answer"), WRONG)
def test_the_answer_to_mistakes(folder, monkeypatch, words, code, answer):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    found, _, stderr = run(*words)
    assert found == code and re.search(answer, re.sub(r"[│\s]+", " ", stderr))
    assert sorted(folder.iterdir()) == before


def test_a_picture_of_what_is_said_beside_the_recording(able, held):
    figure = draw_utterance(able, *held)
    upper, lower = figure.axes
    assert "spoken" in upper.get_title(loc="left") and "recorded" in lower.get_title(loc="left")
    assert [text.get_text() for text in lower.texts] == read_phones(held[0]).tokens[0]
    assert upper.get_images() and lower.get_images() and not any(text.get_clip_on() for text in lower.texts)


# ---------------------------------------------------------------- what is understood


def test_each_way_of_saying_an_utterance_is_a_sound_of_its_own(able, learned, held):
    def recorded(phones, sounds):
        for number, (own, (samples, rate)) in enumerate(zip(phones, sounds, strict=True)):
            soundfile.write(wav := io.BytesIO(), samples, rate, format="WAV", subtype="PCM_16")
            yield Recording(str(number), wav.getvalue(), "nobody", phones=tuple(Phone(*one) for one in own))

    ways = dict(each_way(able, list(recorded(*learned)), list(recorded(*held))))
    assert list(ways) == [
        "recorded",
        "recorded, through frames",
        "spoken, true durations",
        "spoken",
        "mean phones, true durations",
        "mean phones",
    ]
    truth = [able.features_.frames([samples], rate) for samples, rate in held[1]]
    far = {name: distortion(truth, [able.features_.frames([samples], rate) for samples, rate in said]) for name, said in ways.items()}
    assert far["recorded"] < 0.1 and far["recorded"] < far["recorded, through frames"] < far["spoken"] < far["mean phones"]
    lengths = {name: np.array([len(samples) / rate for samples, rate in said]) for name, said in ways.items()}
    for name in ("recorded, through frames", "spoken, true durations", "mean phones, true durations"):
        assert (np.abs(lengths[name] - lengths["recorded"]) < 0.03).all(), name
    for name in ("spoken", "mean phones"):
        assert (lengths[name] != lengths[name + ", true durations"]).any()
