"""The bundled data: what they say they are, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from ostinato import data


@pytest.mark.parametrize("name", list(data.DATA_SETS))
def test_a_data_set_is_what_its_record_says(name):
    one = data.find(name)
    header, *rows = one.read().decode().splitlines()
    assert len(rows) == one.rows
    assert {one.time, one.target, *one.past} <= set(header.split(","))
    assert {one.target, *one.past} <= set(one.units)
    assert one.licence in one.notice() and one.source.split()[0] in one.notice()


def test_the_long_form():
    frame = data.load("seattle-weather")
    assert list(frame.columns) == ["unique_id", "ds", "y", "temp_min", "precipitation", "wind"]
    assert str(frame["ds"].iloc[0].date()) == "2012-01-01" and str(frame["ds"].iloc[-1].date()) == "2015-12-31"
    assert (frame["y"] >= frame["temp_min"]).all()  # the day's highest is not below its lowest


def test_a_changed_file_is_refused():
    forged = dataclasses.replace(data.find("seattle-weather"), sha256="0" * 64)
    with pytest.raises(data.DataError, match="changed or damaged"):
        forged.read()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(data.DataError, match="Did you mean 'seattle-weather'"):
        data.load("seatle-wether")
    with pytest.raises(data.DataError) as nothing_near:
        data.load("zzz")
    assert "Did you mean" not in str(nothing_near.value)
