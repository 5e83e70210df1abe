"""Tests of the benchmark scripts. They check tables and data, but no times."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

GFLOPS = {"float32": 100.0, "bfloat16": 200.0}
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def benchmarks(monkeypatch):
    """Yield the modules `run` and `tasks` in the folder benchmarks."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    modules = [importlib.import_module(name) for name in ("run", "tasks")]
    yield modules
    for module in modules:
        sys.modules.pop(module.__name__)


def contestant(name, seconds, accuracy):
    runs = [{"seconds": s, "peak_mb": 100} for s in seconds]
    return SimpleNamespace(name=name, runs=runs, accuracy=accuracy, versions={})


def test_ratio_is_computed_for_each_pair_of_runs(benchmarks):
    run, _ = benchmarks
    skcnn = contestant("skcnn", [1, 2, 3], 0.90)
    peer = contestant("scikeras", [10, 10, 10], 0.92)
    result = run.compare("short-fit", skcnn, peer)
    assert (result["ratio"], result["smallest"], result["largest"]) == (0.2, 0.1, 0.3)
    assert result["target"] == 0.35
    assert result["same accuracy"]
    text = run.format_line(run.format_cells(result, GFLOPS))
    assert "0.200  0.100-0.300" in text
    assert "missed" not in text


def test_missed_target_and_different_accuracy_are_reported(benchmarks):
    run, _ = benchmarks
    skcnn = contestant("skcnn", [1, 1, 1], 0.90)
    peer = contestant("scikeras", [1, 1, 1], 0.5)
    cells = run.format_cells(run.compare("short-fit", skcnn, peer), GFLOPS)
    assert "0.35, missed" in cells
    assert "not the same work" in cells
    table = run.format_markdown([cells], "Somewhere.").splitlines()
    assert table[0] == "Somewhere."
    assert table[4].startswith("| short-fit | scikeras | 1.000 | 1.000-1.000 |")
    assert {line.count("|") for line in table[2:]} == {len(run.HEADINGS) + 1}


def test_older_version_has_no_target(benchmarks):
    run, _ = benchmarks
    skcnn = contestant("skcnn", [1, 2, 3], 0.90)
    before = contestant("skcnn in before", [1, 2, 4], 0.90)
    result = run.compare("short-fit", skcnn, before)
    assert (result["ratio"], result["target"]) == (1, None)
    assert "skcnn in before" in run.format_cells(result, GFLOPS)


def test_folder_of_the_older_version_must_contain_the_package(
    benchmarks, tmp_path, monkeypatch, capsys
):
    run, _ = benchmarks
    arguments = ["run.py", "short-fit", "--against", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as error:
        run.main()
    assert error.value.code == 2
    assert "does not contain the package skcnn" in capsys.readouterr().err


def test_flops_of_large_network(benchmarks):
    run, tasks = benchmarks
    task = tasks.TASKS["epoch-64"]
    # The first convolution needs 64 x 64 x 9 x 3 x 32 multiplications and the same
    # number of additions. A training step needs three times as many operations.
    sides, channels = [64, 32, 16, 8, 4], [3, 32, 64, 128, 256, 512]
    convolutions = sum(
        s * s * 9 * a * b
        for s, a, b in zip(sides, channels[:-1], channels[1:], strict=True)
    )
    assert run.flops(task) == 6 * (convolutions + 2 * 2 * 512 * 256) * task.n


def test_scaled_tasks(benchmarks):
    _, tasks = benchmarks
    assert tasks.get_task("growth-images:4").n == 4 * 1797
    grid = tasks.get_task("growth-candidates:2").grid
    assert {name: len(values) for name, values in grid.items()} == {"learning_rate": 6}
    assert tasks.get_task("growth-jobs:2").n_jobs == 2


def test_load_data(benchmarks):
    _, tasks = benchmarks
    for name in ("short-fit", "epoch-64", "predict-digits"):
        task = tasks.TASKS[name]
        X, y = tasks.load_data(task)
        assert X.dtype == np.uint8
        assert X.shape[:3] == (task.n, task.size, task.size)
        assert len(y) == task.n
        assert np.bincount(y).min() > 0
