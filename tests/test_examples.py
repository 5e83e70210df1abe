"""The examples as scripts and as notebooks, and the presets on generated scenes."""

import functools
import re
import runpy
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import log_loss

from skcnn import CNNClassifier, optimized_cnn, overfitting_cnn, underfitting_cnn
from skcnn.datasets import make_scenes

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("plot_*.py"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Save training and test scenes as folders with one subfolder per class."""
    root = tmp_path_factory.mktemp("scenes")
    for name, n_samples, seed in (("train", 60, 0), ("test", 20, 1)):
        data = make_scenes(n_samples, image_size=20, random_state=seed)
        for i, (image, code) in enumerate(zip(data.images, data.target, strict=True)):
            folder = root / name / data.target_names[code]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{i}.png")
    return root


def first_cells(script):
    """Return the first two cells of code, which `# %%` separates."""
    return (EXAMPLES / script).read_text(encoding="utf-8").split("# %%\n")[:2]


def make_100_scenes(n_samples, **settings):
    """Generate fewer scenes than the examples request, to save time."""
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


@pytest.mark.parametrize(
    ("script", "options", "results"),
    [
        (
            "plot_grid_search.py",
            ["--cv", "2", "--epochs", "4"],
            {
                "grid_search_candidates.png",
                "grid_search_confusion.png",
                "grid_search_errors.png",
                "grid_search_memory",
                "grid_search_network.joblib",
            },
        ),
        ("plot_under_and_overfitting.py", [], {"under_and_overfitting.png"}),
    ],
)
def test_example_on_a_folder(
    folders, tmp_path, monkeypatch, capsys, script, options, results
):
    data = [str(folders / "train"), "--test", str(folders / "test")]
    some = ["--image-size", "12", "--exclude", "sea", "--epochs", "1"]
    arguments = [script, *data, *some, *options, "--output", str(tmp_path / "drawn")]
    monkeypatch.setattr("sys.argv", arguments)
    done = runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    assert done["X"].shape[1:] == (12, 12, 3)
    assert set(done["y"]) == set(done["y_test"])
    assert len(set(done["y"])) == 4
    assert "sea" not in done["y"]
    assert {file.name for file in (tmp_path / "drawn").iterdir()} == results
    assert f"{len(done['X'])} images" in capsys.readouterr().out


def run_grid_search(monkeypatch, *arguments):
    """Run plot_grid_search.py and return its global variables."""
    script = EXAMPLES / "plot_grid_search.py"
    monkeypatch.setattr("sys.argv", [script.name, *map(str, arguments)])
    # Pretend that the output is not a terminal, so that no progress bar is drawn.
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    done = runpy.run_path(str(script), run_name="__main__")
    return done


@pytest.fixture
def bad_folders(folders, tmp_path):
    """Create a file and several folders of images that are unsuitable for a search."""
    (tmp_path / "file").write_text("")
    for name, counts in (
        ("one", {"cat": 6}),
        ("five", {"cat": 3, "dog": 2}),
        ("other", {"cat": 2, "dog": 2}),
    ):
        for category, n in counts.items():
            folder = tmp_path / name / category
            folder.mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (12, 12)).save(folder / f"{i}.png")
    return {"good": folders / "train", "tmp": tmp_path}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/nowhere"], "nowhere', which does not exist"),
        (["{tmp}/file"], "file', which is a file"),
        (["{tmp}/one"], "found the class cat only"),
        (["{tmp}/five"], "at least 5 images per class, but found 2 of dog"),
        (["{good}", "--exclude", "see"], "Did you mean 'sea'?"),
        (["{good}", "--test", "{tmp}/nowhere"], "nowhere', which does not exist"),
        (["{good}", "--test", "{tmp}/other"], "only one of them has buildings, cat"),
        (["{good}", "--cv", "8"], "at least 16 images per class"),
        (["{good}", "--cv", "1"], "--cv at least 2"),
        (["{good}", "--epochs", "0"], "--epochs must be a multiple of 4"),
        (["{good}", "--epochs", "6"], "--epochs must be a multiple of 4"),
        (["{good}", "--image-size", "0"], "image_size=0"),
        (["{good}", "--pretrained", "--epochs", "4"], "no effect with --pretrained"),
        (["{good}", "--pretrained", "--memory", "x"], "no effect with --pretrained"),
        (["--image-size", "12"], "need a FOLDER"),
        (["{good}", "--memory", "{tmp}/file"], "file': File exists"),
        (["{good}", "--output", "{tmp}/file"], "file': File exists"),
    ],
)
def test_grid_search_ends_with_one_line_on_a_bad_start(
    bad_folders, monkeypatch, tmp_path, capsys, arguments, message
):
    def fit(self, X, y):
        raise AssertionError("trained before the check")

    monkeypatch.setattr(CNNClassifier, "fit", fit)
    monkeypatch.chdir(tmp_path)
    arguments = [text.format(**bad_folders) for text in arguments]
    with pytest.raises(SystemExit) as exit_info:
        run_grid_search(monkeypatch, *arguments)
    assert exit_info.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("plot_grid_search.py: ")
    assert message in err


def test_grid_search_on_pretrained_features(folders, tmp_path, monkeypatch, capsys):
    data = [folders / "train", "--test", folders / "test", "--image-size", "32"]
    done = run_grid_search(monkeypatch, *data, "--pretrained", "--output", tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "grid_search_candidates.png",
        "grid_search_confusion.png",
        "grid_search_errors.png",
        "grid_search_network.joblib",
    }
    loaded = joblib.load(tmp_path / "grid_search_network.joblib")
    np.testing.assert_array_equal(loaded.predict(done["X_test"]), done["y_pred"])
    accuracy = np.mean(done["y_pred"] == done["y_test"])
    assert accuracy > 0.5
    assert f"test accuracy: {accuracy:.3f}" in capsys.readouterr().out


def test_grid_search_resumes_after_an_interruption(
    folders, tmp_path, monkeypatch, capsys
):
    arguments = [folders / "train", "--image-size", "12", "--epochs", "4"]
    arguments += ["--output", tmp_path]
    small = functools.partial(CNNClassifier, filters=(4,))
    monkeypatch.setattr("skcnn.CNNClassifier", small)
    fits = []
    fit = CNNClassifier.fit

    def fit_at_most_five(self, X, y, **fit_params):
        if len(fits) == 5:
            raise KeyboardInterrupt
        fits.append(self)
        return fit(self, X, y, **fit_params)

    with monkeypatch.context() as patch:
        patch.setattr(CNNClassifier, "fit", fit_at_most_five)
        with pytest.raises(SystemExit) as exit_info:
            run_grid_search(patch, *arguments)
    assert exit_info.value.code == 1
    out, err = capsys.readouterr()
    assert err == (
        "plot_grid_search.py: interrupted. Run the same command again to continue.\n"
    )
    # Instead of a progress bar, the script prints one line per iteration.
    assert out.splitlines()[1:] == ["candidates: 4, folds: 2, epochs: 1"]
    memory = tmp_path / "grid_search_memory"
    before = {path: path.stat().st_mtime_ns for path in memory.rglob("*.npz")}
    assert len(before) == 5

    done = run_grid_search(monkeypatch, *arguments)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[1:3] == [
        "candidates: 4, folds: 2, epochs: 1",
        "candidates: 1, folds: 2, epochs: 4",
    ]
    assert (
        before.items()
        <= {path: path.stat().st_mtime_ns for path in memory.rglob("*.npz")}.items()
    )
    network = joblib.load(tmp_path / "grid_search_network.joblib")
    assert network.n_epochs_ == 4
    np.testing.assert_array_equal(
        network.predict(done["X_test"]), done["search"].predict(done["X_test"])
    )


@pytest.mark.slow
def test_presets_underfit_overfit_and_generalize():
    # Train on few images, so that the differences between the networks are larger than
    # the effects of seeds and rounding.
    X, y = make_scenes(250, image_size=24, random_state=0, return_X_y=True)
    X_test, y_test = make_scenes(500, image_size=24, random_state=1, return_X_y=True)
    train, test, loss = {}, {}, {}
    for make in (underfitting_cnn, overfitting_cnn, optimized_cnn):
        network = make(epochs=30, random_state=0).fit(X, y)
        train[make] = network.score(X, y)
        test[make] = network.score(X_test, y_test)
        loss[make] = log_loss(y_test, network.predict_proba(X_test))
    assert train[underfitting_cnn] < 0.4
    assert train[overfitting_cnn] > 0.95
    assert train[overfitting_cnn] - test[overfitting_cnn] > 0.25
    assert train[optimized_cnn] - test[optimized_cnn] < 0.15
    assert test[optimized_cnn] > 0.6
    assert loss[optimized_cnn] < loss[overfitting_cnn]
    assert np.argmin(list(loss.values())) == 2
