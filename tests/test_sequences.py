"""Sequences in: every form gives the same table of steps, and every doubt one sentence with cause, place and cure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ostinato.data import DataError
from ostinato.tasks import sequences as module
from ostinato.tasks.sequence_batches import SequenceExamples
from ostinato.tasks.sequence_scaling import Scaling
from ostinato.tasks.sequence_targets import by_id, per_sequence, read_labels, read_targets
from ostinato.tasks.sequences import read_sequences, split_steps

PARTS = [np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]), np.array([[4.0, 40.0]]), np.array([[5.0, 50.0], [6.0, 60.0]])]
TABLE = np.concatenate(PARTS)


def long_frame(kind=pd.DataFrame):
    ids, steps = np.repeat(["b", "a", "c"], [3, 1, 2]), [0, 1, 2, 0, 0, 1]
    return kind({"unique_id": ids, "step": steps, "u": TABLE[:, 0], "v": TABLE[:, 1], "label": np.repeat([1, 2, 1], [3, 1, 2])})


def shuffled(kind):
    order = [2, 3, 0, 5, 1, 4]
    frame = long_frame(pd.DataFrame).iloc[order]
    return kind(frame.to_dict("list"))


FORMS = {
    "a list": lambda: PARTS,
    "a tuple": lambda: tuple(PARTS),
    "an array of arrays": lambda: np.array([*PARTS, None], dtype=object)[:-1],
    "lists in a list": lambda: [part.tolist() for part in PARTS],
    "a pandas frame": long_frame,
    "a polars frame": lambda: long_frame(pl.DataFrame),
    "rows in another order": lambda: shuffled(pd.DataFrame),
    "dates for steps": lambda: (
        long_frame().assign(ds=pd.Timestamp("2020") + pd.to_timedelta(long_frame()["step"], "D")).drop(columns="step")
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_steps(form):
    found = read_sequences(FORMS[form]())
    assert found.lengths.tolist() == [3, 1, 2] and found.values.tolist() == TABLE.tolist()


def test_arrays_and_lists_of_like_length():
    cube = np.arange(12.0).reshape(2, 3, 2)
    for form in (cube, cube.tolist(), list(cube)):
        found = read_sequences(form)
        assert found.lengths.tolist() == [3, 3] and found.values.tolist() == cube.reshape(6, 2).tolist()
    flat = cube[:, :, 0]
    for form in (flat, flat.tolist(), list(flat), pd.DataFrame(flat), pl.DataFrame(flat), flat.astype(object), flat.astype(np.float32)):
        found = read_sequences(form)
        assert found.features == 1 and found.values[:, 0].tolist() == flat.ravel().tolist()


def test_a_frame_keeps_its_names_and_order():
    found = read_sequences(long_frame())
    assert found.names == ("u", "v") and found.ids.tolist() == ["b", "a", "c"]
    assert read_sequences(long_frame(), names=("v",)).values[:, 0].tolist() == TABLE[:, 1].tolist()
    assert per_sequence(found, "label").tolist() == [1, 2, 1]
    assert by_id(found, pd.Series({"a": 7, "b": 8, "c": 9})).tolist() == [8, 7, 9]
    mixed = read_sequences(shuffled(pd.DataFrame))
    assert mixed.ids.tolist() == ["b", "a", "c"]
    assert split_steps(mixed.values, mixed).tolist() == shuffled(pd.DataFrame)[["u", "v"]].to_numpy().tolist()


def test_answers_for_steps_come_as_the_sequences_were():
    found = read_sequences(PARTS)
    assert [part.tolist() for part in split_steps(found.values, found)] == [part.tolist() for part in PARTS]
    cube = np.arange(12.0).reshape(2, 3, 2)
    assert split_steps(read_sequences(cube).values, read_sequences(cube)).tolist() == cube.tolist()


def test_some_of_the_sequences():
    some = read_sequences(PARTS).take(np.array([2, 0]))
    assert some.values.tolist() == np.concatenate([PARTS[2], PARTS[0]]).tolist() and some.lengths.tolist() == [2, 3]


# ---------------------------------------------------------------- bad input

nan, inf = np.nan, np.inf
BAD = {
    "nothing": ([], "minimum of 1 is required"),
    "no sequences": (np.empty((0, 3, 2)), "minimum of 1 is required"),
    "no steps": (np.empty((3, 0, 2)), "0 feature"),
    "one row": (np.arange(3.0), "Reshape your data"),
    "one row in a list": ([1.0, 2.0], "Reshape your data"),
    "too many axes": (np.zeros((2, 3, 4, 5)), r"shape \(2, 3, 4, 5\)"),
    "an empty sequence": ([np.zeros((2, 1)), np.zeros((0, 1))], "Sequence 2 has no steps"),
    "other features": ([np.zeros((2, 1)), np.zeros((2, 3))], "Sequence 2 has 3 features, where sequence 1 has 1"),
    "text": ([np.zeros((2, 1)), np.array([["a"], ["b"]])], "Sequence 2 holds what is no number"),
    "steps of unlike width": ([[[1, 2], [3]], [[1, 2], [3, 4], [5, 6]]], "Sequence 1 holds what is no number, or its steps differ"),
    "missing": ([PARTS[0], [[1, nan]]], r"no value \(NaN\) of feature 2 at step 1 of sequence 2 \(1 missing in all\); .*carry"),
    "infinite": ([PARTS[0], [[1, 2], [inf, 3]]], r"infinite number \(inf\) in feature 1 at step 2 of sequence 2"),
    "huge": (np.array([[1.0, 1e39]]), "1e\\+39, more than float32 holds, in feature 1 at step 2 of sequence 1"),
    "a frame without ids": (long_frame().drop(columns="unique_id"), "no column 'unique_id'"),
    "a frame without features": (long_frame()[["unique_id", "step", "label"]], "has no features, only unique_id, step, label"),
    "a frame without rows": (long_frame()[:0], "no rows"),
    "an empty id": (long_frame().assign(unique_id=["b", None, "b", "a", "c", "c"]), "'unique_id' is empty in data row 2"),
    "an empty step": (long_frame().assign(step=[0, 1, None, 0, 0, 1]), "'step' is empty in data row 3"),
    "a step twice": (long_frame().assign(step=[0, 1, 1, 0, 0, 1]), "Sequence 'b' has two rows for step 1 .*data row 3"),
    "text in a column": (long_frame().assign(u=list("123x56")), "Column 'u' holds '1' in data row 1, which is no number"),
    "missing in a frame": (long_frame().assign(u=[1, 2, 3, nan, 5, 6]), r"no value \(NaN\) of 'u' at step 1 of sequence 'a'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sequences_are_refused(case):
    data, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        read_sequences(data)


def test_a_column_that_is_asked_for_must_be_there():
    with pytest.raises(DataError, match=r"no column 'labl'. Did you mean 'label'\?"):
        read_sequences(long_frame(), targets=("labl",))
    with pytest.raises(DataError, match="names a column, but X is no frame"):
        read_sequences(PARTS, targets=("label",))
    with pytest.raises(DataError, match="'label' changes at step 2 of sequence 'b'"):
        read_labels(read_sequences(long_frame().assign(label=[1, 2, 1, 2, 1, 1])), "label")


LABELS = {
    "too few": (["x", "y"], "2 labels for 3 sequences"),
    "missing": (["x", None, "y"], "no label .None. for sequence 2"),
    "numbers": ([0.5, 1.25, 2.5], "continuous"),
    "other names": (pd.Series([1, 2, 3], index=list("xyz")), "indexed by other names"),
}


@pytest.mark.parametrize("case", LABELS)
def test_bad_labels_are_refused(case):
    y, message = LABELS[case]
    with pytest.raises(ValueError, match=message):
        read_labels(read_sequences(long_frame()), y)


TARGETS = {
    "too few": ([1.0, 2.0], False, "2 targets for 3 sequences"),
    "text": (np.array(["1", "a", "2"]), False, "could not convert"),
    "missing": ([1.0, nan, 2.0], False, "Input y contains NaN .target 2, 1 missing"),
    "infinite": ([1.0, inf, 2.0], False, "Input y contains infinity"),
    "of steps": (np.zeros((3, 4, 2)), False, "set per_step=True"),
    "one number": (1.0, False, "give a target for each sequence"),
    "of sequences": ([1.0, 2.0, 3.0], True, "give a target for each"),
    "too few steps": ([np.zeros(3), np.zeros(1), np.zeros(3)], True, "3 targets for sequence 3, which has 2 steps"),
    "unlike outputs": ([np.zeros((3, 1)), np.zeros((1, 2)), np.zeros((2, 1))], True, "all with the same outputs"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_bad_targets_are_refused(case):
    y, per_step, message = TARGETS[case]
    with pytest.raises(ValueError, match=message):
        read_targets(read_sequences(PARTS), y, per_step=per_step)


def test_targets_in_every_form():
    frame = long_frame()
    one, single = read_targets(read_sequences(frame), "v", per_step=True)
    assert single and one[:, 0].tolist() == TABLE[:, 1].tolist()
    two, single = read_targets(read_sequences(frame), ["u", "v"], per_step=True)
    assert not single and two.tolist() == TABLE.tolist()
    mixed = shuffled(pd.DataFrame)
    again, _ = read_targets(read_sequences(mixed), mixed["v"], per_step=True)
    assert again.tolist() == one.tolist()
    steps, single = read_targets(read_sequences(PARTS), [part[:, 1] for part in PARTS], per_step=True)
    assert single and steps.tolist() == one.tolist()
    both, single = read_targets(read_sequences(PARTS), PARTS, per_step=True)
    assert not single and both.tolist() == TABLE.tolist()
    label, single = read_targets(read_sequences(frame), "label", per_step=False)
    assert single and label[:, 0].tolist() == [1, 2, 1]


# ---------------------------------------------------------------- scaling, gaps, batches


def test_scaling_and_gaps():
    parts = [np.array([[nan, 1.0, 5.0], [2.0, 1.0, nan], [nan, 1.0, 7.0]]), np.array([[4.0, 1.0, nan]])]
    data = read_sequences(parts, missing="carry")
    scaling = Scaling.fit(data)
    assert scaling.mean.tolist() == [3.0, 1.0, 6.0] and scaling.scale.tolist() == [1.0, 1.0, 1.0]
    assert scaling.flags.tolist() == [True, False, True] and scaling.width == 5
    assert scaling.apply(data).tolist() == [
        [0, 0, -1, 1, 0],  # before the first value: the mean
        [-1, 0, -1, 0, 1],  # the last value of its own sequence
        [-1, 0, 1, 1, 0],
        [1, 0, 0, 0, 1],  # not that of the sequence before
    ]


def test_values_that_cannot_be_scaled():
    with pytest.raises(DataError, match="no value of feature 2 in any sequence"):
        Scaling.fit(read_sequences([[[1.0, nan], [2.0, nan]]], missing="carry"))
    scaling = Scaling.fit(read_sequences([[[0.0], [1e-30]]]))
    with pytest.raises(DataError, match="too far from what was learned from"):
        scaling.apply(read_sequences([[[1e20]]]))


def test_batches_are_padded_and_told_their_lengths():
    data = read_sequences(PARTS)
    examples = SequenceExamples(data.values.astype(np.float32), data.lengths, np.arange(6, dtype=np.float32)[:, None], per_step=True)
    inputs, (targets, weights) = examples.batch(np.array([1, 2]))
    assert inputs["lengths"].tolist() == [1, 2] and tuple(inputs["x"].shape) == (2, 2, 2) and weights.tolist() == [1, 1]
    assert inputs["x"][1].tolist() == PARTS[2].tolist() and inputs["x"][0, 0].tolist() == [4, 40]
    assert np.array_equal(targets[:, :, 0].numpy(), [[3, nan], [4, 5]], equal_nan=True)
    same = SequenceExamples(data.values.astype(np.float32), np.array([3, 3]))
    assert same.lengths is None and "lengths" not in same.batch(np.array([0]))[0]


def test_names_that_are_never_features():
    assert set(module.RESERVED) == {"unique_id", "ds", "step", "label"}
