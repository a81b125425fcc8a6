"""Parameters in a TOML file, and the parameters in effect as one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import typer

from ..data.errors import DataError, nearest
from ..tasks.parameters import default_of
from .flags import NONE, flag_name, flagged
from .jobs import Job


def read_config(cls: type, path: str | None) -> dict[str, Any]:
    """What the file says of the parameters of `cls`, spelled as in Python or as flags.

    Raises typer.BadParameter for names that there are not, DataError or OSError for a file that cannot be read.
    """
    if path is None:
        return {}
    try:
        said = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no TOML file: {str(error).rstrip('.')}; --print-config shows one.") from error
    names = {spelling: name for name in flagged(cls) for spelling in (name, flag_name(name)[2:], name.replace("_", "-"))}
    for key in said:
        if key not in names:
            raise typer.BadParameter(
                f"{path} has {key!r}, which is no parameter here.{nearest(key, names)} --help lists them.", param_hint="'--config'"
            )
    return {names[key]: value for key, value in said.items()}


def as_toml(cls: type, values: Mapping[str, Any]) -> str:
    """The parameters, one a line, as `read_config` reads them back; one that is None by default is left out."""
    lines = []
    for name, rule in flagged(cls).items():
        value = values[name]
        if value is not None or default_of(cls, name) is not None:
            lines.append(f"{name} = {literal(value)}  # {rule.help}")
    return "\n".join(lines) + "\n"


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, PathLike):
        value = fspath(value)
    return json.dumps(value).replace("\x7f", "\\u007f")


def suggested(cls: type[Job], data: str) -> dict[str, Any]:
    """What a bundled data set suggests for its task, if `data` is one. Raises DataError where it is for other tasks."""
    from ..data import DATA_SETS

    if data not in DATA_SETS:
        return {}
    found = DATA_SETS[data]
    if cls.task not in found.tasks:
        fitting = ", ".join(name for name, one in DATA_SETS.items() if cls.task in one.tasks)
        raise DataError(f"The data set {data!r} holds {found.holds}, for `ostinato fit {found.task}`; here are known: {fitting}.")
    record = getattr(found, cls.suggestion, None)
    return {name: value for name, value in vars(record).items() if name in flagged(cls)} if record else {}
