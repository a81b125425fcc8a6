"""The generated parts of docs/cells.md: one row a cell, and where a cell is a variant of its paper.

    PYTHONPATH=src:tests python tests/cells_page.py

writes them anew with the distances measured. What a cell is good for stands in the page and is kept.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

from literature.compare import SIZES, compare

from ostinato import cells

PAGE = Path(__file__).parent.parent / "docs" / "cells.md"
HEAD = "| cell | paper | lines | states | inputs | values | gradients | good for |"


def lines(cell):
    """How many lines of equations: the function's body without its docstring, blank lines and comments."""
    source = textwrap.dedent(inspect.getsource(cell.function))
    body = ast.parse(source).body[0].body[1:]
    held = source.splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith(("#", '"""')) for line in held)


def paper(cell):
    """The citation: the first line of the docstring from its second sentence."""
    return cell.doc.split("\n")[0].split(". ", 1)[1].rstrip(".")


def facts(name):
    """What a row says before its distances, as it stands in the page."""
    cell = cells.get(name)
    return [f"`{name}`", paper(cell), str(lines(cell)), ", ".join(cell.states), ", ".join(cell.inputs)]


def variant(name):
    """The item of the second list: the docstring's second paragraph, where there is one."""
    _, _, rest = cells.get(name).doc.partition("\n\n")
    return f"- `{name}`: {' '.join(rest.split())}" if rest else ""


def rows(text):
    """The table in the page: by name, its columns."""
    table = text[text.index(HEAD) :].split("\n\n")[0].splitlines()[2:]
    columns = [[c.strip() for c in row.strip("|").split("|")] for row in table]
    return {c[0].strip("`"): c for c in columns}


def main():
    text = PAGE.read_text()
    old = rows(text)
    table = [HEAD, "|---|---|---|---|---|---|---|---|"]
    for name in cells.names():
        far = [compare(name, sizes, seed) for sizes in (*SIZES, (40, 4, 5, 20)) for seed in range(3)]
        distances = [f"{max(d):.0e}" for d in zip(*far, strict=True)]
        table.append("| " + " | ".join([*facts(name), *distances, old[name][-1] if name in old else ""]) + " |")
    start, end = text.index(HEAD), text.index("\n\n", text.index(HEAD))
    text = text[:start] + "\n".join(table) + text[end:]
    start, end = text.index("- `", text.index("## Variants")), text.index("\n\n", text.index("- `", text.index("## Variants")))
    PAGE.write_text(text[:start] + "\n".join(filter(None, map(variant, cells.names()))) + text[end:])


if __name__ == "__main__":
    main()
