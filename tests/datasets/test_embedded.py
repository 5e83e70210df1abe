"""Tests of load_digits and make_scenes, and of importing skcnn.datasets."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn import datasets as sklearn_datasets
from sklearn.ensemble import RandomForestClassifier

import skcnn.datasets
from skcnn.datasets import load_digits, make_scenes

CLASSES = ["buildings", "forest", "glacier", "mountain", "sea"]


def test_public_names():
    assert skcnn.datasets.__all__ == sorted(
        [
            *("from_dataset", "load_digits", "load_image_folder", "load_images"),
            "make_scenes",
        ]
    )


def test_import_without_tensorflow_and_matplotlib(tmp_path):
    # Replace skcnn/__init__, which imports other modules, with an empty module.
    (tmp_path / "cat").mkdir()
    Image.new("L", (4, 3)).save(tmp_path / "cat" / "1.png")
    code = f"""
import sys, types
for package in ("tensorflow", "keras", "scikeras", "matplotlib"):
    sys.modules[package] = None  # any import of it fails
sys.modules["skcnn"] = skcnn = types.ModuleType("skcnn")
skcnn.__path__ = {list(skcnn.__path__)!r}
from skcnn import datasets
assert datasets.__file__ == {skcnn.datasets.__file__!r}
assert datasets.make_scenes(5).images.shape == (5, 32, 32, 3)
assert datasets.load_digits().images.shape == (1797, 8, 8, 1)
assert datasets.load_images({str(tmp_path / "cat")!r}).images.shape == (1, 3, 4, 3)
assert datasets.load_image_folder({str(tmp_path)!r}).target.tolist() == [0]
try:
    datasets.load_images(["gone.png"])
except FileNotFoundError:
    pass
parts = {{name.split(".")[1] for name in sys.modules if name.startswith("skcnn.")}}
assert parts == {{"datasets", "_utils"}}, parts
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# Digits


def test_digits_match_sklearn():
    digits, expected = load_digits(), sklearn_datasets.load_digits()
    assert digits.images.shape == (1797, 8, 8, 1)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    counts = np.rint(digits.images[..., 0] * (16 / 255))
    np.testing.assert_array_equal(counts, expected.images)
    np.testing.assert_array_equal(digits.target, expected.target)
    assert digits.target.dtype == np.intp
    assert digits.target_names.tolist() == list("0123456789")
    assert "255 / 16" in digits.DESCR
    images, target = load_digits(return_X_y=True)
    np.testing.assert_array_equal(images, digits.images)
    np.testing.assert_array_equal(target, digits.target)


# Scenes


def test_scenes_bunch():
    scenes = make_scenes(52, image_size=20, random_state=0)
    assert scenes.images.shape == (52, 20, 20, 3)
    assert scenes.images.dtype == np.uint8
    assert scenes.target.shape == (52,)
    assert scenes.target.dtype == np.intp
    assert scenes.target_names.tolist() == CLASSES
    assert "20 x 20" in scenes.DESCR
    images, target = make_scenes(52, image_size=20, random_state=0, return_X_y=True)
    np.testing.assert_array_equal(images, scenes.images)
    np.testing.assert_array_equal(target, scenes.target)


def test_scenes_are_balanced_in_every_block():
    target = make_scenes(103, random_state=0).target
    for n in (5, 50, 100):
        assert np.bincount(target[:n]).tolist() == [n // 5] * 5
    assert np.ptp(np.bincount(target)) == 1


def test_scenes_random_state():
    a, b = make_scenes(20, random_state=3), make_scenes(20, random_state=3)
    np.testing.assert_array_equal(a.images, b.images)
    c = make_scenes(20, random_state=4)
    assert not np.array_equal(a.images, c.images)
    rng = np.random.RandomState(3)
    np.testing.assert_array_equal(make_scenes(20, random_state=rng).images, a.images)
    assert not np.array_equal(make_scenes(20, random_state=rng).images, a.images)
    assert not np.array_equal(make_scenes(9).images, make_scenes(9).images)


def test_scene_does_not_depend_on_n_samples():
    few, many = make_scenes(7, random_state=0), make_scenes(31, random_state=0)
    np.testing.assert_array_equal(few.images, many.images[:7])
    np.testing.assert_array_equal(few.target, many.target[:7])


def test_scenes_ordered_by_class():
    mixed = make_scenes(23, random_state=0)
    ordered = make_scenes(23, random_state=0, shuffle=False)
    assert np.all(np.diff(ordered.target) >= 0)
    assert np.any(np.diff(mixed.target) < 0)
    order = np.argsort(mixed.target, kind="stable")
    np.testing.assert_array_equal(ordered.images, mixed.images[order])


def test_image_size_changes_only_the_resolution():
    small = make_scenes(40, image_size=16, noise=0, random_state=0).images
    large = make_scenes(40, image_size=64, noise=0, random_state=0).images
    shrunk = large.reshape(40, 16, 4, 16, 4, 3).mean(axis=(2, 4))
    distance = np.abs(small[:, None] - shrunk[None]).mean(axis=(2, 3, 4))
    np.testing.assert_array_equal(distance.argmin(axis=1), np.arange(40))
    assert np.diag(distance).mean() < 8


def test_scenes_noise():
    clean = make_scenes(40, noise=0, random_state=0).images.astype(int)
    noisy = make_scenes(40, noise=0.1, random_state=0).images.astype(int)
    # Select mid-range values, which stay between 0 and 255 when noise is added.
    middle = (clean > 80) & (clean < 175)
    assert np.std((noisy - clean)[middle]) == pytest.approx(25.5, rel=0.03)


def test_scenes_flip_y():
    true = make_scenes(1000, image_size=8, random_state=0)
    flipped = make_scenes(1000, image_size=8, random_state=0, flip_y=0.5)
    np.testing.assert_array_equal(flipped.images, true.images)
    # Half of the labels are random. A fifth of these are correct by chance, so 40% of
    # all labels are expected to change. Allow for six standard deviations.
    changed = np.mean(flipped.target != true.target)
    assert abs(changed - 0.4) < 6 * np.sqrt(0.4 * 0.6 / 1000)


def test_scenes_are_unique():
    images = make_scenes(200, random_state=0).images
    assert len(np.unique(images.reshape(200, -1), axis=0)) == 200


def test_scenes_are_learnable_but_not_trivial():
    images, target = make_scenes(900, image_size=16, random_state=0, return_X_y=True)
    rows = images.reshape(900, -1)
    forest = RandomForestClassifier(100, random_state=0).fit(rows[:600], target[:600])
    accuracy = forest.score(rows[600:], target[600:])
    assert 0.4 < accuracy < 0.9


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"n_samples": 0}, ValueError, "n_samples=0.*at least 1"),
        ({"n_samples": 5.0}, TypeError, "n_samples=5.0 of type float"),
        ({"image_size": 7}, ValueError, "image_size=7.*at least 8"),
        ({"image_size": (32, 32)}, TypeError, r"image_size=\(32, 32\) of type tuple"),
        ({"noise": -0.1}, ValueError, "noise=-0.1.*from 0 to 1"),
        ({"noise": "a"}, TypeError, "noise='a' of type str"),
        ({"flip_y": 2}, ValueError, "flip_y=2.*from 0 to 1"),
        ({"flip_y": np.nan}, ValueError, "flip_y=nan"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ],
)
def test_make_scenes_rejects_invalid_arguments(kwargs, error, match):
    with pytest.raises(error, match=match):
        make_scenes(**kwargs)
