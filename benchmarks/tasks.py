"""Data, settings and network of each benchmark.

All libraries use the same arrays, network, batch size, number of epochs and folds.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

LARGE_FILTERS = (32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Task:
    """A benchmark: the workload, the libraries that run it, and the targets.

    Parameters
    ----------
    kind : {"search", "fit", "epoch", "augment", "predict", "latency"}
        The operation to time.
    dataset : {"digits", "stripes"}
        scikit-learn's digits, or generated RGB images.
    n, size : int
        Number of images, and their height and width in pixels.
    network : dict
        Parameters of `CNNClassifier`: filters, dense units and regularization.
    targets : dict of str to (float or None)
        For each peer, the target ratio of the times, or None if there is no target.
    memory_target : float or None
        Target for the peak memory in MB, not counting the images.
    accuracy_tolerance : float
        Largest accepted difference between the accuracies of two libraries.
    frozen : bool
        Whether only the dense layers are trained.
    extra_epochs : int
        Epochs to train after the timed runs, before accuracies are compared.
    scaled_param : str or None
        Field of the task that is multiplied by 1, 2 and 4 to measure scaling.
    """

    description: str
    kind: str
    dataset: str
    n: int
    size: int
    network: dict
    targets: dict
    epochs: int = 1
    batch_size: int = 16
    learning_rate: float = 1e-3
    grid: dict = field(default_factory=dict)
    cv: int = 5
    n_jobs: int | None = None
    precision: str = "float32"
    augment: bool = False
    frozen: bool = False
    memory_target: float | None = None
    accuracy_tolerance: float = 0.05
    extra_epochs: int = 0
    scaled_param: str | None = None


SMALL_NETWORK = {
    "filters": (6, 6),
    "dense_units": None,
    "normalize": False,
    "dropout": 0.0,
    "last_dropout": 0.0,
    "l2": 0.0,
}
LARGE_NETWORK = {
    "filters": LARGE_FILTERS,
    "dense_units": 256,
    "normalize": True,
    "dropout": 0.3,
    "last_dropout": 0.4,
    "l2": 1e-3,
}
DIGITS = {
    "dataset": "digits",
    "n": 1797,
    "size": 8,
    "network": SMALL_NETWORK,
    "batch_size": 32,
}
SEARCH = DIGITS | {
    "kind": "search",
    "epochs": 10,
    "learning_rate": 1e-2,
    "grid": {"learning_rate": [1e-2, 3e-3, 1e-3]},
}
# 172 MB of images, enough to measure the memory use.
MANY_STRIPES = {
    "dataset": "stripes",
    "n": 2666,
    "size": 150,
    "network": SMALL_NETWORK | {"stem_strides": 3},
    "batch_size": 32,
    "extra_epochs": 20,
}
STRIPES_64 = {
    "dataset": "stripes",
    "n": 640,
    "size": 64,
    "network": LARGE_NETWORK,
    "extra_epochs": 12,
}
STRIPES_150 = STRIPES_64 | {"n": 128, "size": 150, "extra_epochs": 24}

TASKS = {
    "small-search": Task(
        description="3 candidates x 5 folds x 10 epochs on the digits",
        targets={
            "scikeras": 0.30,
            "skorch": 0.6,
            "keras-wrapper": None,
            "tensorcross": None,
        },
        **SEARCH,
    ),
    "parallel-search": Task(
        description="the same search with n_jobs=2",
        targets={"scikeras": 0.30},
        n_jobs=2,
        **SEARCH,
    ),
    "frozen-search": Task(
        description="6 candidates x 5 folds x 5 epochs, convolutions frozen, 64 x 64",
        kind="search",
        targets={"scikeras": 0.1, "skorch": 0.1},
        epochs=5,
        batch_size=32,
        frozen=True,
        grid={"learning_rate": [3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6]},
        accuracy_tolerance=0.2,  # few epochs, and each library draws its own weights
        dataset="stripes",
        n=500,
        size=64,
        network=LARGE_NETWORK | {"normalize": False, "dropout": 0.0, "l2": 0.0},
    ),
    "short-fit": Task(
        description="a fit of 1 epoch on the digits, including building and tracing",
        kind="fit",
        targets={"scikeras": 0.35, "keras": None, "skorch": None},
        extra_epochs=20,
        **DIGITS,
    ),
    "epoch-64": Task(
        description="an epoch of the large network, 64 x 64, float32",
        kind="epoch",
        targets={"keras": 0.95, "skorch": 0.9},
        **STRIPES_64,
    ),
    "epoch-150": Task(
        description="an epoch of the large network, 150 x 150, float32",
        kind="epoch",
        targets={"keras": 0.95, "skorch": 0.9},
        **STRIPES_150,
    ),
    "bfloat16-64": Task(
        description="the same in bfloat16, compared with Keras in float32, 64 x 64",
        kind="epoch",
        targets={"keras": 0.65},
        precision="bfloat16",
        **STRIPES_64,
    ),
    "bfloat16-150": Task(
        description="the same in bfloat16, compared with Keras in float32, 150 x 150",
        kind="epoch",
        targets={"keras": 0.65},
        precision="bfloat16",
        **STRIPES_150,
    ),
    "augment-64": Task(
        description="an epoch with flip, rotation and zoom, 64 x 64",
        kind="epoch",
        targets={"skcnn-plain": None},
        augment=True,
        accuracy_tolerance=1.0,  # only skcnn augments, so the accuracies may differ
        **STRIPES_64 | {"extra_epochs": 0},
    ),
    "augment-150": Task(
        description="an epoch with flip, rotation and zoom, 150 x 150",
        kind="epoch",
        targets={"skcnn-plain": 1.05},
        augment=True,
        accuracy_tolerance=1.0,
        **STRIPES_150 | {"extra_epochs": 0},
    ),
    "changes-64": Task(
        description="flip, rotation and zoom alone, on 640 images of 64 x 64",
        kind="augment",
        targets={"keras": 0.35},
        **STRIPES_64,
    ),
    "changes-150": Task(
        description="flip, rotation and zoom alone, on 128 images of 150 x 150",
        kind="augment",
        targets={"keras": 0.35},
        **STRIPES_150,
    ),
    "predict-digits": Task(
        description="probabilities of 10,000 digits",
        kind="predict",
        targets={"scikeras": 0.5, "skorch": None},
        **DIGITS | {"n": 10_000},
    ),
    "predict-150": Task(
        description="probabilities of 1,000 images, 150 x 150, large network",
        kind="predict",
        targets={"scikeras": 0.9},
        **STRIPES_150 | {"n": 1000},
    ),
    "latency": Task(
        description="probabilities of one digit at a time, 100 times",
        kind="latency",
        targets={"scikeras": 0.2, "skorch": None},
        **DIGITS,
    ),
    "memory-fit": Task(
        description="a fit on 2,666 images of 150 x 150",
        kind="fit",
        targets={"scikeras": None},
        memory_target=900,
        **MANY_STRIPES,
    ),
    "memory-search": Task(
        description="a search in 5 folds on these images",
        kind="search",
        targets={"scikeras": None},
        grid={"learning_rate": [1e-3]},
        memory_target=900,
        **MANY_STRIPES,
    ),
    "memory-parallel": Task(
        description="the same search with n_jobs=2",
        kind="search",
        targets={"scikeras": None},
        grid={"learning_rate": [1e-3]},
        n_jobs=2,
        memory_target=1600,
        **MANY_STRIPES,
    ),
    "growth-images": Task(
        description="a fit of 10 epochs on 1, 2 and 4 times 1,797 digits",
        kind="fit",
        targets={},
        scaled_param="n",
        **DIGITS | {"epochs": 10},
    ),
    "growth-candidates": Task(
        description="a search over 1, 2 and 4 times 3 candidates",
        kind="search",
        targets={},
        scaled_param="grid",
        **{k: v for k, v in SEARCH.items() if k != "kind"},
    ),
    "growth-jobs": Task(
        description="a search over 12 candidates with 1, 2 and 4 processes",
        kind="search",
        targets={},
        scaled_param="n_jobs",
        n_jobs=1,
        **{k: v for k, v in SEARCH.items() if k not in ("kind", "grid")},
        grid={"learning_rate": [1e-2, 3e-3, 1e-3] * 4},
    ),
}


def get_task(name):
    """Return a task. `name:2` stands for the task scaled by a factor of 2."""
    name, _, factor = name.partition(":")
    task = TASKS[name]
    if not factor:
        return task
    value = getattr(task, task.scaled_param)
    if isinstance(value, dict):
        value = {key: values * int(factor) for key, values in value.items()}
    else:
        value *= int(factor)
    return dataclasses.replace(task, **{task.scaled_param: value})


def load_data(task):
    """Return uint8 images of shape (n, size, size, channels), and labels."""
    if task.dataset == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        rows = np.arange(task.n) % len(X)
        return X[rows].reshape(-1, 8, 8, 1).astype(np.uint8), y[rows]
    rng = np.random.default_rng(0)
    y = np.arange(task.n) % 5
    # The class is the direction of the stripes. Their width and phase are random, and
    # noise is added, so a network cannot use the brightness to separate the classes.
    angles = y * np.pi / 5
    grid = np.linspace(-1, 1, task.size, dtype=np.float32)
    X = np.empty((task.n, task.size, task.size, 3), np.uint8)
    for image, angle in zip(X, angles, strict=True):
        position = np.sin(angle) * grid[:, None] + np.cos(angle) * grid
        wave = np.sin(rng.uniform(12, 24) * position + rng.uniform(0, 2 * np.pi))
        noise = rng.integers(0, 96, image.shape, dtype=np.uint8)
        image[:] = noise + (80 + 79 * wave).astype(np.uint8)[:, :, None]
    return X, y
