"""Tests of HistoryDisplay."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skcnn.display import HistoryDisplay

HISTORY = {
    "loss": [3.0, 2.0, 1.0, 0.5],
    "accuracy": [0.1, 0.4, 0.8, 0.9],
    "val_loss": [2.5, 1.8, 1.9, 2.2],
    "val_accuracy": [0.2, 0.5, 0.5, 0.4],
}


def test_curves_and_best_epoch():
    display = HistoryDisplay(HISTORY).plot()
    assert set(display.lines_) == set(HISTORY)
    for name, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        assert_array_equal(line.get_ydata(), HISTORY[name])
    assert display.best_epoch_ == 2
    assert [line.get_xdata()[0] for line in display.best_lines_] == [2, 2]
    left, right = display.axes_.flat
    assert (left.get_ylabel(), right.get_ylabel()) == ("Loss", "Accuracy")
    assert left.get_xlabel() == right.get_xlabel() == "Epoch"
    legend = [text.get_text() for text in left.get_legend().get_texts()]
    assert legend == ["training", "held out", "lowest held-out loss: epoch 2"]
    colours = {display.lines_[name].get_color() for name in ("loss", "val_loss")}
    assert len(colours) == 2
    assert display.lines_["val_loss"].get_linestyle() == "--"


def test_y_axis_excludes_initial_peak_of_loss():
    loss = [25.0, 2.0, *np.linspace(1.5, 0.0, 8)]
    held_out = [14.0, 2.0, 1.5, *np.linspace(1.5, 2.5, 7)]
    display = HistoryDisplay({"loss": loss, "val_loss": held_out}).plot()
    low, high = display.axes_[0, 0].get_ylim()
    assert low < 0
    assert 2.5 < high < 5
    # The limits include the first value unless it is an outlier, and all later values,
    # even outliers.
    for curve in ([5.0, *np.linspace(4, 1, 9)], [2.0] * 5 + [40.0] + [1.0] * 4):
        display = HistoryDisplay({"loss": curve}).plot()
        assert display.axes_[0, 0].get_ylim()[1] > max(curve)


def test_without_held_out_images():
    display = HistoryDisplay({"loss": [2.0, 1.0], "accuracy": [0.5, 0.6]}).plot()
    assert display.best_epoch_ is None
    assert display.best_lines_ == []
    assert set(display.lines_) == {"loss", "accuracy"}


def test_other_metrics_and_epochs_without_validation():
    history = {"loss": [2, 1, 0.5], "auc": [0.5, 0.6, 0.7]}
    history["val_loss"] = [np.nan, 1.5, 1.7]
    display = HistoryDisplay(history).plot()
    assert [axes.get_ylabel() for axes in display.axes_.flat] == ["Loss", "auc"]
    assert display.best_epoch_ == 2
    assert HistoryDisplay(history | {"val_loss": [np.nan] * 3}).plot().best_lines_ == []


def test_from_estimator_and_pipeline(few, tiny_cnn):
    network = tiny_cnn(validation_fraction=0.25, epochs=2)
    with pytest.raises(NotFittedError):
        HistoryDisplay.from_estimator(network)
    network.fit(few.images, few.target)
    for estimator in (network, make_pipeline("passthrough", network)):
        display = HistoryDisplay.from_estimator(estimator)
        assert_array_equal(
            display.lines_["val_accuracy"].get_ydata(), network.history_["val_accuracy"]
        )


def test_draws_in_given_axes_with_given_styles():
    figure, axes = plt.subplots(1, 2)
    display = HistoryDisplay(HISTORY).plot(
        ax=axes, line_kw={"linewidth": 5}, best_kw={"color": "red"}
    )
    assert display.figure_ is figure
    assert {line.get_linewidth() for line in display.lines_.values()} == {5}
    assert display.best_lines_[0].get_color() == "red"
