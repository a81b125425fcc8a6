"""``ostinato info``: what a model file holds, read without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from .. import model_file
from ..model_file import Model, ModelFileError
from ..program.equations import equations
from ..program.text import from_text
from ..tasks.parameters import rules
from ..tasks.sequence_settings import SoundSettings, TokenSettings

WIDTH = 100
LONG = 6  # so many names are listed
OF_INPUTS = {"tokens": TokenSettings, "sound": SoundSettings}  # settings that say nothing of what comes in otherwise


def run(path: str, as_json: bool) -> None:
    """Print what the file holds, as words or as JSON."""
    facts = facts_of(model_file.load(path), path)
    print(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else "\n".join(in_words(facts)))


def facts_of(model: Model, path: str) -> dict[str, Any]:
    """All that the file says, and what follows from it. Raises ModelFileError for programs that are none."""
    try:
        written = [equations(from_text(str(text))) for text in model.cell["programs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is no usable model: {model_file.one_line(error)}.") from error
    return {
        "file": {"name": path, "bytes": Path(path).stat().st_size, "format": model_file.FORMAT_VERSION, "sha256": checksum(path)},
        "task": model.task,
        "cell": {key: value for key, value in model.cell.items() if key != "programs"},
        "equations": written,
        "parameters": sum(array.size for name, array in model.tensors.items() if name.startswith("network.")),
        "settings": dict(model.settings),
        "schema": dict(model.schema),
        "training": dict(model.training),
        "scores": dict(model.scores),
    }


def checksum(path: str) -> str:
    """The checksum in the file's header, which has been found to be right."""
    with Path(path).open("rb") as file:
        start = file.read(9)
        header = start[8:] + file.read(model_file.header_length(start, path) - 1)
    return str(model_file.MARK.findall(header)[0].decode())


def in_words(facts: Mapping[str, Any]) -> Iterator[str]:
    """The same, as a page to read."""
    file, settings, training = facts["file"], facts["settings"], facts["training"]
    yield f"{file['name']}: {facts['task']} with {facts['cell'].get('name')}, {facts['parameters']} parameters"
    yield f"format {file['format']}, {file['bytes']} bytes, sha256 {file['sha256']}"
    yield from ("", "Equations")
    for number, text in enumerate(facts["equations"]):
        if len(facts["equations"]) > 1:
            yield "  the first layer" if number == 0 else "  the layers above"
        yield from (f"  {line}" for line in text.splitlines())
    idle = {name for kind, of in OF_INPUTS.items() if kind != facts["schema"].get("input") for name in rules(of)}
    in_a_row = ", ".join(f"{name} {brief(value)}" for name, value in settings.items() if name not in idle)
    yield from ("", "Settings", *wrap(in_a_row, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    yield from ("", "Training")
    for record in training.get("networks", ()):
        yield f"  {record_in_words(record)}"
    yield from ("", "Data", *pairs(facts["schema"]))
    yield from ("", "Scores", *(pairs(facts["scores"]) if facts["scores"] else ["  none were saved with it"]))


def record_in_words(record: Mapping[str, Any]) -> str:
    """How the training of one network went."""
    epochs, best, seconds = record.get("epochs"), record.get("best_epoch"), record.get("seconds")
    words = f"seed {record.get('seed')}: {epochs} epochs in {seconds} s, the best was {best}"
    for key, name in (("train_loss", "train"), ("valid_loss", "validation")):
        losses = record.get(key)
        if isinstance(losses, list) and isinstance(best, int) and 0 < best <= len(losses):
            words += f", {name} loss {losses[best - 1]:.4f}"
    return words


def pairs(said: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """Names and values below each other; what has only a few numbers in a line."""
    width = max((len(str(key)) for key in said), default=0)
    for key, value in said.items():
        if isinstance(value, Mapping) and any(isinstance(one, Mapping) for one in value.values()):
            yield f"{indent}{key}"
            yield from pairs(value, indent + "  ")
        else:
            yield f"{indent}{key:{width}}  {brief(value)}"


def brief(value: Any) -> str:
    """A value in a line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {brief(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return f"{len(value)} × {len(value[0])} numbers"
    if isinstance(value, list):
        more = f" … ({len(value)} in all)" if len(value) > LONG else ""
        return (", ".join(map(brief, value[:LONG])) or "none") + more
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
