"""The pages under docs/ are true: their examples run, their links lead somewhere, the files they name exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md"))
OUTSIDE = ("http://", "https://", "mailto:", "#")
CODE_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# `program/table.py`, `cpp/pointwise.h`, `tests/test_docs.py`: the first part is a folder of the package or of the repository
PATH = re.compile(r"`((?:[a-z_]+/)+[A-Za-z_]+\.(?:py|cpp|h|md|pyi))`")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT / "docs"))


def examples(text: str) -> str:
    """The text with everything but python blocks made blank, so that line numbers stay."""
    lines, inside = [], False
    for line in text.split("\n"):
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line.startswith("```python") if fence and not inside else inside and not fence
    return "\n".join(lines)


def run(page: Path, text: str) -> doctest.TestResults:
    test = doctest.DocTestParser().get_doctest(examples(text), {"__name__": "__main__"}, name(page), str(page), 0)
    return doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)


@pytest.mark.parametrize("page", [p for p in PAGES if ">>>" in p.read_text()], ids=name)
def test_examples_run(page, tmp_path, monkeypatch):
    text = page.read_text()
    for imported, needed in (("import torch", "torch"), ("ostinato.tasks", "skorch")):
        if imported in text:
            pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    result = run(page, text)
    assert result.attempted > 0 and result.failed == 0


def test_a_wrong_example_is_caught(capsys):
    assert run(ROOT / "docs" / "x.md", "```python\n>>> 1 + 1\n2\n```\n").failed == 0
    assert run(ROOT / "docs" / "x.md", "text\n```python\n>>> 1 + 1\n3\n```\n").failed == 1
    assert "line 3" in capsys.readouterr().out


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("*.md"))], ids=lambda p: p.name)
def test_links_and_paths_exist(page):
    text = page.read_text()
    prose = CODE_BLOCK.sub("", text)
    broken = [to for to in LINK.findall(prose) if not to.startswith(OUTSIDE) and not (page.parent / to.split("#")[0]).exists()]
    places = (ROOT, ROOT / "src", ROOT / "src" / "ostinato")
    broken += [path for path in PATH.findall(prose) if not any((place / path).exists() for place in places)]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_are_short(page):
    assert len(page.read_text().splitlines()) <= 400


def test_decisions_are_numbered():
    found = sorted(p.name for p in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [n[:4] for n in found] == [f"{k:04d}" for k in range(1, len(found) + 1)]
    for n in found:
        text = (ROOT / "docs" / "decisions" / n).read_text()
        assert text.startswith(f"# {n[:4]} ") and all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), n
