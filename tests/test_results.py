"""The tables of docs/results.md: every command of an application is one, and a page is what its rows say."""

from __future__ import annotations

import pytest

from benchmarks.results_page import BEGIN, END, overview, unfolded, write_page
from benchmarks.results_sequences import APPLICATIONS, job_of, sequence_jobs
from ostinato.cli.config import suggested
from ostinato.data import DATA_SETS


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_command_is_one_that_there_is(name):
    source, job = job_of(APPLICATIONS[name].command)
    assert source in DATA_SETS
    assert {row.seed for row in sequence_jobs(name)} >= {None, 0}
    assert all(getattr(job, key) == value for key, value in suggested(type(job), source).items())


def rows(**accuracy):
    scores = {name: {"accuracy": value, "seconds": 2.0, "train": 5, "test": 4} for name, value in accuracy.items()}
    told = {"data": "r8", "settings": {}}
    yield {**told, "model": "baselines", "seed": None, "models": {"linear": scores["linear"], "majority": scores["majority"]}}
    for seed, name in enumerate(("first", "second")):
        yield {**told, "model": "gru", "seed": seed, "weights": 1234, **scores[name]}


def test_a_page_is_what_its_rows_say(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, list(rows(linear=0.9, majority=0.5, first=0.8, second=0.9)))
    said = page.read_text()
    assert said.startswith("before\n") and said.endswith("\nafter\n") and "old" not in said
    assert "linear: 90.0" in said and "85.0 ± 7.1" in said and "1,234" in said and "`classify r8`" in said


def test_the_best_baseline_is_the_best():
    assert "majority: 95.0" in overview(list(unfolded(list(rows(linear=0.9, majority=0.95, first=0.8, second=0.9)))))
