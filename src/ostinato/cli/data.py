"""``ostinato data``."""

from __future__ import annotations

import json
import sys
from collections import defaultdict

from ..data import DATA_SETS, DataSet, find
from .answers import say


def list_sets() -> None:
    """What there is, by application."""
    applications = defaultdict(list)
    for one in DATA_SETS.values():
        applications[one.application].append(one)
    wide = max(map(len, DATA_SETS)) + 2
    for application, sets in applications.items():
        print(application)
        for one in sets:
            print(f"  {one.name:<{wide}}{one.title}")
            print(f"  {'':<{wide}}{one.content()[0]}; {one.licence}; {one.where}")
    print("\n`ostinato data NAME --about` says more of one.")


def print_about(name: str) -> None:
    """What is known of one set."""
    one = find(name)
    print(f"{one.name}  {one.title}")
    asked = f"fit {one.task}: {one.question()}" if one.task else one.question()
    for line in (asked, *one.content(), f"licence {one.licence}; source: {one.source}", one.caveat, one.where):
        print(f"  {line}")


def print_facts(name: str | None) -> None:
    """The records of all sets, or of one, as JSON."""
    facts = find(name).facts() if name is not None else [one.facts() for one in DATA_SETS.values()]
    print(json.dumps(facts, indent=2, ensure_ascii=False))


def print_licence(name: str) -> None:
    """Where the set is from, and its licence."""
    sys.stdout.write(find(name).notice())


def bring(name: str, archive: str | None, quiet: bool) -> None:
    """Bring the set into the cache: from an archive, or by its registry's client."""
    one = find(name)
    if archive is not None:
        one.take(archive)
    else:
        fetch(one, quiet)
    if not quiet:
        say(f"{one.name}: {one.where}{''.join(f' at {file.path}' for file in one.fetched if file.cached)}.")


def fetch(one: DataSet, quiet: bool) -> None:
    """Fetch what is not there, and tell how much has come, on a terminal."""
    shown = not quiet and sys.stderr.isatty()

    def progress(there: int) -> None:
        print(f"\r\x1b[K{there / 1e6:.0f} MB ", end="", file=sys.stderr, flush=True)

    try:
        one.fetch((lambda line: None) if quiet else say, progress if shown else None)
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def write_set(name: str, to: str | None, overwrite: bool, quiet: bool) -> None:
    """The data set as CSV, byte for byte as published where that is CSV, to a file or to standard output."""
    from .output import check_destination, write_bytes

    one = find(name)
    check_destination(to, "--to", overwrite)
    fetch(one, quiet)
    write_bytes(one.csv(), to, overwrite, quiet)
