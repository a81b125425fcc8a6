"""The command line: jobs, streams, files, flags that follow the parameters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import ostinato
from ostinato import data, model_file
from ostinato.cli.app import app
from ostinato.cli.flags import flag_name, flagged
from ostinato.cli.jobs import ClassifyJob, ForecastJob, RegressJob, TagJob, TranscribeJob
from ostinato.tasks import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger, Transcriber
from ostinato.tasks.parameters import default_of, rules

PACKAGES = str(Path(ostinato.__file__).parents[1])
JOBS = {
    "forecast": (ForecastJob, Forecaster),
    "classify": (ClassifyJob, SequenceClassifier),
    "tag": (TagJob, SequenceTagger),
    "regress": (RegressJob, SequenceRegressor),
    "transcribe": (TranscribeJob, Transcriber),
}
COMMANDS = [[], ["fit"], *(["fit", job] for job in JOBS), ["predict"], ["evaluate"], ["info"], ["data"]]
SMALL = ["--hidden-size", "3", "--max-epochs", "2", "--cell", "rnn"]
SHOP = ["--time-column", "day", "--target", "sold", "--horizon", "2", "--window", "4", "--test-steps", "70", *SMALL]
WALKS = ["--id-column", "walk", "--time-column", "moment", "--features", "load", *SMALL]


def ostinato_process(*args, **options):
    """The command in a process of its own."""
    code = "import sys; from ostinato.cli import main; main()"
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], env={**os.environ, "PYTHONPATH": PACKAGES}, **options)


def run(*args):
    """The command in this process: exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.stdout, done.stderr


def result(*args):
    """What a command that succeeds prints with --json, and its stderr."""
    code, stdout, stderr = run(*args, "--json")
    assert code == 0, stderr
    return json.loads(stdout), stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a table of a series and a table of sequences, with names of their own."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    days = pd.date_range("2021-01-01", periods=200, freq="D").strftime("%Y-%m-%d")
    shop = pd.DataFrame({"day": days, "sold": np.arange(200) % 7 + generator.normal(size=200), "wind": 1.0, "note": "x"})
    shop["sold"] = shop["sold"].round(3)
    shop.to_csv("shop.csv", index=False)
    lengths = generator.integers(3, 9, 40)
    walks = pd.DataFrame(
        {"walk": np.repeat([f"w{k}" for k in range(40)], lengths), "moment": np.concatenate([np.arange(n) for n in lengths])}
    )
    walks["load"] = generator.normal(size=len(walks)).round(4)
    total = walks.groupby("walk")["load"].transform("sum")
    walks.assign(total=total.round(4), kind=np.where(total > 0, "up", "down")).to_csv("walks.csv", index=False)
    return shop


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """What one small job on the weather wrote and said."""
    out = tmp_path_factory.mktemp("job")
    flags = ["--max-epochs", 3, "--cell", "gru", "--cell", "rnn", "--level", 80, "--to", out / "m.safetensors", "--plot", out / "p.svg"]
    printed, stderr = result("fit", "forecast", "seattle-weather", *flags)
    return out, printed, stderr


# ---------------------------------------------------------------- help and flags


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_come_at_once(flag):
    """Whatever takes long to import is not imported."""
    slow = "numpy", "pandas", "torch", "sklearn", "matplotlib", "ostinato.program"
    code = f"import sys; sys.modules.update(dict.fromkeys({slow})); from ostinato.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(("Usage: ostinato", "ostinato ")), done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_has_an_example(command):
    code, stdout, _ = run(*command, "--help")
    assert code == 0 and (command == ["fit"] or ("Example" in stdout and "  ostinato " in stdout))


@pytest.mark.parametrize("job", JOBS)
def test_every_parameter_of_the_estimator_is_a_flag_with_its_default(job):
    known, estimator = JOBS[job]
    missing = set(rules(estimator)) - set(flagged(known)) - {"on_epoch"}
    assert not missing
    own = ("cell", "random_state", *(["text"] if job == "transcribe" else []))  # there it is what is to be told
    assert all(default_of(known, name) == default_of(estimator, name) for name in rules(estimator) if name not in own)
    text = run("fit", job, "--help")[1]
    assert all(f"{flag_name(name)} " in text for name in flagged(known))


def test_a_new_parameter_is_a_flag_without_an_edit_of_the_command_line():
    import typer

    from ostinato.cli.flags import settle, with_flags
    from ostinato.tasks.parameters import estimator, param

    @estimator()
    class Job:
        """A job with one more parameter."""

        wings: int = param(2, "how many it has", low=0, high=4)
        names: object = param(None, "what they are called", kind=list, optional=True)
        folded: bool = param(True, "whether they are folded")

    found = {}

    def command(data: str, *, given: dict) -> None:
        """A command."""
        found.update(settle(Job, [("", given)]))

    one = typer.Typer(rich_markup_mode=None)
    one.command()(with_flags(Job)(command))
    runner = CliRunner()
    assert runner.invoke(one, ["d", "--wings", "3", "--names", "a", "--names", "b", "--no-folded"]).exit_code == 0
    assert found == {"wings": 3, "names": ("a", "b"), "folded": False}
    assert "How many it has.  [at least 0; at most 4; default: 2]" in " ".join(runner.invoke(one, ["--help"]).stdout.split()).replace(
        ". [", ".  ["
    )
    assert runner.invoke(one, ["d", "--wings", "5"]).exit_code == 2


def test_the_shell_completes_cells_data_sets_choices_and_files(folder):
    from ostinato.cli import complete

    assert complete.cells("gr")[0] == "gru" and complete.data("sea") == ["seattle-weather"]
    assert complete.data("sh") == ["shop.csv"] and complete.models("s") == []
    assert complete.choices("optimizer", rules(Forecaster)["optimizer"])("RM") == ["RMSprop"]
    line = "ostinato fit forecast seattle-weather --cell mg"
    words = {"COMP_WORDS": line, "COMP_CWORD": "5", "_OSTINATO_COMPLETE": "complete_bash"}
    assert "mgu" in CliRunner().invoke(app, [], prog_name="ostinato", env=words).stdout.split()


# ---------------------------------------------------------------- configuration


def test_a_configuration_reads_back_and_flags_win_over_it(folder):
    flags = [*SHOP, "--clip-norm", "none", "--cycles", "week", "--schedule", "StepLR", "--past", "wind"]
    printed = run("fit", "forecast", "shop.csv", *flags, "--print-config")[1]
    Path("run.toml").write_text(printed)
    assert run("fit", "forecast", "shop.csv", "--config", "run.toml", "--print-config") == (0, printed, "")
    assert 'clip_norm = "none"' in printed and 'cell = ["rnn"]' in printed and "hidden_size = 3" in printed
    changed = run("fit", "forecast", "shop.csv", "--config", "run.toml", "--hidden-size", 5, "--print-config")[1]
    assert changed == printed.replace("hidden_size = 3", "hidden_size = 5")
    Path("kebab.toml").write_text('hidden-size = 4\npast = "wind"\ndropout = 0\nlevel = [80, 97.5]\n')
    printed = run("fit", "forecast", "shop.csv", "--config", "kebab.toml", "--print-config")[1]
    assert "hidden_size = 4" in printed and 'level = ["80", "97.5"]' in printed and 'past_covariates = ["wind"]' in printed


def test_a_bundled_set_suggests_its_settings_and_flags_win_over_them():
    printed = run("fit", "forecast", "nyc-weather", "--window", "12", "--print-config")[1]
    assert "horizon = 24 " in printed and "window = 12 " in printed and 'missing = "carry"' in printed


# ---------------------------------------------------------------- forecasts


def test_the_job_writes_the_model_and_the_picture_that_was_asked_for(trained):
    out, printed, stderr = trained
    assert sorted(os.listdir(out)) == ["m.safetensors", "p.svg"] and printed["model"] == str(out / "m.safetensors")
    assert (out / "p.svg").read_text().startswith("<?xml") and (out / "p.svg").stat().st_size > 50_000
    assert "rnn training 1/10 epoch 3/3: train" in stderr and "rnn training 10/10 epoch" in stderr and stderr.rstrip().endswith("p.svg.")


def test_the_scores_are_of_the_last_year_beside_the_baselines(trained):
    _, printed, _ = trained
    assert list(printed["scores"]) == ["naive", "seasonal naive", "climatology", "linear", "gru", "rnn"]
    assert printed["test"] == {"first": "2015-01-01 00:00:00", "last": "2015-12-31 00:00:00", "moments": 359, "steps_ahead": 7}
    gru = printed["scores"]["gru"]
    assert np.isclose(gru["skill"]["naive"], 1 - gru["mae"] / printed["scores"]["naive"]["mae"])
    assert 0.7 < gru["intervals"]["80"]["coverage"] < 0.9
    losses = printed["validation_loss"]
    assert printed["best_in_validation"] == min(losses, key=losses.get)


def test_evaluate_finds_the_scores_of_the_fit_again(trained):
    out, printed, _ = trained
    best = printed["best_in_validation"]
    held = model_file.load(out / "m.safetensors")
    assert held.cell["name"] == best and held.scores["mae"] == printed["scores"][best]["mae"]
    found, stderr = result("evaluate", out / "m.safetensors", "seattle-weather", "--level", 80)
    assert stderr == "" and list(found["scores"]) == [best, "naive", "seasonal naive"]
    for name, one in found["scores"].items():
        assert np.isclose(one["mae"], printed["scores"][name]["mae"], rtol=1e-6), name
    assert np.isclose(
        found["scores"][best]["intervals"]["80"]["coverage"], printed["scores"][best]["intervals"]["80"]["coverage"], atol=1e-3
    )


def test_predict_to_stdout_to_a_file_and_as_json(trained, tmp_path):
    out, printed, _ = trained
    best = printed["best_in_validation"]
    code, stdout, stderr = run("predict", out / "m.safetensors", "seattle-weather", "--level", 80)
    lines = stdout.splitlines()
    assert (code, stderr, len(lines)) == (0, "", 8)
    assert lines[0] == f"unique_id,ds,{best},{best}-lo-80,{best}-hi-80" and lines[1].startswith("seattle,2016-01-01,")
    run("data", "seattle-weather", "--to", tmp_path / "w.csv", "-q")
    code, _, stderr = run("predict", out / "m.safetensors", tmp_path / "w.csv", "--to", tmp_path / "f.csv", "--level", 80, "--horizon", 3)
    assert (code, stderr) == (0, f"Wrote {tmp_path / 'f.csv'}.\n")
    assert (tmp_path / "f.csv").read_text().splitlines() == lines[:4]
    first = json.loads(run("predict", out / "m.safetensors", "seattle-weather", "--json")[1].splitlines()[0])
    assert first["ds"].startswith("2016-01-01") and np.isclose(first[best], float(lines[1].split(",")[2]), atol=1e-3)


def test_a_csv_with_names_of_its_own(folder):
    code, stdout, stderr = run("fit", "forecast", "shop.csv", *SHOP, "--cell", "mgu", "-v")
    assert code == 0, stderr
    assert "Left out, because they hold text: note." in stderr and "Read 200 rows of 1 series" in stderr
    rows = [line.split()[0] for line in stdout.splitlines() if "%" in line]
    assert rows[-4:-2] == ["RNN", "MGU"] or rows[-2:] == ["RNN", "MGU"], rows
    assert sorted(os.listdir()) == ["shop-forecast.safetensors", "shop.csv", "walks.csv"]
    code, stdout, stderr = run("predict", "shop-forecast.safetensors", "shop.csv")
    assert (code, stderr) == (0, "") and stdout.splitlines()[1].startswith("shop,2021-07-20,")


def test_covariates_known_ahead_are_read_from_rows_without_a_target(folder):
    table = folder.assign(sale=(np.arange(200) % 5 == 0) * 1.0)
    table.to_csv("shop.csv", index=False)
    assert run("fit", "forecast", "shop.csv", *SHOP, "--past", "wind", "--future", "sale", "-q")[0] == 0
    code, _, stderr = run("predict", "shop-forecast.safetensors", "shop.csv")
    assert code == 1 and "'sale'" in stderr
    ahead = pd.DataFrame({"day": ["2021-07-20", "2021-07-21"], "sale": [1.0, 0.0]})
    pd.concat([table, ahead]).to_csv("ahead.csv", index=False)
    code, stdout, stderr = run("predict", "shop-forecast.safetensors", "ahead.csv")
    assert (code, stderr) == (0, "") and [line.split(",")[1] for line in stdout.splitlines()[1:]] == ["2021-07-20", "2021-07-21"]


def test_quiet_says_nothing_but_the_result_and_carried_values_are_told(folder):
    folder.drop(index=[30, 31]).to_csv("shop.csv", index=False)
    args = ["fit", "forecast", "shop.csv", *SHOP, "--missing", "carry"]
    code, _, stderr = run(*args)
    assert code == 0 and "4 values are missing" in stderr
    code, stdout, stderr = run(*args, "-q", "--overwrite")
    assert (code, stderr) == (0, "") and "naive" in stdout


def test_a_constant_series_is_forecast_and_has_no_skill_beside_what_makes_no_error(folder):
    folder.assign(sold=5.0).to_csv("shop.csv", index=False)
    printed, _ = result("fit", "forecast", "shop.csv", *SHOP)
    assert printed["scores"]["naive"]["mae"] == 0 and "naive" not in printed["scores"]["rnn"]["skill"]
    code, stdout, _ = run("evaluate", "shop-forecast.safetensors", "shop.csv")
    assert code == 0 and "nan" not in stdout


# ---------------------------------------------------------------- sequences


def test_classify_from_fit_to_answers(folder):
    printed, stderr = result("fit", "classify", "walks.csv", "--label", "kind", *WALKS, "--plot", "walks.png")
    assert list(printed["scores"]) == ["majority class", "nearest neighbour", "linear", "rnn"] and "rnn epoch 2/2" in stderr
    assert (printed["train"]["sequences"], printed["test"]["sequences"]) == (32, 8)
    assert Path("walks.png").read_bytes().startswith(b"\x89PNG")
    code, stdout, _ = run("predict", "walks-classify.safetensors", "walks.csv", "--probabilities")
    said = pd.read_csv("walks.csv").groupby("walk", sort=False)["kind"].first()
    lines = stdout.splitlines()
    assert code == 0 and lines[0] == "walk,kind,p_down,p_up" and [line.split(",")[0] for line in lines[1:]] == list(said.index)
    assert np.allclose([sum(map(float, line.split(",")[2:])) for line in lines[1:]], 1, atol=1e-5)
    found, _ = result("evaluate", "walks-classify.safetensors", "walks.csv")
    right = np.mean([line.split(",")[1] == kind for line, kind in zip(lines[1:], said, strict=True)])
    assert found["scores"]["rnn"]["accuracy"] == right and found["scores"]["rnn"]["sequences"] == 40


def test_regress_of_sequences_and_of_steps(folder):
    printed, _ = result("fit", "regress", "walks.csv", "--target", "total", *WALKS)
    assert list(printed["scores"]) == ["mean", "linear", "nearest neighbour", "rnn"]
    lines = run("predict", "walks-regress.safetensors", "walks.csv")[1].splitlines()
    assert lines[0] == "walk,total" and len(lines) == 41
    printed, _ = result(
        "fit", "regress", "walks.csv", "--target", "load", "--target", "total", "--per-step", *WALKS, "--to", "steps.safetensors"
    )
    lines = run("predict", "steps.safetensors", "walks.csv")[1].splitlines()
    table = pd.read_csv("walks.csv")
    assert lines[0] == "walk,moment,load,total" and len(lines) == 1 + len(table)
    assert lines[5].startswith(f"{table['walk'][4]},{table['moment'][4]},")
    found, _ = result("evaluate", "steps.safetensors", "walks.csv")
    said = np.array([line.split(",")[2:] for line in lines[1:]], dtype=float)
    assert np.isclose(found["scores"]["rnn"]["mae"], np.abs(said - table[["load", "total"]].to_numpy()).mean(), atol=1e-4)


def test_a_test_table_of_its_own_and_a_bundled_sets_own_part(folder):
    table = pd.read_csv("walks.csv")
    table[table["walk"] < "w2"].to_csv("test.csv", index=False)
    printed, _ = result("fit", "classify", "walks.csv", "--label", "kind", *WALKS, "--test", "test.csv")
    assert printed["test"]["sequences"] == table.loc[table["walk"] < "w2", "walk"].nunique()
    assert run("fit", "classify", "walks.csv", "--label", "kind", *WALKS, "--test", "walks.csv", "--overwrite")[0] == 1


# ---------------------------------------------------------------- info and data


def test_info_tells_what_the_file_holds_without_torch(trained):
    out, printed, _ = trained
    code = "import sys; sys.modules['torch'] = sys.modules['pandas'] = None; from ostinato.cli import main; main()"
    command = [sys.executable, "-c", code, "info", str(out / "m.safetensors")]
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    facts, _ = result("info", out / "m.safetensors")
    held = model_file.load(out / "m.safetensors")
    count = sum(array.size for name, array in held.tensors.items() if name.startswith("network."))
    assert facts["parameters"] == count and f"{count} parameters" in done.stdout
    assert facts["equations"][0] in done.stdout.replace("\n  ", "\n") and facts["file"]["sha256"] in done.stdout
    assert facts["scores"]["mae"] == printed["scores"][printed["best_in_validation"]]["mae"]
    words = ("hidden_size", "seed 0: 3 epochs", "temp_max", "skill beside naive", "precipitation")
    assert all(word in done.stdout for word in words)


def test_data_lists_and_writes(tmp_path):
    code, stdout, _ = run("data")
    assert code == 0 and all(one.name in stdout and one.title in stdout and one.licence in stdout for one in data.DATA_SETS.values())
    code, _, stderr = run("data", "seattle-weather", "--to", tmp_path / "w.csv")
    assert stderr == f"Wrote {tmp_path / 'w.csv'}.\n" and (tmp_path / "w.csv").read_bytes() == data.find("seattle-weather").csv()


# ---------------------------------------------------------------- the terminal


def test_on_a_terminal_one_bar_tells_loss_speed_and_time_left(folder):
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    process = ostinato_process("fit", "forecast", "shop.csv", *SHOP, stderr=slave, cwd=".")
    os.close(slave)
    told = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        told += part
    assert process.wait(timeout=60) == 0
    assert b"rnn 2/2" in told and b"loss " in told and b"best " in told and b"s/epoch" in told and b"0:00 left" in told
    assert b"epoch 1/2" not in told


# ---------------------------------------------------------------- interrupts and pipes


def test_an_interrupt_is_130_and_leaves_nothing(tmp_path):
    process = ostinato_process("fit", "forecast", "seattle-weather", "--max-epochs", "5000", "--patience", "5000", cwd=tmp_path)
    for line in process.stderr:
        if "epoch 3/" in line:
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130 and stdout == ""
    assert "Interrupted; no file was left half-written." in stderr.splitlines() and "Traceback" not in stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("args", [["data", "nyc-weather"], ["data"], ["data", "--json"]], ids=" ".join)
def test_a_closed_pipe_is_no_disaster(args, tmp_path):
    process = ostinato_process(*args, cwd=tmp_path)
    process.stdout.close()
    assert process.wait(timeout=60) in (0, 1) and process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_behind_stdout_is_told(tmp_path):
    with open("/dev/full", "w") as full:
        process = ostinato_process("data", "seattle-weather", stdout=full, cwd=tmp_path)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and stderr.startswith("Error: The output: No space left on device") and stderr.count("\n") == 1
