"""The examples as scripts and as notebooks, and the presets on generated scenes."""

import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import log_loss

from skcnn import optimized_cnn, overfitting_cnn, underfitting_cnn
from skcnn.datasets import make_scenes

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("plot_*.py"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Training and test scenes as folders with one subfolder per class."""
    root = tmp_path_factory.mktemp("scenes")
    for name, n_samples, seed in (("train", 60, 0), ("test", 20, 1)):
        data = make_scenes(n_samples, image_size=20, random_state=seed)
        for i, (image, code) in enumerate(zip(data.images, data.target, strict=True)):
            folder = root / name / data.target_names[code]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{i}.png")
    return root


def first_cells(script):
    """Code before the first and the second `# %%`: the first two cells of code."""
    return (EXAMPLES / script).read_text(encoding="utf-8").split("# %%\n")[:2]


def make_100_scenes(n_samples, **settings):
    """Fewer than the examples ask for, to save time."""
    return make_scenes(100, **settings)


@pytest.mark.parametrize("script", SCRIPTS)
def test_example_opens_with_the_choice_of_images(script):
    cell, _ = first_cells(script)
    line = cell.rpartition('"""')[2].strip()  # after the docstring
    source = "(generated scenes|handwritten digits)"
    assert re.fullmatch(
        f'FOLDER = None  # {source}, or "path/to/images" with one subfolder per class',
        line,
    )


@pytest.mark.parametrize(
    ("arguments", "edited", "own"),
    [
        (["ipykernel_launcher.py", "-f", "kernel.json"], False, False),
        (["ipykernel_launcher.py", "--f=kernel.json"], True, True),  # in VS Code
        (["colab_kernel_launcher.py", "-f", "kernel.json"], True, True),
        (["{script}"], False, False),
        (["{script}"], True, True),
        (["renamed.py", "{folder}"], False, True),
    ],
)
@pytest.mark.parametrize("script", SCRIPTS)
def test_example_loads_the_images_that_were_chosen(
    folders, monkeypatch, script, arguments, edited, own
):
    folder = str(folders / "train")
    arguments = [text.format(script=script, folder=folder) for text in arguments]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setattr("skcnn.datasets.make_scenes", make_100_scenes)
    names = {"__name__": "__main__"}
    choice, load = first_cells(script)
    if edited:
        choice = choice.replace("FOLDER = None", f"FOLDER = {folder!r}")
    exec(choice, names)
    exec(load, names)
    data = names["data" if "data" in names else "scenes"]
    assert len(data.images) == 60 if own else len(data.images) in (100, 1797)


@pytest.mark.filterwarnings("ignore:.*no predicted samples")  # after one epoch
@pytest.mark.parametrize(
    ("script", "options", "figures"),
    [
        (
            "plot_grid_search.py",
            ["--cv", "2"],
            {"grid_search_candidates.png", "grid_search_confusion.png"},
        ),
        ("plot_under_and_overfitting.py", [], {"under_and_overfitting.png"}),
    ],
)
def test_example_on_a_folder(
    folders, tmp_path, monkeypatch, capsys, script, options, figures
):
    data = [str(folders / "train"), "--test", str(folders / "test")]
    some = ["--image-size", "12", "--exclude", "sea", "--epochs", "1"]
    arguments = [script, *data, *some, *options, "--output", str(tmp_path / "drawn")]
    monkeypatch.setattr("sys.argv", arguments)
    done = runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    plt.close("all")
    assert done["X"].shape[1:] == (12, 12, 3)
    assert set(done["y"]) == set(done["y_test"])
    assert len(set(done["y"])) == 4
    assert "sea" not in done["y"]
    assert {file.name for file in (tmp_path / "drawn").iterdir()} == figures
    assert f"{len(done['X'])} images" in capsys.readouterr().out


@pytest.mark.slow
def test_presets_underfit_overfit_and_generalize():
    X, y = make_scenes(500, image_size=32, random_state=0, return_X_y=True)
    X_test, y_test = make_scenes(500, image_size=32, random_state=1, return_X_y=True)
    train, test, loss = {}, {}, {}
    for make in (underfitting_cnn, overfitting_cnn, optimized_cnn):
        network = make(epochs=20, random_state=0).fit(X, y)
        train[make] = network.score(X, y)
        test[make] = network.score(X_test, y_test)
        loss[make] = log_loss(y_test, network.predict_proba(X_test))
    assert train[underfitting_cnn] < 0.4
    assert train[overfitting_cnn] > 0.95
    assert train[overfitting_cnn] - test[overfitting_cnn] > 0.2
    assert train[optimized_cnn] - test[optimized_cnn] < 0.15
    assert test[optimized_cnn] > 0.6
    assert loss[optimized_cnn] < loss[overfitting_cnn]
    assert np.argmin(list(loss.values())) == 2
