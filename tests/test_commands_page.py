"""docs/commands.md: what stands there runs and ends as it says. docs/applications.md: it is understood. docs/flags.md: it is whole."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from test_cli import JOBS, run

from ostinato.cli.flags import flag_name, flagged

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "commands.md").read_text()
APPLICATIONS = (ROOT / "docs" / "applications.md").read_text()
TINY = ["--hidden-size", "2", "--max-epochs", "1"]


def script():
    """scripts/transcripts as a module."""
    loader = importlib.machinery.SourceFileLoader("transcripts", str(ROOT / "scripts" / "transcripts"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("transcripts", loader))
    loader.exec_module(module)
    return module


def transcripts():
    """Each command of the page, what it printed, and the exit code that this means."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        for part in block.split("$ ostinato ")[1:]:
            command, _, printed = part.partition("\n")
            yield shlex.split(command), printed, 0 if "Error:" not in printed else 2 if "Usage:" in printed else 1


def test_what_stands_on_the_page_runs_and_ends_as_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = list(transcripts())
    assert len(found) >= 11
    for command, printed, expected in found:
        code, stdout, stderr = run(*command, *(TINY if command[0] == "fit" and expected == 0 else []))
        assert code == expected, (command, stderr)
        if expected:
            told = next(line for line in printed.splitlines() if line.startswith("Error:"))
            assert told in stderr.splitlines(), (command, stderr)
        elif command[0] in ("data", "predict"):
            assert (stdout + stderr).split("\n")[0].split(",")[0] == printed.split("\n")[0].split(",")[0]


@pytest.mark.parametrize("command", re.findall(r"^\$ ostinato (fit .*)$", APPLICATIONS, re.MULTILINE))
def test_the_fits_of_the_applications_are_understood(command):
    code, printed, stderr = run(*shlex.split(command), "--print-config")
    assert code == 0 and 'cell = ["' in printed, stderr


def test_each_flag_of_each_command_is_listed_once_and_as_it_is():
    made, page = script(), (ROOT / "docs" / "flags.md").read_text()
    assert page.partition("## ")[1] + page.partition("## ")[2] == made.flags(), "run: python scripts/transcripts --flags"
    wanted = made.commands()
    for task in ("forecast", "classify", "regress"):
        listed = [flag for name in ("fit", f"fit {task}") for flag, _ in wanted[name]]
        assert len(listed) == len(set(listed)) and {flag_name(name) for name in flagged(JOBS[task][0])} <= {
            one.split(", ")[0] for one in listed
        }


@pytest.mark.parametrize("flag", ["--cell", "--num-layers", "--checkpoint"])
def test_what_all_fits_share_is_listed_with_fit(flag):
    assert flag in dict(script().commands()["fit"])
