"""Model files: what is read is what was written, or nothing is."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import load as load_safetensors
from sklearn.base import clone

import ostinato as ost
from ostinato import model_file
from ostinato.model_file import BLANK, Model, ModelFileError, from_bytes, load, mark, save, to_bytes
from ostinato.tasks import Forecaster, Naive, SequenceClassifier, SequenceRegressor, SequenceTagger, estimator_file

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


@pytest.fixture(scope="module")
def one_of_each(fitted):
    x, small = np.random.default_rng(0).standard_normal((12, 4, 2)), {"hidden_size": 3, "max_epochs": 1, "random_state": 1}
    labels = np.array(["é", "b", "c"] * 4)
    tagger = SequenceTagger("rnn", embedding_size=2, **small).fit([["a", "b"], ["b", "a", "a"]] * 4, ["xy", "yxx"] * 4)
    return fitted, SequenceClassifier("gru", **small).fit(x, labels), SequenceRegressor("gru_cho", **small).fit(x, x[:, -1]), tagger


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


def test_the_page_has_the_codes_numbers():
    page = (Path(__file__).parent.parent / "docs" / "model-file.md").read_text()
    assert page.startswith(f"# The model file, format {model_file.FORMAT_VERSION}\n")
    assert f"at most {model_file.HEADER_LIMIT // 2**20} MiB" in page and all(kind in page for kind in model_file.KINDS)
    assert all(f"| {task} |" in page for task in estimator_file.HOMES) and all(f"`{name}`" in page for name in model_file.FIELDS)


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


def test_what_would_not_be_read_is_not_written(model):
    with pytest.raises(ModelFileError, match="more than 8388608 are not read"):
        to_bytes(replace(model, schema={"series": ["s" * 99] * 100_000}))


# ---------------------------------------------------------------- any file at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=4)
SHAPES = array_shapes(min_dims=0, min_side=0, max_side=4)
ARRAYS = st.sampled_from([np.float32, np.float64, np.uint8]).flatmap(lambda kind: arrays(kind, SHAPES))
NAMES = st.text(st.characters(codec="ascii"), max_size=9).filter(lambda name: name != "__metadata__")


@given(st.builds(Model, st.text(st.characters(codec="utf-8")), st.dictionaries(NAMES, ARRAYS, max_size=4), *[FIELDS] * 5))
@settings(max_examples=40, deadline=None)
def test_any_model_is_read_as_it_was_written(model):
    back = from_bytes(to_bytes(model), "m")
    assert replace(back, tensors={}) == replace(model, tensors={})
    assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in back.tensors.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in model.tensors.items()
    }
    assert to_bytes(back) == to_bytes(model)


def signed(content: bytes) -> bytes:
    """A file with the checksum that its bytes ask for, if there is a place for one."""
    found = model_file.MARK.findall(content)
    if not found:
        return content
    blank = content.replace(mark(found[0].decode("latin-1")), mark(BLANK), 1)
    return blank.replace(mark(BLANK), mark(hashlib.sha256(blank).hexdigest()), 1)


BYTES = list(b'0123456789"[]{},:\\eE-.nua_\x00\xff')
CHANGES = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "delete", "repeat"]), st.floats(0, 1), st.sampled_from(BYTES)), min_size=1, max_size=4
)


@given(st.integers(0, 3), CHANGES)
@settings(max_examples=400, deadline=None)
def test_a_forger_with_the_right_checksum_gets_a_model_or_a_refusal(one_of_each, which, changes):
    content = to_bytes(estimator_file.to_model(one_of_each[which]))
    length = int.from_bytes(content[:8], "little")
    header = bytearray(content[8 : 8 + length])
    for kind, where, byte in changes:
        at = 1 + int(where * (len(header) - 2))
        if kind == "set":
            header[at] = byte
        elif kind == "delete":
            del header[at]
        else:
            header[at:at] = bytes([byte]) if kind == "insert" else header[max(0, at - 20) : at]
    forged = signed(len(header).to_bytes(8, "little") + bytes(header) + content[8 + length :])
    try:
        estimator_file.from_model(from_bytes(forged, "m"), "m")
    except ModelFileError as error:
        assert len(str(error)) < 2000


def places(value, above=()):
    """The way to every entry of a nest of mappings and lists, of a list the first."""
    if above[1:]:
        yield above
    for key in value if isinstance(value, dict) else range(min(len(value), 1)) if isinstance(value, list) else ():
        yield from places(value[key], (*above, key))


@pytest.mark.parametrize("which", [0, 1, 2], ids=["forecast", "classify", "regress"])
def test_an_entry_of_any_other_kind_gets_a_model_that_answers_or_a_refusal(frame, one_of_each, which):
    model = estimator_file.to_model(one_of_each[which])
    fields = {name: json.loads(json.dumps(getattr(model, name))) for name in model_file.FIELDS}
    given = frame if which == 0 else np.zeros((2, 4, 2))
    refused = 0
    for *above, last in places(fields):
        for value in (None, -1, 10**30, "x", [], {}):
            forged = copy.deepcopy(fields)
            inner = functools.reduce(lambda nest, key: nest[key], above, forged)
            inner[last] = value
            try:
                one = estimator_file.from_model(replace(model, **forged), "m")
            except ModelFileError:
                refused += 1
                continue
            with contextlib.suppress(ValueError):  # other settings may ask for other data
                one.predict(given)
    assert refused > 100


def forged_metadata(schema: str, tensors: str = "") -> bytes:
    """A file whose schema is that JSON and whose header has these tensors, with the right checksum."""
    fields = rf'"task":"t","cell":{{}},"settings":{{}},"schema":{schema},"training":{{}},"scores":{{}}'
    metadata = json.dumps(f'{{"format":{model_file.FORMAT_VERSION},"sha256":"{BLANK}",{fields}}}')
    header = f'{{"__metadata__":{{"ostinato":{metadata}}}{tensors}}}'.encode()
    return signed(len(header).to_bytes(8, "little") + header)


def many(item: str, size: int = 2**20) -> str:
    """A list of so many that it is that long."""
    return "[" + ",".join([item] * (size // (len(item) + 1))) + "]"


BOMBS = {
    "lists": lambda: forged_metadata(many("[]")),
    "mappings": lambda: forged_metadata(many('{"a":1},"' + "b" * 20 + '"')),
    "depth": lambda: forged_metadata("[" * 100_000),
    "numbers": lambda: forged_metadata(many("1e9")),
    "an infinite number": lambda: forged_metadata('{"x":1e999}'),
    "a long number": lambda: forged_metadata('{"x":' + "9" * 10_000 + "}"),
    "half a character": lambda: forged_metadata('{"x":"\\ud800"}'),
    "keys": lambda: forged_metadata("{" + ",".join(f'"{i:x}":0' for i in range(100_000)) + "}"),
    "arrays": lambda: forged_metadata("{}", "".join(f',"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(20_000))),
    "dimensions": lambda: forged_metadata("{}", ',"a":{"dtype":"F32","shape":[0' + ",0" * 2**18 + '],"data_offsets":[0,0]}'),
    "a great shape": lambda: forged_metadata("{}", ',"a":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}'),
}
READER = """
import re, sys
from ostinato import model_file
import safetensors, safetensors.numpy

def memory(key):
    return int(re.search(key + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

for path in sys.argv[1:]:
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = memory("VmRSS")
    try:
        model_file.load(path)
    except model_file.ModelFileError:
        pass
    print(memory("VmHWM") - before)
"""


def memory_to_read(paths):
    """The bytes that a process needs more while it reads each file."""
    done = subprocess.run([sys.executable, "-c", READER, *paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak since a moment")
def test_a_header_costs_forty_times_its_size_and_arrays_three_times(tmp_path):
    files = {**{name: bomb() for name, bomb in BOMBS.items()}, "data": to_bytes(Model("t", {"a": np.zeros(2**21)}, {}))}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    times = {
        name: more / max(2**20, len(files[name])) for name, more in zip(files, memory_to_read([tmp_path / n for n in files]), strict=True)
    }
    assert times.pop("data") < 3.3
    assert max(times.values()) < 40 and max(times.values()) > 2, times  # and the measure measures


@pytest.mark.parametrize("bomb", ["lists", "depth", "an infinite number", "a long number", "half a character", "dimensions"])
def test_a_bomb_is_refused(bomb):
    with pytest.raises(ModelFileError, match="is no model file"):
        from_bytes(BOMBS[bomb](), "m")


def test_a_header_of_brackets_is_not_even_parsed(monkeypatch):
    monkeypatch.setattr(model_file, "parse", None)
    with pytest.raises(ModelFileError, match="nothing but lists of lists"):
        from_bytes(BOMBS["lists"](), "m")


def test_a_large_file_of_another_kind_is_not_read_as_a_whole(tmp_path):
    path = tmp_path / "m"
    header = b'{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(2**40)  # more than any memory
    with pytest.raises(ModelFileError, match="0 checksums"):
        load(path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("/dev/tty")])
def test_a_pipe_or_a_device_is_refused_at_once(tmp_path, make):
    make(tmp_path / "m")
    with pytest.raises(ModelFileError, match="no file but a pipe or a device"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("make", "error"),
    [(lambda path: None, FileNotFoundError), (lambda path: path.mkdir(), IsADirectoryError), (lambda path: path.symlink_to(path), OSError)],
)
def test_what_cannot_be_read_is_named(tmp_path, make, error):
    make(tmp_path / "m")
    with pytest.raises(error, match=str(tmp_path / "m")):
        load(tmp_path / "m")


def test_only_json_is_written(model):
    with pytest.raises(ValueError):
        to_bytes(replace(model, scores={"mae": float("nan")}))
    with pytest.raises(TypeError):
        to_bytes(replace(model, settings={"f": print}))


# ---------------------------------------------------------------- estimators


def test_reading_needs_neither_torch_nor_pandas():
    code = "import sys; sys.modules['torch'] = sys.modules['pandas'] = None; import ostinato.model_file as m; m.from_bytes"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


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
    "a longer horizon": (lambda m: replace(m, settings={**m.settings, "horizon": 9}), "than its horizon"),
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


def test_a_cell_of_the_library_comes_back_by_its_name_and_fits_other_sizes(frame, tmp_path):
    Forecaster("gru_cho", **SMALL).fit(frame).save(tmp_path / "m")
    back = Forecaster.load(tmp_path / "m")
    assert back.cell == "gru_cho"
    back.set_params(hidden_size=5).fit(frame)


def test_a_cell_of_ones_own_comes_back_for_its_sizes(frame, tmp_path):
    Forecaster(home_made, **SMALL).fit(frame).save(tmp_path / "m")
    back = Forecaster.load(tmp_path / "m").fit(frame)
    with pytest.raises(ValueError, match="give the function itself as cell"):
        back.set_params(hidden_size=5).fit(frame)
    back.set_params(cell=home_made).fit(frame)


def test_an_ensemble_of_many_networks_comes_back_in_order(frame, tmp_path):
    one = Forecaster("rnn", **SMALL, ensemble=11).fit(frame)
    one.save(tmp_path / "m")
    back = Forecaster.load(tmp_path / "m")
    for ours, theirs in zip(one.networks_, back.networks_, strict=True):
        assert all((theirs.state_dict()[k] == v).all() for k, v in ours.state_dict().items())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["copy", "pickle"])
@pytest.mark.parametrize("cell", ["gru", "gru_cho", home_made], ids=str)
def test_a_fitted_estimator_is_copied_whole(frame, cell, copied):
    one = Forecaster(cell, **SMALL, ensemble=2).fit(frame)
    back = copied(one)
    pd.testing.assert_frame_equal(back.predict(frame), one.predict(frame))
    assert to_bytes(estimator_file.to_model(back)) == to_bytes(estimator_file.to_model(one))
    assert clone(one).get_params() == one.get_params() and not hasattr(clone(one), "networks_")


def test_the_package_runs_nothing_that_a_file_holds():
    """No pickle, no evaluation of text, anywhere; `evaluate`, `.eval()` of a network and `re.compile` are others."""
    forbidden = re.compile(r"(?<![\w.])(eval|exec|compile|__import__)\(|\b(c?pickle|dill|joblib|marshal|shelve|torch\.(load|save))\b(?!s)")
    package = Path(ost.__file__).parent
    found = [
        f"{path.relative_to(package)}:{number}: {line.strip()}"
        for path in package.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line.partition("#")[0])
    ]
    assert found == [], found
    assert forbidden.search("x = torch.load(f)") and forbidden.search("import pickle") and forbidden.search("y = eval(text)")


def test_a_baseline_has_no_file():
    assert not hasattr(Naive(), "save")
