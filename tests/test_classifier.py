"""SequenceClassifier and SequenceRegressor: what they learn, their protocol, their files, and bad input."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import ostinato as ost
from ostinato.data import DataError, find
from ostinato.model_file import ModelFileError, save
from ostinato.tasks import SequenceClassifier, SequenceRegressor, estimator_file
from ostinato.tasks.sequence_baselines import (
    LinearClassifier,
    LinearRegressor,
    MajorityClass,
    MeanValue,
    NearestClassifier,
    NearestRegressor,
)

QUICK = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}
ABLE = {"hidden_size": 8, "max_epochs": 40, "random_state": 0, "learning_rate": 0.03, "readout": "last"}


def parts(count=60, features=2, seed=0):
    """Ragged sequences of noise."""
    random = np.random.default_rng(seed)
    return [random.normal(size=(random.integers(2, 9), features)) for _ in range(count)]


def classes(X):
    return np.array(["low", "high"])[[int(one[:, 1].sum() > 0) for one in X]]


@pytest.fixture(scope="module")
def X():
    return parts()


@pytest.fixture(scope="module")
def y(X):
    return classes(X)


@pytest.fixture(scope="module")
def means(X):
    return np.array([one.mean(0) for one in X])


def long(X, y=None, kind=pd.DataFrame):
    lengths = [len(one) for one in X]
    columns = {
        "unique_id": np.repeat([f"s{k}" for k in range(len(X))], lengths),
        "u": np.concatenate(X)[:, 0],
        "v": np.concatenate(X)[:, 1],
    }
    return kind(columns if y is None else {**columns, "label": np.repeat(y, lengths)})


# ---------------------------------------------------------------- it learns


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_learns_classes(X, y, cell):
    one = SequenceClassifier(cell, **ABLE).fit(X, y)
    test = parts(200, seed=1)
    assert one.score(test, classes(test)) > 0.85 and one.classes_.tolist() == ["high", "low"]


def test_it_learns_numbers_of_sequences_and_of_steps(X, means):
    test = parts(100, seed=1)
    one = SequenceRegressor("gru", **ABLE).fit(X, 1e6 + 1e3 * means)
    assert one.score(test, np.array([1e6 + 1e3 * x.mean(0) for x in test])) > 0.8
    sums = SequenceRegressor("gru", **ABLE, per_step=True).fit(X, [np.cumsum(x[:, 0]) for x in X])
    assert sums.score(test, [np.cumsum(x[:, 0]) for x in test]) > 0.8


def test_a_step_is_told_from_the_steps_up_to_it(X):
    one = SequenceRegressor("gru", **QUICK, per_step=True).fit(X, [x[:, 0] for x in X])
    cut = [x[:2] for x in X]
    assert [a.tolist() for a in one.predict(cut)] == [a[:2].tolist() for a in one.predict(X)]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_a_frame_gives_the_same_model_as_a_list(X, y, kind):
    one = SequenceClassifier("gru", **QUICK).fit(X, y)
    other = SequenceClassifier("gru", **QUICK).fit(long(X, y, kind), "label")
    assert other.feature_names_in_.tolist() == ["u", "v"]
    assert np.array_equal(one.predict_proba(X), other.predict_proba(long(X, y, kind)))
    assert np.array_equal(one.predict_proba(X), other.predict_proba(long(X, kind=kind)[["v", "unique_id", "u"]]))
    assert one.score(X, y) == other.score(long(X, y, kind), "label")


def test_answers_of_steps_stand_beside_their_rows(X):
    frame = long(X).sample(frac=1, random_state=0).assign(ds=lambda f: f.index).reset_index(drop=True)
    one = SequenceRegressor("gru", **QUICK, per_step=True).fit(frame, "v")
    said = one.predict(frame)
    assert one.feature_names_in_.tolist() == ["u"] and said.shape == (len(frame),)
    in_order = frame.sort_values("ds", kind="stable")
    assert np.allclose(one.predict(in_order), said[in_order.index])


def test_the_shapes_of_answers(X, means):
    cube = np.stack([x[:2] for x in X])
    cases = [(means[:, 0], {}, (60,)), (means, {}, (60, 2)), (means[:, :1], {}, (60, 1))]
    steps = {"per_step": True}
    cases += [(cube[:, :, 0], steps, (60, 2)), (cube, steps, (60, 2, 2)), (cube[:, :, :1], steps, (60, 2, 1))]
    for targets, more, shape in cases:
        assert SequenceRegressor("rnn", **QUICK, **more).fit(cube, targets).predict(cube).shape == shape


@pytest.mark.parametrize(
    "labels", [[0, 1], [True, False], [1.0, 2.0], ["b", "a"], np.array(["b", "a"], object), np.array([3, -1], np.int8)], ids=repr
)
def test_labels_of_any_kind_come_back_as_they_were(X, labels, tmp_path):
    told = np.asarray(labels)[np.arange(60) % 2]
    one = SequenceClassifier("rnn", **QUICK).fit(X, told)
    one.save(tmp_path / "m.safetensors")
    for model in (one, SequenceClassifier.load(tmp_path / "m.safetensors")):
        assert model.predict(X).dtype == told.dtype and set(model.predict(X).tolist()) <= set(told.tolist())


# ---------------------------------------------------------------- scikit-learn's tools


def test_in_scikit_learns_tools(X, y):
    assert len(cross_val_score(SequenceClassifier("gru", **QUICK), X, y, cv=3)) == 3
    assert len(cross_val_score(SequenceClassifier("gru", **QUICK), np.stack([x[:2] for x in X]), y, cv=3)) == 3
    search = GridSearchCV(SequenceClassifier(**QUICK), {"cell": ["rnn", "gru"], "readout": ["last", "max"]}, cv=2).fit(X, y)
    assert search.best_params_["cell"] in ("rnn", "gru") and search.predict(X).shape == (60,)
    pipe = make_pipeline(SequenceClassifier("gru", **QUICK), LogisticRegression()).fit(X, y)
    assert pipe.predict(X).shape == (60,)


def test_states_as_features(X, y, means):
    one = SequenceClassifier("gru", **QUICK, bidirectional=True, ensemble=2).fit(X, y).set_output(transform="pandas")
    states = one.transform(X)
    assert states.shape == (60, 16) and states.columns[0] == "sequenceclassifier0"
    steps = SequenceRegressor("gru", **QUICK, per_step=True).fit(X, [x[:, 0] for x in X])
    whole = SequenceRegressor("gru", **QUICK).fit(X, means[:, 0])
    assert steps.transform(X).shape == whole.transform(X).shape == (60, 4)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"])
def test_copies_say_the_same_and_learn_on(X, y, copied):
    one = SequenceClassifier("lstm", **QUICK, dropout=0.3)
    one.partial_fit(X, y, classes=["high", "low"])
    other = copied(one)
    for model in (one, other):
        model.partial_fit(X, y)
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))
    assert clone(one).get_params() == one.get_params() and not hasattr(clone(one), "classes_")


def test_the_same_seed_gives_the_same_model(X, y):
    one, two, three = (SequenceClassifier("gru", **{**QUICK, "random_state": seed}).fit(X, y).predict_proba(X) for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, three)


def test_an_answer_does_not_depend_on_its_company(X, y):
    one = SequenceClassifier("gru", **QUICK).fit(X, y)
    alone = np.concatenate([one.predict_proba([x]) for x in X])
    assert np.array_equal(alone, one.predict_proba(X)) and np.array_equal(alone[::-1], one.predict_proba(X[::-1]))


# ---------------------------------------------------------------- epochs one by one


def test_partial_fit_learns_on(X, y):
    one = SequenceClassifier("gru", **ABLE)
    scores = [one.partial_fit(X, y, classes=np.array(["high", "low"])).score(X, y) for _ in range(20)]
    assert scores[-1] > 0.85 and one.training_[0]["epochs"] == 20
    fitted = SequenceClassifier("gru", **QUICK).fit(X, y)
    before = fitted.predict_proba(X)
    assert not np.array_equal(fitted.partial_fit(X, y).predict_proba(X), before)


def test_partial_fit_says_what_it_needs(X, y):
    one = SequenceClassifier("gru", **QUICK)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        one.partial_fit(X, y)
    with pytest.raises(ValueError, match='"balanced" needs all data'):
        SequenceClassifier(class_weight="balanced").partial_fit(X, y, classes=["high", "low"])
    one.partial_fit(X, y, classes=["high", "low"])
    said = one.predict_proba(X)
    for wrong in ({"classes": ["high", "x"]}, {"y": np.full(60, "middle")}, {"X": parts(60, 3)}):
        with pytest.raises(ValueError, match=r"not what the first call|not among the classes|X has 3 features"):
            one.partial_fit(**{"X": X, "y": y, **wrong})
        assert np.array_equal(one.predict_proba(X), said)


# ---------------------------------------------------------------- weights, validation


def test_a_weight_of_zero_is_as_if_it_were_not_there(X, y):
    weights = np.ones(60)
    weights[::3] = 0
    kept = [k for k in range(60) if weights[k]]
    one = SequenceClassifier("gru", **QUICK).fit(X, y, sample_weight=weights)
    other = SequenceClassifier("gru", **QUICK).fit([X[k] for k in kept], y[kept])
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_weights_change_what_is_believed(X, y):
    plain, heavy = (SequenceClassifier("gru", **QUICK, class_weight=w).fit(X, y) for w in (None, {"high": 20.0}))
    assert heavy.predict_proba(X)[:, 0].mean() > plain.predict_proba(X)[:, 0].mean()
    rare = np.array(["low"] * 54 + ["high"] * 6)
    for weight in ("balanced", {"high": 9.0, "low": 1.0}):
        one = SequenceClassifier("gru", **QUICK, class_weight=weight).fit(X, rare)
        assert one.predict_proba(X)[:, 0].mean() > SequenceClassifier("gru", **QUICK).fit(X, rare).predict_proba(X)[:, 0].mean()


def test_what_validates(X, y):
    own = SequenceClassifier("gru", **QUICK).fit(X[:40], y[:40], validation=(X[40:], y[40:]))
    assert own.validation_loss_ is not None
    assert SequenceClassifier("gru", **QUICK, validation_fraction=0).fit(X, y).validation_loss_ is None
    rare = np.array(["once", "twice", "twice", *["often"] * 57])
    one = SequenceClassifier("gru", **QUICK).fit(X, rare)
    assert one.classes_.tolist() == ["often", "once", "twice"]
    with pytest.raises(DataError, match="'new' for sequence 1, which was not among the classes"):
        SequenceClassifier("gru", **QUICK).fit(X, y, validation=(X[:1], ["new"]))
    with pytest.raises(ValueError, match="must be a pair"):
        SequenceClassifier("gru", **QUICK).fit(X, y, validation=X)


# ---------------------------------------------------------------- gaps and extremes


def holes(X):
    gone = [x.copy() for x in X]
    gone[0][:, 1] = np.nan
    gone[3][1:, 1] = np.nan
    return gone


def test_missing_values_are_an_error_or_flagged(X, y, tmp_path):
    with pytest.raises(DataError, match="no value"):
        SequenceClassifier("gru", **QUICK).fit(holes(X), y)
    one = SequenceClassifier("gru", **QUICK, missing="carry").fit(holes(X), y)
    assert one.input_size_ == 3 and np.isfinite(one.predict_proba(holes(X))).all()
    one.save(tmp_path / "m.safetensors")
    assert np.array_equal(SequenceClassifier.load(tmp_path / "m.safetensors").predict_proba(holes(X)), one.predict_proba(holes(X)))


def test_missing_targets_of_steps_are_not_learned_from(X):
    targets = [x[:, 0].copy() for x in X]
    wild = [t.copy() for t in targets]
    for k in range(0, 60, 2):
        targets[k][1] = wild[k][1] = np.nan
    with pytest.raises(DataError, match="Input y contains NaN"):
        SequenceRegressor("gru", **QUICK, per_step=True).fit(X, targets)
    one = SequenceRegressor("gru", **QUICK, per_step=True, missing="carry").fit(X, targets)
    assert np.isfinite(one.score(X, targets)) and all(np.isfinite(said).all() for said in one.predict(X))


def test_a_constant_feature_and_a_constant_target(X):
    flat = [np.hstack([x, np.full((len(x), 1), 7.0)]) for x in X]
    one = SequenceRegressor("gru", **{**QUICK, "max_epochs": 30}).fit(flat, np.full(60, 5.0))
    assert one.scale_[2] == 1 and np.allclose(one.predict(flat), 5.0, atol=0.5)


def test_a_very_long_sequence():
    X = np.random.default_rng(0).normal(size=(2, 100_000, 1)).astype(np.float32)
    one = SequenceClassifier("gru", hidden_size=2, max_epochs=1, validation_fraction=0, random_state=0).fit(X, [0, 1])
    assert np.isfinite(one.predict_proba(X)).all()


# ---------------------------------------------------------------- bad input

BAD = {
    "one class": ({}, {"y": np.full(60, "a")}, "y has one class only .'a'."),
    "one sequence": ({}, {"X": parts(1), "y": ["a"]}, "one class only"),
    "one class that counts": ({}, {"y": np.arange(60) % 2, "sample_weight": np.arange(60) % 2}, "one class only"),
    "no labels": ({}, {"y": None}, "requires y to be passed"),
    "too few labels": ({}, {"y": ["a", "b"]}, "2 labels for 60 sequences"),
    "too few weights": ({}, {"sample_weight": [1.0]}, "1 weights for 60 sequences"),
    "a weight below 0": ({}, {"sample_weight": np.linspace(-1, 1, 60)}, "-1.0 for sequence 1"),
    "no weight": ({}, {"sample_weight": np.zeros(60)}, "zero for every sequence"),
    "an unknown cell": ({"cell": "gruu"}, {}, "gru"),
    "an unknown readout": ({"readout": "lst"}, {}, "Did you mean 'last'"),
    "an unknown policy": ({"missing": "drop"}, {}, "missing='drop' is unknown"),
    "weights of no class": ({"class_weight": {"x": 1}}, {}, "has 'x', which is no class of y"),
    "weights in a word": ({"class_weight": "balancd"}, {}, "class_weight='balancd' must be"),
    "no units": ({"hidden_size": 0}, {}, "hidden_size=0 must be a whole number of at least 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(X, y, case):
    settings, call, message = BAD[case]
    one = SequenceClassifier("gru", **QUICK).fit(X, y)
    said = one.predict_proba(X)
    one.set_params(**settings)
    with pytest.raises(ValueError, match=message):
        one.fit(**{"X": X, "y": y, **call})
    assert np.array_equal(one.predict_proba(X), said)


def test_other_data_than_was_learned_from(X, y):
    one = SequenceClassifier("gru", **QUICK).fit(long(X, y), "label")
    with pytest.raises(DataError, match="no column 'v'"):
        one.predict(long(X).drop(columns="v"))
    with pytest.raises(DataError, match="X has 3 features, but SequenceClassifier is expecting 2"):
        one.predict(parts(4, 3))
    assert one.score(X[:2], ["new", "new"]) == 0.0


# ---------------------------------------------------------------- the model file


@ost.cell
def leaky(x, h):
    return h + 0.5 * ost.tanh(ost.affine("change", x, h))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", leaky], ids=str)
def test_what_is_read_back_says_the_same_bits(X, y, means, cell, tmp_path):
    classifier = SequenceClassifier(cell, **QUICK, class_weight={"low": 2.0}, readout="mean").fit(long(X, y), "label")
    classifier.save(tmp_path / "c.safetensors", scores={"accuracy": 0.5})
    back = SequenceClassifier.load(tmp_path / "c.safetensors")
    assert np.array_equal(back.predict_proba(long(X)), classifier.predict_proba(long(X)))
    assert back.get_params() | {"cell": cell} == classifier.get_params() | {"random_state": 0}
    regressor = SequenceRegressor(cell, **QUICK, per_step=True, ensemble=2).fit(X, [x[:, 0] for x in X])
    regressor.save(tmp_path / "r.safetensors")
    again = SequenceRegressor.load(tmp_path / "r.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(again.predict(X), regressor.predict(X), strict=True))
    with pytest.raises(ModelFileError, match="holds a SequenceRegressor, not a SequenceClassifier"):
        SequenceClassifier.load(tmp_path / "r.safetensors")


def schema(**fields):
    return lambda m: replace(m, schema={**m.schema, **fields})


def arrays(**fields):
    return lambda m: replace(m, tensors={**m.tensors, **{name.replace("_", "."): array for name, array in fields.items()}})


FORGERIES = {
    "one class": (schema(classes=["high"]), "its classes are"),
    "classes twice": (schema(classes=["high", "high"]), "not in order, or stand twice"),
    "classes of two kinds": (schema(classes=["high", 1]), "not all of the kind"),
    "true for a number": (schema(classes=[0, True], labels="int64"), "not all of the kind"),
    "a number that is too large": (schema(classes=[0, 1000], labels="int8"), "no usable model"),
    "labels of no kind": (schema(labels="datetime64[s]"), "of the kind"),
    "more classes": (schema(classes=["high", "low", "middle"]), "has the shape"),
    "another input": (schema(input="smells"), "'input' is 'smells'"),
    "no features": (schema(features=0), "'features' is 0"),
    "true features": (schema(features=True), "'features' is True"),
    "more features": (schema(features=3), "'flags' is no list"),
    "names twice": (schema(names=["u", "u"]), "names 1 features where it has 2"),
    "names that are no list": (schema(names="uv"), "no list of texts"),
    "flags that are numbers": (schema(flags=[0, 1]), "'flags' is no list"),
    "one flag more": (schema(flags=[True, False]), "other equations than the stored ones, or for other sizes"),
    "no spread": (arrays(scaling_scale=np.zeros(2)), "'scaling.scale' is not positive"),
    "no mean": (arrays(scaling_mean=np.full(2, np.nan)), "has the shape"),
    "another mean": (arrays(scaling_mean=np.zeros(3)), "has the shape"),
    "an unknown readout": (lambda m: replace(m, settings={**m.settings, "readout": "first"}), "readout='first' is unknown"),
}


@pytest.fixture(scope="module")
def fitted(X, y):
    return SequenceClassifier("gru", **QUICK).fit(long(X, y), "label")


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_classifier_is_refused(fitted, tmp_path, case):
    forge, message = FORGERIES[case]
    save(forge(estimator_file.to_model(fitted)), tmp_path / "m.safetensors")
    with pytest.raises(ModelFileError, match=message):
        SequenceClassifier.load(tmp_path / "m.safetensors")


REGRESSION_FORGERIES = {
    "no outputs": (schema(outputs=0), "'outputs' is 0"),
    "more outputs": (schema(outputs=3), "has the shape"),
    "a single one of two": (schema(single=True), "'single' is True for 2 outputs"),
    "no spread": (arrays(target_scale=np.array([1.0, -1.0])), "'target.scale' is not positive"),
}


@pytest.mark.parametrize("case", REGRESSION_FORGERIES)
def test_a_forged_regressor_is_refused(X, means, tmp_path, case):
    forge, message = REGRESSION_FORGERIES[case]
    save(forge(estimator_file.to_model(SequenceRegressor("gru", **QUICK).fit(X, means))), tmp_path / "m.safetensors")
    with pytest.raises(ModelFileError, match=message):
        SequenceRegressor.load(tmp_path / "m.safetensors")


# ---------------------------------------------------------------- baselines


@pytest.mark.parametrize("kind", [MajorityClass, NearestClassifier, LinearClassifier])
def test_baselines_of_classes(X, y, kind):
    one = kind().fit(long(X, y), "label")
    assert one.predict(long(X)).tolist() == kind().fit(X, y).predict(X).tolist()
    assert one.predict_proba(long(X)).shape == (60, 2) and one.score(X, y) >= (0.5 if kind is MajorityClass else 0.9)


@pytest.mark.parametrize("kind", [MeanValue, NearestRegressor, LinearRegressor])
def test_baselines_of_numbers(X, means, kind):
    assert kind().fit(X, means).score(X, means) >= (-1e-9 if kind is MeanValue else 0.9)
    assert kind().fit(X, means[:, 0]).predict(X).shape == (60,)


@pytest.mark.parametrize("kind", [MeanValue, LinearRegressor])
def test_baselines_of_steps(X, kind):
    before = [np.concatenate([[0.0], x[:-1, 0]]) for x in X]
    one = kind(per_step=True).fit(X, before)
    assert one.score(X, before) >= (-1e-9 if kind is MeanValue else 0.99)
    assert [len(said) for said in one.predict(X)] == [len(x) for x in X]


def test_the_nearest_neighbour_knows_the_speaker():
    vowels = find("japanese-vowels")
    assert NearestClassifier().fit(*vowels.sequences("train")).score(*vowels.sequences("test")) > 0.95
