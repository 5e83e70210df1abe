"""Run the notebooks of the gallery, as users download them, in a Jupyter kernel.

The documentation build writes the notebooks to docs/gallery. Set SKCNN_TEST_NOTEBOOKS
to that folder, to the path of a notebook, or to several paths separated as in PATH.
From a folder, the test runs two random notebooks. The current date is the seed, so a
run can be repeated on the same day, and all notebooks are tested over time.
"""

import datetime
import os
import random
from pathlib import Path

import pytest

CHOICE = os.environ.get("SKCNN_TEST_NOTEBOOKS", "")


def chosen_notebooks():
    today = random.Random(datetime.date.today().isoformat())
    notebooks = []
    for path in map(Path, filter(None, CHOICE.split(os.pathsep))):
        if path.is_dir():
            notebooks += today.sample(sorted(path.glob("plot_*.ipynb")), 2)
        else:
            notebooks.append(path)
    return notebooks or [None]


@pytest.mark.skipif(
    not CHOICE, reason="minutes; set SKCNN_TEST_NOTEBOOKS to the built docs/gallery"
)
@pytest.mark.filterwarnings("default")  # Jupyter's warnings must not fail the test
@pytest.mark.parametrize(
    "path", chosen_notebooks(), ids=lambda path: path.stem if path else "none"
)
def test_notebook(path, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND", raising=False)  # figures appear in the notebook
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()  # raises CellExecutionError if a cell fails
    outputs = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert any("image/png" in output.get("data", {}) for output in outputs)
