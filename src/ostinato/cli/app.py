"""The command ``ostinato`` and its sub-commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from .answers import answers

app = typer.Typer(add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
fit = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train models on data and score them honestly.")
app.add_typer(fit, name="fit")

Debug = Annotated[bool, typer.Option("--debug", help="Show where a failure happened.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Missing = Literal["raise", "carry"]


def show_version(wanted: bool) -> None:
    if wanted:
        # The package that runs, which need not be the one whose metadata are installed.
        print(f"ostinato {sys.modules[__name__.partition('.')[0]].__version__}")
        raise typer.Exit


@app.callback()
def ostinato(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")] = False,
) -> None:
    """Recurrent networks from their equations: train, run and explain them.

    \b
    Example:
      ostinato fit forecast seattle-weather
    """


@fit.command("forecast")
def fit_forecast(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A CSV file, or the name of a bundled data set.")],
    time_column: Annotated[str, typer.Option(help="The CSV's column of dates.")] = "ds",
    target: Annotated[str, typer.Option(help="The CSV's column to forecast.")] = "y",
    id_column: Annotated[
        str | None, typer.Option(help="The CSV's column that tells series apart.  [default: unique_id, if there is one]")
    ] = None,
    past: Annotated[
        list[str] | None, typer.Option(help="A covariate, known only up to the present; repeatable.  [default: all numbers]")
    ] = None,
    cell: Annotated[list[str] | None, typer.Option(help="A cell to train; repeatable.  [default: rnn, lstm, gru]")] = None,
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 7,
    window: Annotated[int, typer.Option(min=1, help="Steps back.")] = 14,
    hidden_size: Annotated[int, typer.Option(min=1)] = 16,
    num_layers: Annotated[int, typer.Option(min=1)] = 1,
    dropout: Annotated[float, typer.Option(min=0, max=0.99)] = 0.2,
    learning_rate: Annotated[float, typer.Option(min=1e-9)] = 3e-3,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    max_epochs: Annotated[int, typer.Option(min=1)] = 100,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a better validation before stopping.")] = 10,
    validation_fraction: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="The end of the training part that decides when to stop.")
    ] = 0.2,
    test_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps at the end to score on.  [default: the last year of three, or a quarter]")
    ] = None,
    season: Annotated[int | None, typer.Option(min=1, help="Steps in a season, for seasonal naive.  [default: a year, or a day]")] = None,
    freq: Annotated[str | None, typer.Option(help="The step of time as pandas names it (D, h, MS).  [default: inferred]")] = None,
    missing: Annotated[Missing, typer.Option(help="What a missing value is: an error, or the last one carried on.")] = "raise",
    random_state: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same number trains the same model.")] = 0,
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="The folder for model, scores and picture.  [default: DATA-forecast]", file_okay=False)
    ] = None,
    overwrite: Overwrite = False,
    json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON instead of a table.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train recurrent networks to forecast, and score them beside naive, seasonal and linear forecasts.

    The last part of the data is the test: every model forecasts it from each of its moments, having learned from
    what lies before it. Writes model.safetensors (the network that validated best), scores.json and forecast.png.

    \b
    Examples:
      ostinato fit forecast seattle-weather
      ostinato fit forecast sales.csv --time-column date --target sold --id-column shop --cell gru
    """
    with answers(debug):
        from ..tasks.table import Columns
        from .fit import Request, run

        run(
            Request(
                source=data,
                columns=Columns(time_column, target, id_column, tuple(past) if past else None),
                cells=tuple(dict.fromkeys(cell or ("rnn", "lstm", "gru"))),
                shared={"horizon": horizon, "freq": freq, "missing": missing},
                window={"window": window, "validation_fraction": validation_fraction},
                network={
                    "hidden_size": hidden_size,
                    "num_layers": num_layers,
                    "dropout": dropout,
                    "learning_rate": learning_rate,
                    "batch_size": batch_size,
                    "max_epochs": max_epochs,
                    "patience": patience,
                    "random_state": random_state,
                    "device": device,
                },
                test_steps=test_steps,
                season=season,
                out=out,
                overwrite=overwrite,
                json=json,
                quiet=quiet,
            )
        )


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file that `ostinato fit` wrote.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="A CSV file like the one it was fitted on, or a bundled data set.")],
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps ahead.  [default: as many as the model can]")] = None,
    time_column: Annotated[str | None, typer.Option(help="The column of dates.  [default: as when fitted]")] = None,
    target: Annotated[str | None, typer.Option(help="The column to forecast.  [default: as when fitted]")] = None,
    id_column: Annotated[str | None, typer.Option(help="The column that tells series apart.  [default: as when fitted]")] = None,
    to: Annotated[Path | None, typer.Option(help="Write the CSV here.  [default: standard output]", dir_okay=False)] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Forecast what comes after the end of DATA, as CSV: unique_id, ds, and the forecast under the cell's name.

    \b
    Example:
      ostinato predict seattle-weather-forecast/model.safetensors seattle-weather
    """
    with answers(debug):
        from .predict import run

        run(model, data, horizon, {"time": time_column, "target": target, "series": id_column}, to, overwrite)


@app.command("data")
def data_sets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A bundled data set.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write it here as CSV.  [default: standard output]", dir_okay=False)] = None,
    overwrite: Overwrite = False,
    json: Annotated[bool, typer.Option("--json", help="Print what is known of the data instead, as JSON.")] = False,
    debug: Debug = False,
) -> None:
    """List the bundled data sets, or write one out as CSV: as its source published it, if that was CSV.

    \b
    Examples:
      ostinato data
      ostinato data seattle-weather --to weather.csv
    """
    with answers(debug):
        from .data import list_sets, print_facts, write_set

        if to is not None and (name is None or json):
            raise typer.BadParameter("needs the NAME of a data set to write, and goes without --json.", param_hint="'--to'")
        if json:
            print_facts(name)
        elif name is None:
            list_sets()
        else:
            write_set(name, to, overwrite)


def main() -> None:
    """Run the command line; leaves with exit code 0, 1 (failure), 2 (usage) or 130 (interrupted)."""
    app(prog_name="ostinato")
