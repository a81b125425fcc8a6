"""The layout of docs/layout.md: a file imports only from below, and `import ostinato` needs NumPy alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ostinato

ROOT = Path(__file__).parent.parent
PACKAGE = Path(ostinato.__file__).parent
# Bottom to top; a part imports itself and what stands before it.
FOLDERS = ("_native", "program", "cells", "compiler", "engine", "model_file", "stream", "nn", "interop", "explain", "data", "tasks", "cli")
ORDER = (*FOLDERS, "__main__")
TORCH_FREE = ("program", "cells", "compiler", "engine", "stream")
LONGEST = 450  # lines of one module


def part_of(path: Path, package: Path) -> str:
    """The folder, or the module at the top, that a file belongs to."""
    return path.relative_to(package).parts[0].removesuffix(".py").removesuffix(".pyi")


def imported(path: Path, package: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything of ``ostinato`` that a file imports, relative names resolved."""
    here = ["ostinato", *path.relative_to(package).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            # ``from .. import nn`` names parts, ``from ..nn import Recurrent`` a name in one
            found += [(node.lineno, f"{module}.{a.name}" if module == "ostinato" else module) for a in node.names]
    return [(line, name) for line, name in found if name.split(".")[0] == "ostinato"]


def wrong_imports(package: Path) -> list[str]:
    """Every import that does not run downwards, as ``file:line imports what``."""
    wrong = []
    for path in sorted(package.rglob("*.py")):
        part = part_of(path, package)
        if part == "__init__":
            continue
        for line, name in imported(path, package):
            target = (name.split(".") + [""])[1]
            if target not in ORDER or ORDER.index(target) > ORDER.index(part):
                wrong.append(f"{path.relative_to(package)}:{line} imports {name}")
    return wrong


def test_every_folder_has_its_place():
    parts = {part_of(p, PACKAGE) for p in PACKAGE.rglob("*.py")} - {"__init__"}
    assert parts <= set(ORDER), f"{parts - set(ORDER)}: give each a place in ORDER and in docs/layout.md"


def test_the_page_has_every_folder_in_the_same_order():
    page = (ROOT / "docs" / "layout.md").read_text()
    names = re.findall(r"^\| `(\w+)(?:/|\.py)?` \|", page.split("## ")[0], re.MULTILINE)
    assert tuple(reversed(names)) == ORDER


def test_imports_run_downwards():
    assert wrong_imports(PACKAGE) == []


@pytest.mark.parametrize(
    "line",
    [
        "from ..engine import train",
        "import ostinato.nn",
        "from .. import tasks",
        "from ostinato import cells",
        "from ostinato.cli.app import main",
        "def late():\n    from ..compiler import driver",
        "if TYPE_CHECKING:\n    from ..compiler.saves import Tape",
        "from .. import Cell",  # the package itself is above everything
    ],
)
def test_a_planted_import_is_caught(tmp_path, line):
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "node.py").write_text("from . import table\n")
    assert wrong_imports(tmp_path) == []
    (tmp_path / "program" / "node.py").write_text(line + "\n")
    (caught,) = wrong_imports(tmp_path)
    assert caught.startswith("program/node.py:")


def test_modules_are_short():
    long = [f"{p.relative_to(PACKAGE)}: {n} lines" for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > LONGEST]
    assert long == []


# ---------------------------------------------------------------- what an import brings with it

FOREIGN = """
import sys, importlib
before = set(sys.modules)
importlib.import_module({name!r})
new = {{m.split(".")[0] for m in set(sys.modules) - before}} - set(sys.stdlib_module_names) - {{"numpy", "ostinato"}}
print(sorted(m for m in new if not m.startswith("_")))
"""
BLOCKED = "import sys; sys.modules['torch'] = None; import {name}"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_import_needs_numpy_alone():
    done = python(FOREIGN.format(name="ostinato"))
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stdout + done.stderr


@pytest.mark.parametrize("part", ["", *TORCH_FREE])
def test_imports_without_torch(part):
    if part and not ((PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()):
        pytest.skip(f"there is no ostinato.{part} yet")
    done = python(BLOCKED.format(name=f"ostinato.{part}".rstrip(".")))
    assert done.returncode == 0, done.stderr


def test_the_block_blocks():
    assert "import of torch halted" in python(BLOCKED.format(name="torch")).stderr
