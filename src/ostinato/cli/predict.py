"""``ostinato predict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import model_file
from ..tasks import estimator_file
from ..tasks.table import Columns, read_table
from .output import check_destination, write_text


def run(
    model: str, data: str, horizon: int | None, asked: Mapping[str, str | None], to: str | None, overwrite: bool, json: bool, quiet: bool
) -> None:
    """Forecast with a model file what comes after the end of `data`."""
    check_destination(to, "--to", overwrite)
    held = model_file.load(model)
    forecaster = estimator_file.from_model(held, model)
    named = {**held.schema["columns"], **{key: value for key, value in asked.items() if value is not None}}
    columns = Columns(named.get("time"), named.get("target"), named.get("series"), forecaster.past_)
    table = read_table(data, columns, forecaster.series_[0] if len(forecaster.series_) == 1 else None)
    write_text(as_text(forecaster.predict(table.frame, horizon), json), to, overwrite, quiet)


def as_text(frame: Any, json: bool) -> str:
    """A frame as CSV, or as a JSON object a line."""
    if json:
        return str(frame.to_json(orient="records", lines=True, date_format="iso", date_unit="s", double_precision=6))
    return str(frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
