"""``ostinato predict``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from .. import model_file
from ..tasks import estimator_file
from ..tasks.table import Columns, read_table
from .answers import say


def run(model: str, data: str, horizon: int | None, asked: Mapping[str, str | None], to: Path | None, overwrite: bool) -> None:
    """Forecast with a model file what comes after the end of `data`."""
    if to is not None:
        model_file.refuse_existing(to, overwrite)
    held = model_file.load(model)
    forecaster = estimator_file.from_model(held, model)
    named = {**held.schema["columns"], **{key: value for key, value in asked.items() if value is not None}}
    columns = Columns(named.get("time", "ds"), named.get("target", "y"), named.get("series"), forecaster.past_)
    table = read_table(data, columns, forecaster.series_[0] if len(forecaster.series_) == 1 else None)
    text = forecaster.predict(table.frame, horizon).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    if to is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    model_file.write_whole(to, lambda temporary: temporary.write_text(text, encoding="utf-8"), overwrite=overwrite)
    say(f"Wrote {to}.")
