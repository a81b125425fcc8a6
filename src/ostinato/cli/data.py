"""``ostinato data``."""

from __future__ import annotations

import sys
from pathlib import Path

from ..data import DATA_SETS, find
from .answers import say


def list_sets() -> None:
    """What is bundled, one paragraph each."""
    for one in DATA_SETS.values():
        covariates = ", ".join(one.past)
        print(f"{one.name}  {one.title}: {one.rows} rows")
        print(f"  target {one.target} ({one.units[one.target]}), time {one.time}, covariates {covariates}")
        print(f"  licence {one.licence}; source {one.source}")
        print(f"  sha256 {one.sha256}")


def write_set(name: str, to: Path | None, overwrite: bool) -> None:
    """The data set's CSV, byte for byte, to a file or to standard output."""
    content = find(name).read()
    if to is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    from ..model_file import write_whole

    write_whole(to, lambda temporary: temporary.write_bytes(content), overwrite=overwrite)
    say(f"Wrote {to}.")
