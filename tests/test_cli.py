"""The command line: exit codes, streams, files, and one sentence for each mistake."""

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
from ostinato.tasks import Forecaster

FLAGS = ["--horizon", "2", "--window", "4", "--hidden-size", "3", "--max-epochs", "2", "--test-steps", "70"]
PACKAGES = str(Path(ostinato.__file__).parents[1])


def ostinato_process(*args, **options):
    """The command in a process of its own."""
    code = "import sys; from ostinato.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def run(*args):
    """The command in this process: exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A CSV in the working folder, with names of its own and a column of text."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    days = pd.date_range("2021-01-01", periods=200, freq="D").strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": days, "sold": np.arange(200) % 7 + generator.normal(size=200), "wind": 1.0, "note": "x"})
    frame["sold"] = frame["sold"].round(3)
    frame.to_csv("shop.csv", index=False)
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What one small job on the weather wrote and said."""
    out = tmp_path_factory.mktemp("job") / "out"
    code, stdout, stderr = run(
        "fit", "forecast", "seattle-weather", "--max-epochs", 3, "--cell", "gru", "--cell", "rnn", "--json", "--out", out
    )
    assert code == 0, stderr
    return out, json.loads(stdout), stderr


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_come_at_once_and_without_torch(flag):
    code = "import sys; sys.modules['torch'] = sys.modules['pandas'] = None; from ostinato.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    times = []
    for _ in range(5):
        before = os.times()
        done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, env=environment, timeout=60)
        after = os.times()  # processor time, which a busy machine does not stretch as it does the clock's
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert done.returncode == 0 and done.stdout.startswith(("Usage: ostinato", "ostinato ")), done.stderr
    assert min(times) < 0.3


@pytest.mark.parametrize("command", [[], ["fit", "forecast"], ["predict"], ["data"]])
def test_every_help_has_an_example(command):
    code, stdout, _ = run(*command, "--help")
    assert code == 0 and "Example" in stdout and "  ostinato " in stdout


# ---------------------------------------------------------------- the main job


def test_the_job_writes_model_scores_and_picture(trained):
    out, printed, stderr = trained
    assert sorted(os.listdir(out)) == ["forecast.png", "model.safetensors", "scores.json"]
    assert json.loads((out / "scores.json").read_text()) == printed
    assert (out / "forecast.png").read_bytes().startswith(b"\x89PNG") and (out / "forecast.png").stat().st_size > 50_000
    assert "rnn epoch 3/3: train" in stderr and stderr.rstrip().endswith("forecast.png.")


def test_the_scores_are_of_the_last_year_beside_the_baselines(trained):
    _, printed, _ = trained
    assert list(printed["scores"]) == ["naive", "seasonal naive", "climatology", "linear", "gru", "rnn"]
    assert printed["test"] == {
        "first": "2015-01-01 00:00:00",
        "last": "2015-12-31 00:00:00",
        "moments": 359,
        "steps_ahead": 7,
    }
    gru = printed["scores"]["gru"]
    assert np.isclose(gru["skill"]["naive"], 1 - gru["mae"] / printed["scores"]["naive"]["mae"])
    assert set(gru["skill"]) == {"naive", "seasonal naive", "climatology", "linear"}
    losses = printed["validation_loss"]
    assert printed["best_in_validation"] == min(losses, key=losses.get)


def test_the_saved_model_is_the_one_that_was_scored(trained):
    out, printed, _ = trained
    best = printed["best_in_validation"]
    held = model_file.load(out / "model.safetensors")
    assert held.cell["name"] == best and held.scores["mae"] == printed["scores"][best]["mae"]
    weather = data.load("seattle-weather")
    forecaster = Forecaster.load(out / "model.safetensors")
    said = forecaster.predict(weather[weather["ds"] < "2015-01-01"])[best].to_numpy()
    assert np.abs(said - weather["y"][weather["ds"] >= "2015-01-01"][:7]).mean() < 6
    errors = []
    for day in range(0, 359, 6):
        said = forecaster.predict(weather[: 1096 + day])[best].to_numpy()
        errors.append(np.abs(said - weather["y"][1096 + day : 1103 + day].to_numpy()).mean())
    assert abs(np.mean(errors) - printed["scores"][best]["mae"]) < 0.3


def test_predict_to_stdout_and_to_a_file(trained, tmp_path):
    out, printed, _ = trained
    code, stdout, stderr = run("predict", out / "model.safetensors", "seattle-weather")
    lines = stdout.splitlines()
    assert (code, stderr, len(lines)) == (0, "", 8)
    assert lines[0] == f"unique_id,ds,{printed['best_in_validation']}" and lines[1].startswith("seattle,2016-01-01,")
    run("data", "seattle-weather", "--to", tmp_path / "w.csv")
    code, _, stderr = run("predict", out / "model.safetensors", tmp_path / "w.csv", "--to", tmp_path / "f.csv", "--horizon", 3)
    assert (code, stderr) == (0, f"Wrote {tmp_path / 'f.csv'}.\n")
    assert (tmp_path / "f.csv").read_text().splitlines() == lines[:4]


def test_a_csv_with_names_of_its_own(table):
    code, stdout, stderr = run("fit", "forecast", "shop.csv", "--time-column", "day", "--target", "sold", "--cell", "mgu", *FLAGS)
    assert code == 0, stderr
    assert "Left out, because they hold text: note." in stderr
    rows = [line.split()[0] for line in stdout.splitlines() if "%" in line]
    assert rows[:4] == ["naive", "climatology", "linear", "MGU"]  # 200 days hold no year, so there is no seasonal naive
    assert sorted(os.listdir("shop-forecast")) == ["forecast.png", "model.safetensors", "scores.json"]
    table.to_csv("later.csv", index=False)
    code, stdout, stderr = run("predict", "shop-forecast/model.safetensors", "later.csv")
    assert (code, stderr) == (0, "") and stdout.splitlines()[1].startswith("shop,2021-07-20,")


def test_quiet_says_nothing_but_the_result_and_carried_values_are_told(table):
    table.drop(index=[30, 31]).to_csv("shop.csv", index=False)
    args = ["fit", "forecast", "shop.csv", "--time-column", "day", "--target", "sold", "--cell", "rnn", "--missing", "carry", *FLAGS]
    code, _, stderr = run(*args)
    assert code == 0 and "4 values are missing" in stderr
    code, stdout, stderr = run(*args, "-q", "--overwrite")
    assert (code, stderr) == (0, "") and "naive" in stdout


# ---------------------------------------------------------------- mistakes

FIT = ["fit", "forecast", "shop.csv", "--time-column", "day", "--target", "sold", *FLAGS]


def spoil(change):
    def written(table):
        change(table).to_csv("shop.csv", index=False)

    return written


MISTAKES = {
    "no such data set": (None, ["fit", "forecast", "seatle-weather"], 1, "Did you mean 'seattle-weather'?"),
    "no such file": (None, ["fit", "forecast", "shap.csv"], 1, "There is no file 'shap.csv'"),
    "time not named": (None, ["fit", "forecast", "shop.csv"], 1, "Name it with --time-column"),
    "no such target": (None, [*FIT, "--target", "solt"], 1, "Did you mean 'sold'?"),
    "no such covariate": (None, [*FIT, "--past", "wnd"], 1, "Did you mean 'wind'?"),
    "a text as covariate": (None, [*FIT, "--past", "note"], 1, "Column 'note' holds 'x' in data row 1"),
    "not a date": (spoil(lambda t: t.replace("2021-01-03", "2021-13-03")), FIT, 1, "Column 'day' holds '2021-13-03' in data row 3"),
    "a day twice": (spoil(lambda t: pd.concat([t, t[3:4]])), FIT, 1, "two rows for 2021-01-04"),
    "text for a number": (spoil(lambda t: t.assign(sold=t["sold"].astype(str) + "a")), FIT, 1, "which is no number"),
    "an empty cell": (spoil(lambda t: t.assign(sold=t["sold"].where(t.index != 5))), FIT, 1, "no value of the target at 2021-01-06"),
    "a lost row": (spoil(lambda t: t.drop(index=9)), FIT, 1, "no row for 2021-01-10 (1 rows missing in all); fill it"),
    "an odd hour": (spoil(lambda t: t.replace("2021-01-03", "2021-01-03 07:00")), FIT, 1, "2021-01-03 07:00"),
    "too short": (spoil(lambda t: t[:75]), FIT, 1, "75 steps, of which the last 70 are the test"),
    "no rows": (spoil(lambda t: t[:0]), FIT, 1, "shop.csv: The table has no rows."),
    "empty": (lambda t: Path("shop.csv").write_text(""), FIT, 1, "shop.csv is empty."),
    "ragged": (lambda t: Path("shop.csv").write_text("day,sold\n1,2\n1,2,3,4\n"), FIT, 1, "Expected 2 fields in line 3, saw 4"),
    "not text": (lambda t: Path("shop.csv").write_bytes(b"\xff\xfe\x00day" * 99), FIT, 1, "is no CSV file in UTF-8"),
    "an unknown cell": (None, [*FIT, "--cell", "lstn"], 2, "did you mean lstm"),
    "an unknown flag": (None, [*FIT, "--horizn", "3"], 2, "--horizon"),
    "an unknown command": (None, ["fti"], 2, "Did you mean 'fit'?"),
    "a number out of range": (None, [*FIT, "--dropout", "2"], 2, "--dropout"),
    "a word for a number": (None, [*FIT, "--window", "two"], 2, "--window"),
    "no argument": (None, ["predict", "m"], 2, "DATA"),
    "a file for a folder": (None, [*FIT, "--out", "shop.csv"], 2, "is a file"),
    "no such step": (None, [*FIT, "--freq", "often"], 1, "'often' is no step of time"),
    "no such device": (None, [*FIT, "--device", "abacus"], 1, "device='abacus' cannot be used here"),
    "a folder that is none": (None, [*FIT, "--out", "/dev/null/x"], 1, "Nothing can be written to"),
    "no model": (None, ["predict", "none.safetensors", "shop.csv"], 1, "none.safetensors: No such file"),
    "a model that is none": (None, ["predict", "shop.csv", "shop.csv"], 1, "is no model file"),
    "a name to write but no set": (None, ["data", "--to", "x.csv"], 2, "needs the NAME"),
    "a file that exists": (None, ["data", "seattle-weather", "--to", "shop.csv"], 1, "shop.csv exists; choose another name"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_an_exit_code_and_nothing_else(table, case):
    prepare, args, expected, message = MISTAKES[case]
    if prepare:
        prepare(table)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    code, stdout, stderr = run(*args)
    assert (code, stdout) == (expected, ""), stderr
    assert message in stderr and "Traceback" not in stderr and stderr.count("Error") == 1
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_debug_shows_where():
    done = CliRunner().invoke(app, ["fit", "forecast", "seatle-weather", "--debug"])
    assert isinstance(done.exception, data.DataError)


def test_files_that_exist_stop_the_job_before_it_starts(table):
    os.mkdir("shop-forecast")
    Path("shop-forecast/scores.json").write_text("precious")
    code, _, stderr = run(*FIT)
    assert code == 1 and "scores.json exists" in stderr and "epoch" not in stderr
    assert os.listdir("shop-forecast") == ["scores.json"]


def test_a_damaged_or_foreign_model_is_refused(trained, table):
    content = (trained[0] / "model.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(content[: len(content) // 2])
    code, stdout, stderr = run("predict", "cut.safetensors", "seattle-weather")
    assert (code, stdout) == (1, "") and "cut.safetensors is damaged or cut off" in stderr
    Path("whole.safetensors").write_bytes(content)
    code, stdout, stderr = run("predict", "whole.safetensors", "shop.csv")
    assert (code, stdout) == (1, "") and "There is no column 'date'" in stderr
    code, stdout, stderr = run("predict", "whole.safetensors", "seattle-weather", "--horizon", 9)
    assert (code, stdout) == (1, "") and "ask for at most 7" in stderr


def test_a_job_that_cannot_write_leaves_no_folder(table, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "shop-forecast/scores.json")

    monkeypatch.setattr(model_file, "write_whole", full)
    code, stdout, stderr = run(*FIT, "--cell", "rnn")
    assert (code, stdout) == (1, "") and "No space left on device" in stderr
    assert os.listdir() == ["shop.csv"]


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


def test_a_closed_pipe_is_no_disaster(tmp_path):
    process = ostinato_process("data", "seattle-weather", cwd=tmp_path)
    process.stdout.close()
    assert process.wait(timeout=30) in (0, 1) and "Traceback" not in process.stderr.read()
