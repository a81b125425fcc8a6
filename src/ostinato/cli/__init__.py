"""The commands. Nothing but arguments in, words and pictures out; what takes long to import is imported when used."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; leaves with exit code 0, 1 (failure), 2 (usage) or 130 (interrupted)."""
    try:
        from .app import app

        app(prog_name="ostinato")
    except KeyboardInterrupt:  # before a command had begun, or after it
        raise SystemExit(INTERRUPTED) from None
    except ModuleNotFoundError as error:  # a command answers for itself: this is of the command line
        if error.name != "typer":
            raise
        sys.exit("The command line needs the package 'typer'; install it with: pip install 'ostinato[all]'.")


__all__ = ["main"]
