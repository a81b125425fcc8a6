"""``ostinato data``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..data import DATA_SETS, find
from .answers import say


def list_sets() -> None:
    """What is bundled, one paragraph each."""
    for one in DATA_SETS.values():
        print(f"{one.name}  {one.title}")
        for line in (f"fit {one.task}: {one.question()}", *one.content(), f"licence {one.licence}; source: {one.source}", one.caveat):
            print(f"  {line}")


def print_facts(name: str | None) -> None:
    """The records of all sets, or of one, as JSON."""
    facts = find(name).facts() if name is not None else [one.facts() for one in DATA_SETS.values()]
    print(json.dumps(facts, indent=2, ensure_ascii=False))


def write_set(name: str, to: Path | None, overwrite: bool) -> None:
    """The data set as CSV, byte for byte as published where that is CSV, to a file or to standard output."""
    content = find(name).csv()
    if to is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    from ..model_file import write_whole

    write_whole(to, lambda temporary: temporary.write_bytes(content), overwrite=overwrite)
    say(f"Wrote {to}.")
