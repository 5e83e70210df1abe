"""Tests of EmbeddingDisplay."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skcnn.datasets import make_scenes
from skcnn.display import EmbeddingDisplay


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(60, image_size=8, random_state=0)


@pytest.fixture(scope="module")
def positions():
    return np.random.default_rng(0).normal(size=(60, 2)) * [100, 20] + 5


@pytest.fixture
def display(scenes, positions):
    return EmbeddingDisplay.from_embedding(
        scenes.images, positions, scenes.target, display_labels=scenes.target_names
    )


def drawn_positions(display):
    return np.concatenate([points.get_offsets() for points in display.scatter_])


def test_markers_keep_the_proportions_of_the_embedding(display, scenes, positions):
    names = [points.get_label() for points in display.scatter_]
    assert names == sorted(scenes.target_names)
    order = np.argsort(scenes.target_names[scenes.target], kind="stable")
    drawn, expected = drawn_positions(display), positions[order]
    assert np.ptp(drawn, axis=0).max() == pytest.approx(1)
    factor = np.ptp(drawn[:, 0]) / np.ptp(expected[:, 0])
    np.testing.assert_allclose(
        np.diff(drawn, axis=0), factor * np.diff(expected, axis=0), atol=1e-9
    )
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == names


def test_thumbnails_do_not_overlap(display, scenes, positions):
    assert 5 < len(display.thumbnails_) < 60
    scaled = (positions - positions.min(axis=0)) / np.ptp(positions, axis=0).max()
    for row, artist in display.thumbnails_.items():
        left, right, bottom, top = artist.get_extent()
        center = (left + right) / 2, (bottom + top) / 2
        np.testing.assert_allclose(center, scaled[row])
        assert right - left == pytest.approx(0.06)
        np.testing.assert_allclose(
            artist.get_array(), scenes.images[row] / 255, atol=1e-6
        )
    shown = scaled[list(display.thumbnails_)]
    distances = np.abs(shown[:, None] - shown).max(axis=-1)
    assert distances[~np.eye(len(shown), dtype=bool)].min() >= 0.06 - 1e-12


def test_frames_have_the_colour_of_the_class(display, scenes):
    colours = {p.get_label(): p.get_facecolor()[0] for p in display.scatter_}
    rows = list(display.thumbnails_)
    assert len(display.ax_.patches) == len(rows)
    for row, frame in zip(rows, display.ax_.patches, strict=True):
        name = scenes.target_names[scenes.target[row]]
        np.testing.assert_allclose(frame.get_edgecolor(), colours[name])


def test_map_without_labels_and_thumbnails(scenes, positions):
    _, ax = plt.subplots()
    display = EmbeddingDisplay.from_embedding(
        scenes.images, positions, ax=ax, thumbnail_size=0, scatter_kw={"s": 3}
    )
    assert display.ax_ is ax
    assert display.thumbnails_ == {}
    assert len(display.scatter_) == 1
    assert display.scatter_[0].get_sizes() == [3]
    assert ax.get_legend() is None


def test_identical_positions(scenes):
    display = EmbeddingDisplay.from_embedding(scenes.images, np.ones((60, 2)))
    assert list(display.thumbnails_) == [0]
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("embedding", "y", "kwargs", "message"),
    [
        (np.zeros((60, 3)), None, {}, r"embedding of shape \(60, 3\)"),
        (np.zeros((59, 2)), None, {}, "inconsistent numbers of samples"),
        (np.zeros((60, 2)), np.zeros(59), {}, "inconsistent numbers of samples"),
        (np.full((60, 2), np.nan), None, {}, "embedding contains NaN"),
        (np.zeros((60, 2)), None, {"thumbnail_size": 2}, "thumbnail_size=2"),
        (np.zeros((60, 2)), np.arange(60) % 2, {"display_labels": ["a"]}, "1 names"),
    ],
)
def test_invalid_arguments(scenes, embedding, y, kwargs, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embedding(scenes.images, embedding, y, **kwargs)
