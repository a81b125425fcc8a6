"""The command line's answers to mistakes: one sentence with cause and cure, an exit code, and nothing changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import PACKAGES, SHOP, WALKS, folder, run, trained  # noqa: F401  fixtures of the commands
from typer.testing import CliRunner

from ostinato import data, model_file
from ostinato.cli.app import app

FIT = ["fit", "forecast", "shop.csv", *SHOP]
KIND = ["fit", "classify", "walks.csv", "--label", "kind", *WALKS]


def shop(change):
    """Write the table of the shop anew."""
    return lambda: change(pd.read_csv("shop.csv")).to_csv("shop.csv", index=False)


def walks(change):
    return lambda: change(pd.read_csv("walks.csv")).to_csv("walks.csv", index=False)


def text(content, name="shop.csv"):
    return lambda: Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())


def config(content):
    return text(content, "run.toml")


TABLES = {
    "no such data set": (None, ["fit", "forecast", "seatle-weather"], 1, "Did you mean 'seattle-weather'?"),
    "a set of another kind": (None, ["fit", "forecast", "japanese-vowels"], 1, "`ostinato fit classify`"),
    "a set for another task": (None, ["fit", "speak", "digits"], 1, "for `ostinato fit classify`; here are known: russian-speech."),
    "a set whose settings are another's": (None, ["fit", "translate", "digits"], 1, "The data set 'digits' holds recordings"),
    "no such file": (None, ["fit", "forecast", "shap.csv"], 1, "There is no file 'shap.csv'. Did you mean 'shop.csv'?"),
    "a folder": (lambda: os.mkdir("d.csv"), ["fit", "forecast", "d.csv"], 1, "d.csv: Is a directory; name a file in it."),
    "time not named": (None, ["fit", "forecast", "shop.csv"], 1, "There is no column 'ds'. Name it with --time-column"),
    "no such target": (None, [*FIT, "--target", "solt"], 1, "Did you mean 'sold'?"),
    "no such covariate": (None, [*FIT, "--past", "wnd"], 1, "Did you mean 'wind'?"),
    "no such series": (None, [*FIT, "--id-column", "nota"], 1, "Did you mean 'note'? Name it with --id-column"),
    "a text as covariate": (None, [*FIT, "--past", "note"], 1, "Column 'note' holds 'x' in data row 1"),
    "not a date": (shop(lambda t: t.replace("2021-01-03", "2021-13-03")), FIT, 1, "Column 'day' holds '2021-13-03' in data row 3"),
    "a day twice": (shop(lambda t: pd.concat([t, t[3:4]])), FIT, 1, "two rows for 2021-01-04"),
    "text for a number": (shop(lambda t: t.assign(sold=t["sold"].astype(str) + "a")), FIT, 1, "which is no number"),
    "an empty cell": (shop(lambda t: t.assign(sold=t["sold"].where(t.index != 5))), FIT, 1, "no value of the target at 2021-01-06"),
    "a lost row": (shop(lambda t: t.drop(index=9)), FIT, 1, "no row for 2021-01-10 (1 rows missing in all); fill it"),
    "an odd hour": (shop(lambda t: t.replace("2021-01-03", "2021-01-03 07:00")), FIT, 1, "2021-01-03 07:00"),
    "too short": (shop(lambda t: t[:75]), FIT, 1, "75 steps, of which the last 70 are the test"),
    "no rows": (shop(lambda t: t[:0]), FIT, 1, "shop.csv: The table has no rows."),
    "empty": (text(""), FIT, 1, "shop.csv is empty; it needs a line that names the columns"),
    "one column": (text("day\n2021-01-01\n"), FIT, 1, "There is no column 'sold'"),
    "semicolons": (text("day;sold\n2021-01-01;1,5\n"), FIT, 1, "shop.csv is separated by semicolons; write it with commas"),
    "tabs": (text("day\tsold\n2021-01-01\t1\n"), FIT, 1, "shop.csv is separated by tabs"),
    "latin-1": (text("day,sold,note\n2021-01-01,1,né\n".encode("latin-1")), FIT, 1, "shop.csv is not written in UTF-8"),
    "ragged": (text("day,sold\n1,2\n1,2,3,4\n"), FIT, 1, "Expected 2 fields in line 3, saw 4"),
    "not text": (text(b"\xff\xfe\x00day" * 99), FIT, 1, "shop.csv is not written in UTF-8"),
    "not gzipped": (text("day,sold\n", "s.csv.gz"), ["fit", "forecast", "s.csv.gz"], 1, "s.csv.gz is not gzipped"),
    "no Parquet": (text("day,sold\n", "s.parquet"), ["fit", "forecast", "s.parquet"], 1, "s.parquet"),
    "one class": (walks(lambda t: t.assign(kind="up")), KIND, 1, "one class only ('up')"),
    "a label that changes": (
        walks(lambda t: t.assign(kind=["up", *t["kind"][1:-1], "up", "down"][: len(t) - 1] + ["odd"])),
        KIND,
        1,
        "changes within",
    ),
    "no label": (walks(lambda t: t.assign(kind=t["kind"].where(t.index != 4))), KIND, 1, "no label in data row 5"),
    "no features": (None, [*KIND[:5], "--id-column", "walk", "--time-column", "moment", "--features", "lode"], 1, "Did you mean 'load'?"),
    "too few sequences": (walks(lambda t: t[t["walk"].isin(["w0", "w1"])]), KIND, 1, "too few to hold 0.2"),
    "the test is the training": (None, [*KIND, "--test", "walks.csv"], 1, "give --test another table"),
}

FLAGS = {
    "an unknown cell": (None, [*FIT, "--cell", "lstn"], 2, "did you mean lstm"),
    "an unknown flag": (None, [*FIT, "--horizn", "3"], 2, "--horizon"),
    "an unknown command": (None, ["fti"], 2, "Did you mean 'fit'?"),
    "an unknown task": (None, ["fit", "clasify", "x"], 2, "Did you mean 'classify'?"),
    "an unknown choice": (None, [*FIT, "--optimizer", "Adem"], 2, "Did you mean 'Adam'?"),
    "a number out of range": (None, [*FIT, "--dropout", "2"], 2, "--dropout=2.0 must be a number of at least 0 and less than 1"),
    "a word for a number": (None, [*FIT, "--window", "two"], 2, "--window='two' must be a whole number of at least 1"),
    "a fraction of a whole": (None, [*FIT, "--window", "2.5"], 2, "--window='2.5'"),
    "no level": (None, [*FIT, "--level", "180"], 2, "above 0 and below 100"),
    "no argument": (None, ["predict", "m"], 2, "DATA"),
    "a name to write but no set": (None, ["data", "--to", "x.csv"], 2, "needs the NAME"),
    "a picture of no kind": (None, [*FIT, "--plot", "p.txt"], 2, "does not end in .png, .svg or .pdf"),
    "no such step": (None, [*FIT, "--freq", "often"], 1, "'often' is no step of time"),
    "no such device": (None, [*FIT, "--device", "abacus"], 1, "device='abacus' cannot be used here"),
    "no such card": (None, [*FIT, "--device", "cuda:7"], 1, "device='cuda:7' cannot be used here"),
    "momentum of none": (None, [*KIND, "--momentum", "0.5"], 1, "momentum=0.5 is for SGD and RMSprop"),
    "an unknown key": (config("hiden_size = 3"), [*FIT, "--config", "run.toml"], 2, "run.toml has 'hiden_size', which is no parameter"),
    "a wrong value": (
        config('hidden_size = "big"'),
        [*FIT[:3], "--config", "run.toml"],
        2,
        "run.toml: hidden_size='big' must be a whole number",
    ),
    "no TOML": (config("hidden_size: 3"), [*FIT, "--config", "run.toml"], 1, "run.toml is no TOML file"),
    "no such configuration": (None, [*FIT, "--config", "rum.toml"], 1, "rum.toml: No such file or directory; check the name."),
}

FILES = {
    "a file that exists": (None, ["data", "seattle-weather", "--to", "shop.csv"], 1, "shop.csv exists; choose another name"),
    "a model that exists": (None, [*FIT, "--to", "shop.csv"], 1, "shop.csv exists"),
    "a picture that exists": (text("precious", "p.png"), [*FIT, "--plot", "p.png"], 1, "p.png exists"),
    "a folder for a file": (lambda: os.mkdir("d"), [*FIT, "--to", "d"], 1, "d is a folder; name a file in it with --to"),
    "no such folder": (None, [*FIT, "--to", "deep/er/m.safetensors"], 1, "There is no folder 'deep/er'"),
    "a folder that is none": (None, [*FIT, "--to", "/dev/null/x"], 1, "There is no folder '/dev/null'"),
    "nothing may be written": (None, [*FIT, "--to", "/proc/m.safetensors"], 1, "Nothing can be written to /proc"),
    "no model": (None, ["predict", "none.safetensors", "shop.csv"], 1, "none.safetensors: No such file"),
    "a model that is none": (text("x" * 99, "m.safetensors"), ["info", "m.safetensors"], 1, "m.safetensors is no model file"),
    "data for a model": (None, ["predict", "shop.csv", "shop.csv"], 1, "shop.csv is data, not a model file; the model comes first"),
    "a set for a model": (None, ["evaluate", "seattle-weather", "shop.csv"], 1, "seattle-weather is data, not a model file"),
    "a folder for a model": (lambda: os.mkdir("d"), ["info", "d"], 1, "d: Is a directory"),
}


@pytest.mark.parametrize("case", [*TABLES, *FLAGS, *FILES])
def test_a_mistake_is_one_sentence_an_exit_code_and_nothing_else(folder, case):  # noqa: F811
    prepare, args, expected, message = {**TABLES, **FLAGS, **FILES}[case]
    if prepare:
        prepare()
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    code, stdout, stderr = run(*args)
    assert (code, stdout) == (expected, ""), stderr
    assert message in stderr and "Traceback" not in stderr and stderr.count("Error") == 1
    assert stderr.splitlines()[-1].startswith("Error: ") and "epoch" not in stderr
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


def test_a_byte_order_mark_is_no_part_of_the_first_name(folder):  # noqa: F811
    Path("shop.csv").write_bytes(b"\xef\xbb\xbf" + Path("shop.csv").read_bytes())
    code, stdout, stderr = run(*FIT, "-q")
    assert code == 0 and "MAE" in stdout, stderr


def test_debug_shows_where():
    done = CliRunner().invoke(app, ["fit", "forecast", "seatle-weather", "--debug"])
    assert isinstance(done.exception, data.DataError)


def test_models_that_do_not_fit_the_data_or_the_flags_are_answered(trained, folder):  # noqa: F811
    model = trained[0] / "m.safetensors"
    content = model.read_bytes()
    Path("cut.safetensors").write_bytes(content[: len(content) // 2])
    shutil.copy(model, "whole.safetensors")
    cases = [
        (["predict", "cut.safetensors", "seattle-weather"], 1, "cut.safetensors is damaged or cut off"),
        (["info", "cut.safetensors"], 1, "cut.safetensors is damaged or cut off"),
        (["predict", "whole.safetensors", "shop.csv"], 1, "There is no column 'date'"),
        (["predict", "whole.safetensors", "japanese-vowels"], 1, "a table of series is needed here"),
        (["predict", "whole.safetensors", "whole.safetensors"], 1, "whole.safetensors is a model file, not a table"),
        (["predict", "whole.safetensors", "seattle-weather", "--horizon", 9], 1, "ask for at most 7"),
        (["predict", "whole.safetensors", "seattle-weather", "--probabilities"], 2, "is for classifiers"),
        (["predict", "whole.safetensors", "seattle-weather", "--level", 99.99], 1, "level=99.99 needs errors at more moments"),
        (["evaluate", "whole.safetensors", "seattle-weather", "--test-steps", 3], 1, "shorter than the horizon"),
    ]
    for args, expected, message in cases:
        code, stdout, stderr = run(*args)
        assert (code, stdout) == (expected, "") and message in stderr and stderr.count("Error") == 1, (args, stderr)


def test_a_label_never_seen_counts_as_wrong_and_is_told(folder):  # noqa: F811
    assert run(*KIND, "-q")[0] == 0
    table = pd.read_csv("walks.csv")
    walks(lambda t: t.assign(kind=t["kind"].where(t["walk"] != "w3", "sideways")))()
    code, stdout, stderr = run("evaluate", "walks-classify.safetensors", "walks.csv")
    assert code == 0 and re.search(r"sideways +precision 0.000  recall 0.000", stdout), stderr
    assert "never learned, and which count as wrong: 1." in stdout
    assert table["walk"].nunique() == 40 and np.isfinite(float(re.search(r"log loss nats +([0-9.]+)", stdout)[1]))


@pytest.mark.parametrize("name", ["shop-forecast.safetensors", "p.png"])
def test_a_disk_that_fills_up_leaves_no_half_of_a_file(folder, monkeypatch, name):  # noqa: F811
    whole = model_file.write_whole

    def full(path, write, **options):
        if Path(path).name == name:
            raise OSError(28, "No space left on device", str(path))
        whole(path, write, **options)

    monkeypatch.setattr(model_file, "write_whole", full)
    code, _, stderr = run(*FIT, "--plot", "p.png")
    assert code == 1 and f"{name}: No space left on device; free some space" in stderr
    assert name not in os.listdir() and not [path for path in os.listdir() if path.startswith(".")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told_before_the_work(folder):  # noqa: F811
    os.chmod(".", 0o500)
    code, _, stderr = run(*FIT)
    os.chmod(".", 0o700)
    assert code == 1 and "Nothing can be written to ." in stderr and "epoch" not in stderr


def test_a_bare_install_is_told_what_the_command_line_needs():
    code = "import sys; sys.modules['typer'] = None; from ostinato.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "The command line needs the package 'typer'; install it with: pip install 'ostinato[all]'.\n"
