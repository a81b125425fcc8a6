"""What every `ostinato fit` does before and after its own work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .. import cells, model_file
from ..tasks.parameters import rules
from ..tasks.table import stem
from .jobs import Job
from .manner import Manner
from .output import check_destination, check_picture

if TYPE_CHECKING:
    from ..tasks.estimator import RecurrentEstimator
    from .progress import Tell


def start(source: str, task: str, job: Job, manner: Manner) -> Path:
    """Where the model goes, after a look at all that would make the work be in vain."""
    check_cells(job.cell)
    to = Path(job.to or f"{stem(source)}-{task}.safetensors")
    check_destination(to, "--to", manner.overwrite)
    check_picture(job.plot, manner.overwrite)
    return to


def check_cells(names: Sequence[str]) -> None:
    """Refuse a cell that there is not, or none, as a mistake of usage."""
    try:
        for name in names:
            cells.get(name)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names) or 'no cell'}: name each cell once, and at least one.")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--cell'") from error


def parameters(job: Job, settings: type, cell: str, tell: Tell | None = None) -> dict[str, Any]:
    """The job's parameters for the estimator with that cell; of several cells each has a checkpoint of its own."""
    found = {name: getattr(job, name) for name in rules(settings) if name not in ("cell", "on_epoch")}
    if found["checkpoint"] is not None and len(job.cell) > 1:
        found["checkpoint"] = f"{found['checkpoint']}.{cell}"
    return {**found, "on_epoch": None if tell is None else tell(cell)}


def best_of(networks: Mapping[str, RecurrentEstimator]) -> str:
    """The cell that was best in validation; the first where nothing validated."""
    losses = {cell: one.validation_loss_ for cell, one in networks.items()}
    return min(losses, key=lambda cell: float("inf") if (loss := losses[cell]) is None else loss)


def finish(
    best: RecurrentEstimator,
    to: Path,
    job: Job,
    manner: Manner,
    scores: Mapping[str, Any],
    columns: Mapping[str, Any],
    figure: Any,
    summary: dict[str, Any],
) -> None:
    """Write the model and, if there is one, the picture; print `summary` if it is asked for as JSON."""
    from ..tasks import estimator_file

    estimator_file.save(best, to, scores=scores, columns=columns, overwrite=manner.overwrite)
    which = f" ({summary['best_in_validation']}, the best in validation)" if len(job.cell) > 1 else ""
    manner.tell(f"Wrote {to}{which}.")
    if figure is not None:
        save_picture(figure, Path(str(job.plot)), manner)
    if manner.json:
        print(json.dumps({**summary, "model": str(to)}, indent=2, ensure_ascii=False))


def save_picture(figure: Any, path: Path, manner: Manner) -> None:
    """A figure in the format that the file's ending names."""
    from ..tasks.plot_style import write_picture

    kind = path.suffix[1:].lower()
    model_file.write_whole(path, lambda temporary: write_picture(figure, temporary, kind), overwrite=manner.overwrite)
    manner.tell(f"Wrote {path}.")
