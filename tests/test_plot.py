"""Pictures: what is drawn is what was given, whatever its names and sizes; the same figure is the same file."""

import io
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from ostinato.data import DataError
from ostinato.tasks import (
    plot_confusion_matrix,
    plot_coverage,
    plot_error_by_lead,
    plot_forecast,
    plot_learning_curves,
    plot_over_time,
    plot_predictions,
    plot_recall,
    plot_residuals,
    plot_residuals_by_horizon,
    score,
)
from ostinato.tasks.plot import (
    draw_classification_report,
    draw_comparison,
    draw_forecast_report,
    draw_regression_report,
)
from ostinato.tasks.plot_style import line_style, write_picture

DAYS = pd.date_range("2020-01-01", periods=60)


def rolled(horizon=3, names=("a", "b"), count=20, ds=DAYS):
    """A table as cross_validation gives it: the forecast errs by the step ahead, with a band of 1 and one of 2 steps."""
    rows = []
    for number, name in enumerate(names):
        y = 10 * number + np.arange(60.0)
        for k in range(30, 30 + count):
            ahead = np.arange(horizon)
            said = y[k + ahead] - (ahead + 1.0)
            row = {"unique_id": name, "ds": ds[k + ahead], "cutoff": ds[k - 1], "y": y[k + ahead], "gru": said}
            for level, width in ((80, 1.5), (95, 2.5)):
                row |= {f"gru-lo-{level}": said - width, f"gru-hi-{level}": said + width}
            rows.append(pd.DataFrame(row))
    return pd.concat(rows, ignore_index=True)


class Fitted(BaseEstimator):
    def __init__(self, *records):
        if records:
            self.training_ = list(records)

    def fit(self):
        return self


RECORD = {"epochs": 3, "best_epoch": 2, "train_loss": [3.0, 1.0, 0.1], "valid_loss": [3.0, 1.5, 2.0]}


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def edges(axes, label):
    """Lower and upper edge of a band, by x."""
    (found,) = [one for one in axes.collections if one.get_label() == label]
    points = pd.DataFrame(found.get_paths()[0].vertices, columns=["x", "y"]).groupby("x")["y"]
    return points.min().to_numpy(), points.max().to_numpy()


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_fan_draws_the_forecast_its_bands_and_what_happened(kind):
    table = rolled()
    last = table[(table["unique_id"] == "b") & (table["cutoff"] == table["cutoff"].max())]
    if kind == "polars":
        table = pytest.importorskip("polars").DataFrame(table.to_dict("list"))
    axes = plot_forecast(table, series="b", step="day", label="y in °C")
    for label, column in (("GRU", "gru"), ("what happened", "y")):
        assert np.array_equal(line(axes, label)[1], last[column])
    assert np.array_equal(line(axes, "GRU")[0], last["ds"].to_numpy())
    for level in (80, 95):
        low, high = edges(axes, f"{level} %")
        assert np.array_equal(low, last[f"gru-lo-{level}"]) and np.array_equal(high, last[f"gru-hi-{level}"])
    known = line(axes, "known")
    assert known[0].max() < last["ds"].to_numpy()[0] and np.array_equal(known[1], 10 + np.arange(30.0, 49.0))
    assert axes.get_ylabel() == "y in °C" and axes.get_title("left") == "b: 3 days ahead, from 2020-02-19"
    assert legend(axes) == ["known", "95 %", "80 %", "GRU", "what happened"]


def test_a_fan_of_predictions_goes_on_from_the_history():
    table = rolled(names=["a"], count=1).drop(columns=["cutoff", "y"])
    history = pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": np.arange(60.0)})
    axes = plot_forecast(table, history=history, steps_before=5)
    assert line(axes, "known")[1].tolist() == [25, 26, 27, 28, 29] and line(axes, "what happened")[1].tolist() == [30, 31, 32]
    assert "what happened" not in legend(plot_forecast(table, history=history[:30]))
    assert legend(plot_forecast(table)) == ["known", "95 %", "80 %", "GRU"]


def test_a_fan_from_a_moment_asked_for_and_of_steps_that_are_whole_numbers():
    table = rolled(ds=np.arange(60))
    axes = plot_forecast(table, "gru", cutoff=31)
    assert line(axes, "GRU")[0].tolist() == [32, 33, 34] and axes.get_title("left").endswith("from 32")
    assert line(plot_forecast(rolled(), cutoff="2020-02-01"), "GRU")[1].tolist() == [31, 31, 31]
    one = plot_forecast(rolled(horizon=1))
    assert [path.vertices[:, 1].tolist() for path in one.collections[1].get_paths()] == [[46.5, 49.5]]


def test_forecasts_over_time_and_errors_by_lead():
    table = rolled()
    axes = plot_over_time(table, ["gru"], at_lead=2, step="day")
    assert np.array_equal(line(axes, "GRU")[1], line(axes, "what happened")[1] - 2) and "2 days ahead" in axes.get_title("left")
    axes = plot_error_by_lead({"gru": score(table, "gru"), "naive": score(table, "gru")}, ["gru"], unit="mm", step="day")
    assert line(axes, "GRU")[0].tolist() == [1, 2, 3] and line(axes, "naive")[1].tolist() == [1, 2, 3]
    assert axes.get_ylabel() == "mean absolute error in mm" and axes.get_xlabel() == "days ahead"


def test_coverage_and_errors_by_step_ahead():
    table = rolled()
    table.loc[table["ds"] == table["cutoff"] + pd.Timedelta(days=1), "y"] = np.nan  # no lead moves for one that is missing
    axes = plot_coverage(table)
    for label, measured in (("80 %: 0.0 %", [0, 0]), ("95 %: 50.0 %", [100, 0])):
        assert line(axes, label)[0].tolist() == [2, 3] and line(axes, label)[1].tolist() == measured
    assert [one.get_ydata()[0] for one in axes.get_lines() if one.get_linestyle() == "--"] == [80, 95]
    axes = plot_residuals_by_horizon(rolled().assign(gru=lambda t: t["gru"] + np.arange(len(t)) % 2), unit="mm")
    assert line(axes, "median")[1].tolist() == [0.5, 1.5, 2.5] and edges(axes, "90 %")[1].tolist() == [1, 2, 3]
    assert edges(plot_residuals_by_horizon(rolled(horizon=1)), "50 %")[0].tolist() == [1, 1]


def test_learning_curves_mark_the_weights_that_were_kept():
    axes = plot_learning_curves(Fitted(RECORD))
    assert line(axes, "training")[1].tolist() == RECORD["train_loss"] and line(axes, "validation")[0].tolist() == [1, 2, 3]
    assert line(axes, "kept") == (2, 1.5) and axes.get_yscale() == "log"
    two = plot_learning_curves(Fitted({**RECORD, "train_loss": [2.0, 1.0, 1.0]}, {"epochs": 1, "best_epoch": 1, "train_loss": [2.0]}))
    assert two.get_yscale() == "linear" and len({one.get_color() for one in two.get_lines()}) == 2 and len(legend(two)) == 3
    with pytest.raises(NotFittedError):
        plot_learning_curves(Fitted())


def test_a_confusion_matrix_counts_and_shades_by_the_true_class():
    axes = plot_confusion_matrix(["a", "a", "a", "b"], ["a", "a", "c", "b"], labels=["c", "b", "a"])
    assert {text.get_position(): text.get_text() for text in axes.texts} == {(2, 2): "2", (0, 2): "1", (1, 1): "1"}
    assert np.allclose(axes.images[0].get_array(), [[0, 0, 0], [0, 1, 0], [1 / 3, 0, 2 / 3]])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["c", "b", "a"] and axes.get_title("left") == "3 of 4 right (75.0 %)"
    many = plot_confusion_matrix(range(200), range(200))
    assert not many.texts and len(many.get_yticklabels()) == 50
    axes = plot_recall(["a", "a", "b"], ["a", "b", "b"])
    assert line(axes, "found (recall)")[0].tolist() == [50, 100] and line(axes, "right when said (precision)")[0].tolist() == [100, 50]


def test_numbers_against_the_truth():
    truth, said = [np.array([1.0, np.nan]), np.array([3.0])], [np.array([2.0, 9.0]), np.array([1.0])]
    axes = plot_predictions(truth, said, label="flow", unit="m³/s")
    assert [one.get_xdata().tolist() for one in axes.get_lines()[1:]] == [[1, 3]] and axes.get_lines()[1].get_ydata().tolist() == [2, 1]
    assert axes.get_xlabel() == "true flow in m³/s"
    bars = plot_residuals(truth, said).patches
    assert sum(bar.get_height() for bar in bars) == 2 and bars[0].get_x() == -1


def test_figures_of_whole_tasks():
    table = rolled()
    figure = draw_forecast_report(table, estimator=Fitted(RECORD), unit="mm", step="day")
    assert len(figure.axes) == 5 and figure.axes[0].get_ylabel() == "y in mm"
    predicted = rolled(names=[f"s{k}" for k in range(8)], count=1).drop(columns=["cutoff", "y"])
    assert [axes.get_title("left")[:2] for axes in draw_forecast_report(predicted).axes] == ["s0", "s1", "s2", "s3", "s4", "s5"]
    for shown, count in ((table, 4), (table[["unique_id", "ds", "cutoff", "y", "gru"]], 3)):
        assert len(draw_comparison(shown, {"gru": score(table, "gru")}, ["gru"], label="y", unit="", step="day").axes) == count
    assert len(draw_classification_report([1, 2], [1, 2], estimator=Fitted(RECORD)).axes) == 4
    pair = np.arange(8.0).reshape(4, 2)
    figure = draw_regression_report(pair, pair + [0, 1], names=["a", "b"], estimator=Fitted(RECORD))
    assert len(figure.axes) == 5 and figure.axes[2].get_lines()[1].get_ydata().tolist() == [2, 4, 6, 8]


def test_any_name_can_be_drawn():
    table = rolled(names=("_a $2 and $3^{ " + 40 * "long ",)).rename(columns=lambda name: name.replace("gru", "_cell_$x$"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_forecast_report(table, label="$price", unit="$")
        write_picture(figure, io.BytesIO(), "png")
        write_picture(draw_classification_report(["$_{", "_b"], ["_b", "_b"]), io.BytesIO(), "svg")
    assert not any(text.get_parse_math() for text in figure.axes[0].get_legend().get_texts())
    assert " _CELL_$X$" in legend(figure.axes[0]) and len(figure.axes[0].get_title("left")) < 70


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_is_the_same_file(kind):
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        write_picture(plot_forecast(rolled()).figure, file, kind)
    assert files[0].getvalue() == files[1].getvalue() != b""


def test_lines_are_told_apart_without_colour():
    looks = [line_style(k) for k in range(36)]
    assert len({(one["color"], str(one["linestyle"])) for one in looks}) == 36
    assert len({str(one["linestyle"]) for one in looks[:6]}) == 6
    low, high = (plot_forecast(rolled()).collections[k].get_facecolor()[0] for k in (0, 1))
    grey = [float(np.dot(to_rgb(one), (0.2126, 0.7152, 0.0722))) for one in (low, high)]
    assert grey[0] - grey[1] > 0.1


BAD = {
    "no such series": (lambda t: plot_forecast(t, series="z"), "nothing to draw for series 'z'"),
    "no such moment": (lambda t: plot_forecast(t, cutoff="1999-01-01"), "from 1999-01-01"),
    "no such column": (lambda t: plot_forecast(t, "lstm"), "no column 'lstm'"),
    "no forecasts": (lambda t: plot_forecast(t[["unique_id", "ds", "y", "cutoff"]]), "no column of forecasts"),
    "no rows": (lambda t: draw_forecast_report(t[:0]), "has no rows"),
    "no such lead": (lambda t: plot_over_time(t, ["gru"], at_lead=9), "9 steps ahead"),
    "no moments": (lambda t: plot_over_time(t.drop(columns="cutoff"), ["gru"]), "give one from cross_validation"),
    "no intervals": (lambda t: plot_coverage(t[["unique_id", "ds", "cutoff", "y", "gru"]]), r"level=\[80, 95\]"),
    "nothing happened": (lambda t: plot_residuals_by_horizon(t.assign(y=np.nan)), "the target is missing"),
    "no table": (lambda t: plot_forecast([1, 2]), "got list"),
    "answers missing": (lambda t: plot_confusion_matrix([1, 2], [1]), "1 answers to 2 truths"),
    "a stray class": (lambda t: plot_confusion_matrix([1, 2], [1, 1], labels=[1]), "class 2 is not among"),
    "no truth": (lambda t: plot_predictions([np.nan], [1.0]), "no true value"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_said(case):
    draw, words = BAD[case]
    with pytest.raises(DataError, match=words):
        draw(rolled())
