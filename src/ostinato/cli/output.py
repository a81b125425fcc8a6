"""Where results go: files that are checked for before the work, and standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import typer

from .. import model_file
from ..data.errors import DataError
from .answers import say

PICTURES = (".png", ".svg", ".pdf")


def check_destination(path: str | os.PathLike[str] | None, flag: str, overwrite: bool) -> None:
    """Raise DataError or ModelFileError, before any work is done, where a file could not be written."""
    if path is None:
        return
    target = Path(path)
    if target.is_dir():
        raise DataError(f"{target} is a folder; name a file in it with {flag}.")
    if not target.parent.is_dir():
        raise DataError(f"There is no folder {str(target.parent)!r} for {target.name}; make it first, or choose another with {flag}.")
    model_file.refuse_existing(target, overwrite)
    try:
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise DataError(f"Nothing can be written to {target.parent} ({error.strerror}); choose another folder with {flag}.") from error


def check_picture(path: str | os.PathLike[str] | None, overwrite: bool) -> None:
    """`check_destination` for a picture, of which the ending tells the kind."""
    if path is not None and Path(path).suffix.lower() not in PICTURES:
        raise typer.BadParameter(
            f"{os.fspath(path)!r} does not end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}.", param_hint="'--plot'"
        )
    check_destination(path, "--plot", overwrite)


def write_text(text: str, to: str | None, overwrite: bool, quiet: bool) -> None:
    """A result to a file, whole or not at all, or to standard output."""
    write_bytes(text.encode(), to, overwrite, quiet)


def write_bytes(content: bytes, to: str | None, overwrite: bool, quiet: bool) -> None:
    """The same for bytes."""
    if to is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    model_file.write_whole(to, lambda temporary: temporary.write_bytes(content), overwrite=overwrite)
    if not quiet:
        say(f"Wrote {to}.")
