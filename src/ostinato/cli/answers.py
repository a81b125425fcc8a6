"""How commands answer when something is wrong: one sentence on stderr, and an exit code that scripts can trust."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from . import INTERRUPTED

FAILURE = 1


def say(text: str) -> None:
    """A line for the person, which is never mixed with data: stderr."""
    print(text, file=sys.stderr, flush=True)


def tell_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: str | None = None
) -> None:
    """A warning of the library as a line, without the place in its code; those of others as Python tells them."""
    ours = category.__module__.startswith(__package__.partition(".")[0])
    say(str(message) if ours else warnings.formatwarning(message, category, filename, lineno).rstrip())


@contextmanager
def answers(debug: bool) -> Iterator[None]:
    """Turn failures into a sentence and exit code 1, an interrupt into 130; with `debug`, failures keep their trace."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = tell_warning
            yield
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        interrupt.__traceback__ = None  # let go of what was being worked on, before the interpreter ends
        say("Interrupted; no file was left half-written.")
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.BadParameter):
        raise  # typer's own business
    except BrokenPipeError:  # whoever read the output has seen enough
        let_go_of_stdout()
        raise typer.Exit(FAILURE) from None
    except Exception as error:
        let_go_of_stdout()
        if debug:
            raise
        say(f"Error: {sentence(error)}")
        raise typer.Exit(FAILURE) from None


def let_go_of_stdout() -> None:
    """If what was printed cannot be written, forget it, so that the interpreter does not try once more as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


SOUND = ("kaldi_native_fbank", "rapidfuzz", "soundfile", "soxr")  # packages of that extra


def sentence(error: Exception) -> str:
    """The error as one sentence for the person."""
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        extra = "sound" if error.name in SOUND else "tasks"
        return f"The package {error.name!r} is missing; install it with: pip install 'ostinato[{extra}]'."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The output'}: {error.strerror}{cure(error)}."
    if isinstance(error, MemoryError):
        return "There is not enough memory; choose a smaller batch_size, hidden_size or window."
    if isinstance(error, ValueError):
        return text
    return f"{type(error).__name__}: {text}; --debug shows where."


def cure(error: OSError) -> str:
    """What a person can do about it."""
    import errno

    cures = {
        errno.ENOSPC: "free some space, or choose another place with --to",
        errno.EACCES: "choose another place, or ask for the right to use this one",
        errno.EROFS: "choose another place with --to",
        errno.EISDIR: "name a file in it",
        errno.ENOENT: "check the name",
        errno.ENOTDIR: "check the name",
    }
    return f"; {cures[error.errno]}" if error.errno in cures else ""
