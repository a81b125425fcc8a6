"""``ostinato fit forecast``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from .. import model_file
from ..data.errors import DataError
from ..tasks import estimator_file
from ..tasks.calendar import step_word
from ..tasks.comparison import Comparison, compare
from ..tasks.forecaster import Forecaster
from ..tasks.network import cell_name
from ..tasks.plot import draw_comparison
from ..tasks.table import Columns, Table, read_table
from .answers import say
from .show import progress, show_scores

BESIDE = ("naive", "seasonal naive", "climatology", "linear")
MODEL, SCORES, PICTURE = "model.safetensors", "scores.json", "forecast.png"


@dataclass(frozen=True)
class Request:
    """What the person asked for; `shared`, `window` and `network` are parameters of the forecasters."""

    source: str
    columns: Columns
    cells: tuple[str, ...]
    shared: Mapping[str, Any]
    window: Mapping[str, Any]
    network: Mapping[str, Any]
    test_steps: int | None
    season: int | None
    out: Path | None
    overwrite: bool
    json: bool
    quiet: bool


def run(request: Request) -> None:
    """Train, score, and write model, scores and picture; whatever would stop the writing is found before the work."""
    check_cells(request.cells)
    table = read_table(request.source, request.columns)
    out = request.out or Path(f"{table.name}-forecast")
    check_folder(out, request.overwrite)
    if table.left_out and not request.quiet:
        say(f"Left out, because they hold text: {', '.join(table.left_out)}.")
    result = train(request, table)
    if result.missing and not request.quiet:
        say(f"{result.missing} values are missing: the last ones are carried forward, and neither learned from nor scored.")
    best = min(request.cells, key=lambda cell: network(result, cell).validation_loss_)
    summary = summarise(result, table, request.cells, best)
    write(out, result, table, request.cells, best, summary, request.overwrite)
    if request.json:
        print(json.dumps(summary, indent=2))
    else:
        show_scores(result, request.cells, best, summary)
    if not request.quiet:
        say(f"Wrote {out / MODEL} ({best}, the best in validation), {out / SCORES} and {out / PICTURE}.")


def check_cells(cells: tuple[str, ...]) -> None:
    """Refuse a cell that there is not, as a mistake of usage."""
    for cell in cells:
        try:
            cell_name(cell)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="'--cell'") from error


def check_folder(out: Path, overwrite: bool) -> None:
    """Raise ModelFileError or DataError where the three files could not be written."""
    for name in (MODEL, SCORES, PICTURE):
        model_file.refuse_existing(out / name, overwrite)
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise DataError(f"Nothing can be written to {nearest} ({error.strerror}); choose another folder with --out.") from error


def train(request: Request, table: Table) -> Comparison:
    """Fit and score everything, telling how it goes."""
    shared = {**request.shared, "past_covariates": table.columns.past}
    with progress(request.quiet) as tell:
        networks = [Forecaster(cell, **shared, **request.window, **request.network, on_epoch=tell(cell)) for cell in request.cells]
        return compare(
            table.frame,
            networks,
            test_steps=request.test_steps,
            season=request.season,
            shared=shared,
            linear=dict(request.window),
        )


def network(result: Comparison, cell: str) -> Forecaster:
    """The network with that cell."""
    found = result.forecasters[cell]
    assert isinstance(found, Forecaster)
    return found


def summarise(result: Comparison, table: Table, cells: tuple[str, ...], best: str) -> dict[str, Any]:
    """All that scores.json tells."""
    said = result.table
    scores = {
        name: {
            "mae": score.mae,
            "rmse": score.rmse,
            "mae_by_steps_ahead": list(score.by_lead),
            "skill": {beside: result.skill(name, beside) for beside in BESIDE if result.skill(name, beside) is not None},
            "seconds": round(result.seconds[name], 3),
        }
        for name, score in result.scores.items()
    }
    return {
        "data": table.name,
        "target": table.columns.target,
        "unit": table.unit,
        "test": {
            "first": str(said["ds"].min()),
            "last": str(said["ds"].max()),
            "moments": int(said["cutoff"].nunique()),
            "steps_ahead": len(next(iter(result.scores.values())).by_lead),
        },
        "missing_values": result.missing,
        "best_in_validation": best,
        "validation_loss": {cell: network(result, cell).validation_loss_ for cell in cells},
        "scores": scores,
        "beside_linear": [result.verdict(cell, "linear", table.unit) for cell in cells],
    }


def write(
    out: Path,
    result: Comparison,
    table: Table,
    cells: tuple[str, ...],
    best: str,
    summary: Mapping[str, Any],
    overwrite: bool,
) -> None:
    """Write the three files, each whole or not at all; a folder made for them goes again if none could be written."""
    forecaster = network(result, best)
    own = summary["scores"][best]
    columns = {"time": table.columns.time, "target": table.columns.target, "unit": table.unit}
    if table.columns.series is not None:
        columns["series"] = table.columns.series
    figure = draw_comparison(
        result.table,
        result.scores,
        cells,
        label=table.columns.target,
        unit=table.unit,
        step=step_word(forecaster.step_),
    )
    model = estimator_file.to_model(forecaster, {"mae": own["mae"], "rmse": own["rmse"], **skills(own)}, columns)
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    writers: dict[str, Callable[[Path], object]] = {
        SCORES: lambda temporary: temporary.write_text(text, encoding="utf-8"),
        PICTURE: lambda temporary: figure.savefig(temporary, dpi=150),
    }
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        for name, writer in writers.items():
            model_file.write_whole(out / name, writer, overwrite=overwrite)
        model_file.save(model, out / MODEL, overwrite=overwrite)
    except BaseException:
        if new and not any(out.iterdir()):
            out.rmdir()
        raise


def skills(score: Mapping[str, Any]) -> dict[str, float]:
    """Skills beside the baselines, by names that say so."""
    return {f"skill beside {name}": skill for name, skill in score["skill"].items()}
