"""How commands answer when something is wrong: one sentence on stderr, and an exit code that scripts can trust."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILURE, INTERRUPTED = 1, 130


def say(text: str) -> None:
    """A line for the person, which is never mixed with data: stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def answers(debug: bool) -> Iterator[None]:
    """Turn failures into a sentence and exit code 1, an interrupt into 130; with `debug`, failures keep their trace."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.__traceback__ = None  # let go of what was being worked on, before the interpreter ends
        say("Interrupted; no file was left half-written.")
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.BadParameter, BrokenPipeError):
        raise  # typer's own business
    except Exception as error:
        if debug:
            raise
        say(f"Error: {sentence(error)}")
        raise typer.Exit(FAILURE) from None


def sentence(error: Exception) -> str:
    """The error as one sentence for the person."""
    from ..data.errors import DataError
    from ..model_file import ModelFileError

    text = " ".join(str(error).split())
    if isinstance(error, (DataError, ModelFileError)):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The system'}: {error.strerror}."
    if isinstance(error, ModuleNotFoundError):
        return f"The package {error.name!r} is missing; install it with: pip install 'ostinato[tasks]'."
    if isinstance(error, ValueError):
        return text
    return f"{type(error).__name__}: {text}; --debug shows where."
