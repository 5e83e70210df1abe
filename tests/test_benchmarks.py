"""What benchmarks/ says of what it has measured; nothing is timed here."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

LIMITS = {"float32": 100.0, "bfloat16": 200.0}
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def benchmarks(monkeypatch):
    """The modules `run` and `tasks`, which are scripts beside each other."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    modules = [importlib.import_module(name) for name in ("run", "tasks")]
    yield modules
    for module in modules:
        sys.modules.pop(module.__name__)


def contestant(name, seconds, accuracy):
    runs = [{"seconds": s, "peak_mb": 100} for s in seconds]
    return SimpleNamespace(name=name, runs=runs, accuracy=accuracy, versions={})


def test_ratios_are_taken_pair_by_pair(benchmarks):
    run, _ = benchmarks
    us = contestant("skcnn", [1, 2, 3], 0.90)
    row = run.row("short-fit", us, contestant("scikeras", [10, 10, 10], 0.92))
    assert (row["ratio"], row["smallest"], row["largest"]) == (0.2, 0.1, 0.3)
    assert row["to reach"] == 0.35
    assert row["same accuracy"]
    text = run.line(run.cells(row, LIMITS))
    assert "0.200  0.100-0.300" in text
    assert "missed" not in text


def test_a_missed_target_and_other_work_are_told(benchmarks):
    run, _ = benchmarks
    us = contestant("skcnn", [1, 1, 1], 0.90)
    row = run.row("short-fit", us, contestant("scikeras", [1, 1, 1], 0.5))
    cells = run.cells(row, LIMITS)
    assert "0.35, missed" in cells
    assert "not the same work" in cells
    table = run.as_markdown([cells], "Somewhere.").splitlines()
    assert table[0] == "Somewhere."
    assert table[4].startswith("| short-fit | scikeras | 1.000 | 1.000-1.000 |")
    assert {line.count("|") for line in table[2:]} == {len(run.HEADINGS) + 1}


def test_operations_of_the_large_network(benchmarks):
    run, tasks = benchmarks
    task = tasks.TASKS["epoch-64"]
    # 64 x 64 x 9 x 3 x 32 and so on, twice, and three times for both directions.
    sides, channels = [64, 32, 16, 8, 4], [3, 32, 64, 128, 256, 512]
    one = sum(
        s * s * 9 * a * b
        for s, a, b in zip(sides, channels[:-1], channels[1:], strict=True)
    )
    assert run.flops(task) == 6 * (one + 2 * 2 * 512 * 256) * task.n


def test_tasks_that_grow(benchmarks):
    _, tasks = benchmarks
    assert tasks.task_named("growth-images:4").n == 4 * 1797
    grid = tasks.task_named("growth-candidates:2").grid
    assert {name: len(values) for name, values in grid.items()} == {"learning_rate": 6}
    assert tasks.task_named("growth-jobs:2").n_jobs == 2


def test_data(benchmarks):
    _, tasks = benchmarks
    for name in ("short-fit", "epoch-64", "predict-digits"):
        task = tasks.TASKS[name]
        X, y = tasks.data_of(task)
        assert X.dtype == np.uint8
        assert X.shape[:3] == (task.n, task.size, task.size)
        assert len(y) == task.n
        assert np.bincount(y).min() > 0
