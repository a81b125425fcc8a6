"""docs/commands.md: what stands there runs and ends as it says. docs/flags.md: each flag is listed once."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from test_cli import run

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "commands.md").read_text()
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


def test_each_flag_of_each_command_is_listed_once():
    listed = (ROOT / "docs" / "flags.md").read_text()
    sections = {part.split("\n")[0]: part for part in listed.split("## ")[1:]}
    wanted = script().commands()
    assert len(sections) == len(wanted) == 8
    for section, (name, flags) in zip(sections.values(), wanted.items(), strict=True):
        assert f"`ostinato {name}`" in section.split("\n")[0]
        rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
        assert rows == [flag for flag, _ in flags], "run: python scripts/transcripts --flags"


@pytest.mark.parametrize("flag", ["--cell", "--num-layers", "--checkpoint"])
def test_what_all_fits_share_is_listed_with_fit(flag):
    assert flag in dict(script().commands()["fit"])
