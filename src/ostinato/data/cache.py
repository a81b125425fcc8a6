"""Where fetched files lie, and how they get there: whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DataError

VARIABLE = "OSTINATO_CACHE"


def folder() -> Path:
    """The folder of fetched data: $OSTINATO_CACHE, or ``ostinato`` in the user's folder for caches."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        above = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        above = "~/Library/Caches"
    else:
        above = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(above).expanduser() / "ostinato"


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder of one's own in the cache, gone afterwards; what is in it is moved out by a rename."""
    with explained(), tempfile.TemporaryDirectory(prefix=".fetch-", dir=_made(folder()), ignore_cleanup_errors=True) as made:
        yield Path(made)


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def explained() -> Iterator[None]:
    """A failure of the system as one sentence. What was there before is still there."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"Nothing can be kept in {folder()} ({why}); make room there, or name another folder in {VARIABLE}.") from error
