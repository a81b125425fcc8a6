"""Model files: what is read is what was written, or nothing is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load as load_safetensors

import ostinato as ost
from ostinato import model_file
from ostinato.model_file import BLANK, Model, ModelFileError, from_bytes, load, mark, save, to_bytes
from ostinato.tasks import Forecaster, Naive, estimator_file

SMALL = {"horizon": 2, "window": 4, "hidden_size": 3, "max_epochs": 1, "random_state": 1}


@ost.cell
def home_made(x, h):
    return h + 0.5 * ost.tanh(ost.affine("change", x, h))


@pytest.fixture
def model():
    tensors = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(2.5), "empty": np.zeros((0, 4), np.float32)}
    return Model("test", tensors, {"name": "lstm"}, {"é": [1, None, "x"]}, {"step": "D"}, {"seconds": 0.1}, {"mae": 1.5})


@pytest.fixture(scope="module")
def frame():
    ds = pd.date_range("2020-01-01", periods=60, freq="D")
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.sin(np.arange(60.0)), "wind": np.cos(np.arange(60.0))})


@pytest.fixture(scope="module")
def fitted(frame):
    return Forecaster("gru", **SMALL).fit(frame)


def rewritten(content: bytes, old: bytes, new: bytes) -> bytes:
    """A forger's file: `old` replaced by `new` in the header, and lengths and checksum made to fit."""
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length]
    assert header.count(old) >= 1
    digest = model_file.MARK.findall(header)[0].decode()
    header = header.replace(old, new).replace(mark(digest), mark(BLANK))
    blank = len(header).to_bytes(8, "little") + header + content[8 + length :]
    return blank.replace(mark(BLANK), mark(hashlib.sha256(blank).hexdigest()))


# ---------------------------------------------------------------- the format


def test_what_is_read_is_what_was_written(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save(model, path)
    back = load(path)
    assert replace(back, tensors={}) == replace(model, tensors={})
    assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in back.tensors.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in model.tensors.items()
    }
    assert to_bytes(back) == to_bytes(model) == path.read_bytes()


def test_others_read_it_as_safetensors(model):
    arrays = load_safetensors(to_bytes(model))
    assert arrays["b"].tolist() == model.tensors["b"].tolist()


def test_the_checksum_is_what_the_page_says(model):
    content = to_bytes(model)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    digest = json.loads(header["__metadata__"]["ostinato"])["sha256"]
    assert hashlib.sha256(content.replace(digest.encode(), b"0" * 64)).hexdigest() == digest


def test_every_changed_byte_is_noticed(model):
    content = to_bytes(model)
    for at in range(len(content)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(content)
            changed[at] ^= flip
            with pytest.raises(ModelFileError):
                from_bytes(bytes(changed), "m")


def test_every_truncation_is_noticed(model):
    content = to_bytes(model)
    for end in range(len(content)):
        with pytest.raises(ModelFileError):
            from_bytes(content[:end], "m")
    with pytest.raises(ModelFileError):
        from_bytes(content + b"\0", "m")


def test_the_checksum_is_compared_as_exact_text(model):
    content = to_bytes(model)
    digest = model_file.MARK.findall(content)[0]
    with pytest.raises(ModelFileError, match="checksum"):
        from_bytes(content.replace(digest, digest.upper()), "m")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (rb"\"format\":2", rb"\"format\":1", "format 1, but this version of ostinato reads format 2"),
        (rb"\"format\":2", rb"\"format\":true", "format True"),
        (rb"\"task\":\"test\"", rb"\"task\":7", "'task' is missing or of the wrong kind"),
        (rb"\"scores\":", rb"\"scorn\":", "'scores' is missing"),
        (rb"\"mae\":1.5", rb"\"mae\":NaN", "holds NaN"),
        (rb"\"task\":\"test\"", rb"\"task\":\"test\",\"task\":\"test\"", "stands twice"),
        (rb"\"task\":\"test\"", rb"\"task\":" + b"[" * 100_000, "no model file"),
        (rb'"dtype":"F64"', rb'"dtype":"I64"', "only F32, F64, U8 are read"),
        (rb'"shape":[2,3]', rb'"shape":[2,9]', "no model file"),
        (rb'"shape":[2,3]', rb'"shape":[2,4611686018427387904]', "no model file"),
        (rb"\"task\":\"test\"", rb"\"sha256\":\"00\",\"task\":\"test\"", "2 checksums"),
    ],
)
def test_a_forged_file_with_a_right_checksum_is_refused(model, old, new, message):
    with pytest.raises(ModelFileError, match=message):
        from_bytes(rewritten(to_bytes(model), old, new), "m")


def test_a_header_that_claims_too_much_is_not_read():
    with pytest.raises(ModelFileError, match="are not read"):
        from_bytes((2**40).to_bytes(8, "little") + b"{}", "m")


def test_only_json_is_written(model):
    with pytest.raises(ValueError):
        to_bytes(replace(model, scores={"mae": float("nan")}))
    with pytest.raises(TypeError):
        to_bytes(replace(model, settings={"f": print}))


# ---------------------------------------------------------------- writing


def test_nothing_is_overwritten_unless_asked(model, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_text("precious")
    with pytest.raises(ModelFileError, match="exists"):
        save(model, path)
    assert path.read_text() == "precious"
    save(model, path, overwrite=True)
    assert load(path).task == "test" and os.listdir(tmp_path) == ["m.safetensors"]


def test_a_file_that_comes_meanwhile_is_kept(model, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    sync = model_file.sync

    def slow(what):
        path.write_text("precious")
        sync(what)

    monkeypatch.setattr(model_file, "sync", slow)
    with pytest.raises(ModelFileError, match="exists"):
        save(model, path)
    assert path.read_text() == "precious" and os.listdir(tmp_path) == ["m.safetensors"]


@pytest.mark.parametrize("step", ["sync", "put_in_place"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_save_that_fails_leaves_the_old_file_and_no_litter(model, tmp_path, monkeypatch, step, failure):
    path = tmp_path / "m.safetensors"
    save(replace(model, task="old"), path)

    def fail(*args):
        raise failure

    monkeypatch.setattr(model_file, step, fail)
    with pytest.raises((KeyboardInterrupt, OSError)):
        save(model, path, overwrite=True)
    assert load(path).task == "old" and os.listdir(tmp_path) == ["m.safetensors"]


def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(model, tmp_path, monkeypatch):
    told = []

    def telling(name, do):
        def told_and_done(*args):
            told.append((name, args[0].is_dir()))
            do(*args)

        return told_and_done

    for name in ("sync", "put_in_place"):
        monkeypatch.setattr(model_file, name, telling(name, getattr(model_file, name)))
    save(model, tmp_path / "m.safetensors")
    assert told == [("sync", False), ("put_in_place", False), ("sync", True)]


def test_it_has_the_permissions_of_any_new_file(model, tmp_path):
    save(model, tmp_path / "m.safetensors")
    (tmp_path / "other").touch()
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_reading_needs_neither_torch_nor_pandas():
    code = "import sys; sys.modules['torch'] = sys.modules['pandas'] = None; import ostinato.model_file as m; m.from_bytes"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- forecasters


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gru_cho", home_made], ids=str)
def test_a_forecaster_says_the_same_after_it_was_read_back(frame, tmp_path, cell, num_layers):
    one = Forecaster(cell, num_layers=num_layers, **SMALL).fit(frame)
    path = tmp_path / "m.safetensors"
    one.save(path, scores={"mae": 1.0})
    back = Forecaster.load(path)
    pd.testing.assert_frame_equal(back.predict(frame), one.predict())
    assert back.training_ == one.training_ and back.validation_loss_ == one.validation_loss_
    again = tmp_path / "again.safetensors"
    back.save(again, scores={"mae": 1.0})
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="holds no history"):
        back.predict(2)


def test_the_equations_are_there_as_text(fitted):
    (program,) = estimator_file.to_model(fitted).cell["programs"]
    assert program.startswith("ostinato program") and "sigmoid" in program


def test_only_a_fitted_forecaster_is_saved(tmp_path):
    with pytest.raises(ValueError, match="not fitted"):
        Forecaster().save(tmp_path / "m")
    assert not os.listdir(tmp_path)


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


FORGERIES = {
    "another task": (lambda m: replace(m, task="weave"), "for the task 'weave'"),
    "more units": (lambda m: replace(m, settings={**m.settings, "hidden_size": 10**9}), "or for other sizes"),
    "more layers": (lambda m: replace(m, settings={**m.settings, "num_layers": 10**9}), "or for other sizes"),
    "a longer horizon": (lambda m: replace(m, settings={**m.settings, "horizon": 10**9}), "has the shape"),
    "text for a number": (lambda m: replace(m, settings={**m.settings, "window": "4"}), "window='4' must be a whole number"),
    "an unknown setting": (lambda m: replace(m, settings={**m.settings, "x": 1}), "settings differ"),
    "a lost weight": (lambda m: replace(m, tensors=without(m.tensors, "network.0.head.bias")), "head.bias"),
    "a weight too many": (lambda m: replace(m, tensors={**m.tensors, "network.0.x": np.zeros(1, np.float32)}), "'x'"),
    "a weight that is NaN": (
        lambda m: replace(m, tensors={**m.tensors, "network.0.head.bias": np.full(2, np.nan, np.float32)}),
        "finite",
    ),
    "no spread": (lambda m: replace(m, tensors={**m.tensors, "climate.spread": np.zeros((1, 2))}), "not positive"),
    "no step of time": (lambda m: replace(m, schema={**m.schema, "step": "often"}), "often"),
    "series that are no list": (lambda m: replace(m, schema={**m.schema, "series": "a"}), "no list of texts"),
    "no program": (lambda m: replace(m, cell={**m.cell, "programs": ["import os"]}), "program"),
    "another name": (lambda m: replace(m, cell={**m.cell, "name": "lstm"}), "is called 'lstm', but its program 'gru'"),
    "more layers of a stored cell": (
        lambda m: replace(m, settings={**m.settings, "num_layers": 10**9}, cell={**m.cell, "layer": "Recurrent"}),
        "weights for 1000000000 layers",
    ),
    "another layer": (lambda m: replace(m, cell={**m.cell, "layer": "LSTM"}), "does not run the cell"),
    "other equations": (
        lambda m: replace(m, cell={**m.cell, "programs": [m.cell["programs"][0].replace("tanh", "sigmoid")]}),
        "other equations",
    ),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_forecaster_is_refused(fitted, tmp_path, case):
    forge, message = FORGERIES[case]
    path = tmp_path / "m.safetensors"
    save(forge(estimator_file.to_model(fitted)), path)
    with pytest.raises(ModelFileError, match=message):
        Forecaster.load(path)


def test_a_baseline_has_no_file():
    assert not hasattr(Naive(), "save")
