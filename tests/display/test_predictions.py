"""Images with what a network says of them, and those that it confuses."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import confusion_matrix

from skcnn.display import ConfusionGalleryDisplay, PredictionGridDisplay

NAMES = ["a", "b", "c"]
# True class, and probabilities of three.
CASES = [
    (0, [0.9, 0.1, 0.0]),  # right
    (1, [0.5, 0.4, 0.1]),  # b taken for a
    (1, [0.8, 0.1, 0.1]),  # b taken for a, surer
    (2, [0.1, 0.2, 0.7]),  # right
    (2, [0.3, 0.6, 0.1]),  # c taken for b
    (0, [0.35, 0.34, 0.31]),  # right, hardly
]
TRUE = np.array([true for true, _ in CASES])
PROBA = np.array([proba for _, proba in CASES])
# Each image is of one grey value, its number.
IMAGES = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones(
    (1, 4, 4, 1), np.uint8
)


def rows(images):
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
def test_which(which, expected):
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, PROBA, which=which, display_labels=NAMES
    )
    assert rows(display.images) == expected
    for n_images in (1, 2):
        display = PredictionGridDisplay.from_predictions(
            IMAGES, TRUE, PROBA, which=which, n_images=n_images
        )
        assert rows(display.images) == expected[:n_images]


def test_random_ones_by_their_seed():
    first, again, other = (
        PredictionGridDisplay.from_predictions(
            IMAGES, TRUE, PROBA, which="random", random_state=seed
        )
        for seed in (0, 0, 1)
    )
    assert rows(first.images) == rows(again.images) != rows(other.images)
    assert sorted(rows(first.images)) == [0, 1, 2, 3, 4, 5]


def test_right_and_wrong_are_told_apart():
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


def test_of_an_estimator(digits, fitted):
    display = PredictionGridDisplay.from_estimator(
        fitted, digits.images, digits.target, which="confident_errors", n_images=5
    )
    proba = fitted.predict_proba(digits.images)
    wrong = fitted.predict(digits.images) != digits.target
    assert_allclose(display.proba_pred[0], proba[wrong].max(), rtol=1e-6)
    assert (display.y_true != display.y_pred).all()
    of_rows = PredictionGridDisplay.from_estimator(
        fitted, digits.images, digits.target, which="confident_errors", n_images=5
    )
    assert_array_equal(of_rows.images, display.images)


def test_no_errors():
    right = np.eye(3)[TRUE]
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, right, which="confident_errors"
    )
    assert display.images_ == []
    assert display.axes_.flat[0].texts[0].get_text() == "no such images"
    gallery = ConfusionGalleryDisplay.from_predictions(IMAGES, TRUE, right)
    assert gallery.pairs == []
    assert gallery.axes_.flat[0].texts[0].get_text() == "no errors"


def test_the_most_confused_pairs():
    display = ConfusionGalleryDisplay.from_predictions(
        IMAGES, TRUE, PROBA, display_labels=NAMES
    )
    assert display.pairs == [("b", "a"), ("c", "b")]
    assert display.counts == [2, 1]
    assert [rows(images) for images in display.images] == [[2, 1], [4]]
    assert titles(display) == ["b 0.10\na 0.80", "b 0.40\na 0.50", "c 0.10\nb 0.60", ""]
    labels = [axes.get_ylabel() for axes in display.axes_[:, 0]]
    assert labels == ["b\ntaken for\na\n(2)", "c\ntaken for\nb\n(1)"]
    assert [axes.axison for axes in display.axes_.flat] == [True, True, True, False]


def test_at_most_as_many_as_asked_for():
    display = ConfusionGalleryDisplay.from_predictions(
        IMAGES, TRUE, PROBA, n_pairs=1, n_images=1
    )
    assert display.pairs == [("1", "0")]
    assert display.counts == [2]
    assert rows(display.images[0]) == [2]


def test_pairs_are_those_of_the_confusion_matrix(digits, fast_cnn):
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
def test_what_does_not_belong_together_is_refused(display, changed, match):
    arguments = {"X": IMAGES, "y_true": TRUE, "y_proba": PROBA, "classes": [0, 1, 2]}
    with pytest.raises(ValueError, match=match):
        display.from_predictions(**arguments | changed)


def test_an_unknown_which():
    with pytest.raises(
        ValueError, match="Got which='best', but expected one of 'first'"
    ):
        PredictionGridDisplay.from_predictions(IMAGES, TRUE, PROBA, which="best")


def test_within_an_ax():
    figure, (left, right) = plt.subplots(1, 2)
    for display, ax in (
        (PredictionGridDisplay, left),
        (ConfusionGalleryDisplay, right),
    ):
        drawn = display.from_predictions(IMAGES, TRUE, PROBA, ax=ax)
        assert drawn.figure_ is figure
        assert not ax.axison
