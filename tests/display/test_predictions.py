"""Tests of PredictionGridDisplay and ConfusionGalleryDisplay."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import confusion_matrix

from skcnn.display import ConfusionGalleryDisplay, PredictionGridDisplay

NAMES = ["a", "b", "c"]
# Each row contains the true class and the predicted probabilities of three classes.
CASES = [
    (0, [0.9, 0.1, 0.0]),  # correct
    (1, [0.5, 0.4, 0.1]),  # b predicted as a
    (1, [0.8, 0.1, 0.1]),  # b predicted as a, more confidently
    (2, [0.1, 0.2, 0.7]),  # correct
    (2, [0.3, 0.6, 0.1]),  # c predicted as b
    (0, [0.35, 0.34, 0.31]),  # correct by a small margin
]
TRUE = np.array([true for true, _ in CASES])
PROBA = np.array([proba for _, proba in CASES])
# All pixels of image i have the value i.
IMAGES = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones(
    (1, 4, 4, 1), np.uint8
)


def image_indices(images):
    return [int(image[0, 0, 0]) for image in images]


def titles(display):
    return [axes.get_title() for axes in display.axes_.flat]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("first", [0, 1, 2, 3, 4, 5]),
        ("confident_errors", [2, 4, 1]),
        ("least_certain", [5, 1, 4, 3, 2, 0]),
    ],
)
def test_which_selects_and_orders_images(which, expected):
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, PROBA, which=which, display_labels=NAMES
    )
    assert image_indices(display.images) == expected
    for n_images in (1, 2):
        display = PredictionGridDisplay.from_predictions(
            IMAGES, TRUE, PROBA, which=which, n_images=n_images
        )
        assert image_indices(display.images) == expected[:n_images]


def test_random_state_determines_random_images():
    first, again, other = (
        PredictionGridDisplay.from_predictions(
            IMAGES, TRUE, PROBA, which="random", random_state=seed
        )
        for seed in (0, 0, 1)
    )
    assert (
        image_indices(first.images)
        == image_indices(again.images)
        != image_indices(other.images)
    )
    assert sorted(image_indices(first.images)) == [0, 1, 2, 3, 4, 5]


def test_correct_and_wrong_predictions_differ_in_style():
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, PROBA, display_labels=NAMES
    )
    assert titles(display)[:2] == ["✓ a 0.90", "✗ a 0.50\nis b 0.40"]
    colours = [
        to_hex(axes.spines["left"].get_edgecolor()) for axes in display.axes_.flat
    ]
    right = PROBA.argmax(axis=1) == TRUE
    (of_right,) = {c for c, is_right in zip(colours, right, strict=True) if is_right}
    (of_wrong,) = {
        c for c, is_right in zip(colours, right, strict=True) if not is_right
    }
    assert of_right != of_wrong


def test_from_estimator(digits, fitted):
    display = PredictionGridDisplay.from_estimator(
        fitted, digits.images, digits.target, which="confident_errors", n_images=5
    )
    proba = fitted.predict_proba(digits.images)
    wrong = fitted.predict(digits.images) != digits.target
    assert_allclose(display.proba_pred[0], proba[wrong].max(), rtol=1e-6)
    assert (display.y_true != display.y_pred).all()
    of_rows = copy.copy(fitted).set_params(image_shape=(8, 8))
    flattened = PredictionGridDisplay.from_estimator(
        of_rows, digits.rows, digits.target, which="confident_errors", n_images=5
    )
    assert_array_equal(flattened.images, display.images)


def test_displays_without_errors():
    right = np.eye(3)[TRUE]
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, right, which="confident_errors"
    )
    assert display.images_ == []
    assert display.axes_.flat[0].texts[0].get_text() == "no such images"
    gallery = ConfusionGalleryDisplay.from_predictions(IMAGES, TRUE, right)
    assert gallery.pairs == []
    assert gallery.axes_.flat[0].texts[0].get_text() == "no errors"


def test_most_confused_pairs():
    display = ConfusionGalleryDisplay.from_predictions(
        IMAGES, TRUE, PROBA, display_labels=NAMES
    )
    assert display.pairs == [("b", "a"), ("c", "b")]
    assert display.counts == [2, 1]
    assert [image_indices(images) for images in display.images] == [[2, 1], [4]]
    assert titles(display) == ["b 0.10\na 0.80", "b 0.40\na 0.50", "c 0.10\nb 0.60", ""]
    labels = [axes.get_ylabel() for axes in display.axes_[:, 0]]
    assert labels == ["b\ntaken for\na\n(2)", "c\ntaken for\nb\n(1)"]
    assert [axes.axison for axes in display.axes_.flat] == [True, True, True, False]


def test_n_pairs_and_n_images_are_maximums():
    display = ConfusionGalleryDisplay.from_predictions(
        IMAGES, TRUE, PROBA, n_pairs=1, n_images=1
    )
    assert display.pairs == [("1", "0")]
    assert display.counts == [2]
    assert image_indices(display.images[0]) == [2]


def test_pairs_match_the_confusion_matrix(digits, fast_cnn):
    network = fast_cnn(epochs=1).fit(digits.images, digits.target)
    display = ConfusionGalleryDisplay.from_estimator(
        network, digits.images, digits.target
    )
    matrix = confusion_matrix(digits.target, network.predict(digits.images))
    np.fill_diagonal(matrix, 0)
    assert display.counts == sorted(matrix.ravel(), reverse=True)[:3]
    for (true, taken), count in zip(display.pairs, display.counts, strict=True):
        assert matrix[int(true), int(taken)] == count


@pytest.mark.parametrize("display", [PredictionGridDisplay, ConfusionGalleryDisplay])
@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"y_proba": PROBA[:, :2]}, r"y_proba of shape \(6, 2\), but expected .* 3"),
        ({"y_proba": TRUE}, "y_proba of shape"),
        ({"y_true": np.array(list("abcabc"))}, "labels .* not among the classes"),
        ({"y_true": TRUE[:5]}, "inconsistent numbers of samples"),
        ({"X": IMAGES[:5]}, "inconsistent numbers of samples"),
        ({"display_labels": ["a", "b"]}, "display_labels with 2 names"),
    ],
)
def test_rejects_inconsistent_arguments(display, changed, match):
    arguments = {"X": IMAGES, "y_true": TRUE, "y_proba": PROBA, "classes": [0, 1, 2]}
    with pytest.raises(ValueError, match=match):
        display.from_predictions(**arguments | changed)


def test_rejects_unknown_which():
    with pytest.raises(
        ValueError, match="Got which='best', but expected one of 'first'"
    ):
        PredictionGridDisplay.from_predictions(IMAGES, TRUE, PROBA, which="best")


def test_draws_grid_within_one_axes():
    figure, (left, right) = plt.subplots(1, 2)
    for display, ax in (
        (PredictionGridDisplay, left),
        (ConfusionGalleryDisplay, right),
    ):
        drawn = display.from_predictions(IMAGES, TRUE, PROBA, ax=ax)
        assert drawn.figure_ is figure
        assert not ax.axison
