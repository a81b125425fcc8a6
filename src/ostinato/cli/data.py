"""``ostinato data``."""

from __future__ import annotations

import json

from ..data import DATA_SETS, find


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


def write_set(name: str, to: str | None, overwrite: bool, quiet: bool) -> None:
    """The data set as CSV, byte for byte as published where that is CSV, to a file or to standard output."""
    from .output import check_destination, write_bytes

    content = find(name).csv()
    check_destination(to, "--to", overwrite)
    write_bytes(content, to, overwrite, quiet)
