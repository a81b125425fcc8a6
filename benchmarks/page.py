"""The tables of a run, written into every page that asks for one.

    python -m benchmarks.page build/speed.json docs/speed.md README.md docs/add-a-cell.md

A page asks with `<!-- speed: NAME -->`, and what stands from there to `<!-- end -->` is written anew. Beside docs/speed.md's
tables lies its picture, docs/pictures/speed-growth.svg.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from . import tables
from .picture import draw_growth

MARKED = re.compile(r"(<!-- speed: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "speed-growth.svg"


def filled(text: str, run: dict[str, Any]) -> str:
    """A page with its tables; a part that the run lacks stays as it is. Raises KeyError for a name that no table has."""
    return MARKED.sub(lambda found: replaced(found, run), text)


def replaced(found: re.Match[str], run: dict[str, Any]) -> str:
    made = tables.BLOCKS[found[2]](run)
    return f"{found[1]}{made}\n\n{found[3]}" if made else found[0]


def main() -> None:
    source, *pages = map(Path, sys.argv[1:])
    run = json.loads(source.read_text())
    for page in pages:
        page.write_text(filled(page.read_text(), run))
    if tables.rows_of(run, "growth"):
        draw_growth(run, PICTURE)


if __name__ == "__main__":
    main()
