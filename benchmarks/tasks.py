"""What is timed: the data, the settings and the network of each benchmark.

Every contestant gets the same arrays, network, batch size, epochs and folds; what
differs is the library between them and the arithmetic.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

LARGE = (32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Task:
    """One row of the table.

    Parameters
    ----------
    what : {"search", "fit", "epoch", "augment", "predict", "latency"}
        What is timed.
    images : {"digits", "stripes"}
        The digits that come with scikit-learn, or generated images in colour.
    n, size : int
        Number of images, and their height and width.
    network : dict
        Filters, dense units and regularization: parameters of `CNNClassifier`.
    against : dict of str to float
        Contestant to the ratio of times that is to be reached, or None.
    memory : float or None
        Peak of memory that is to be reached, in MB above the arrays' own size.
    noise : float
        Accuracies of the same training by other libraries differ by this at most.
    more_epochs : int
        Where the timed work is too short for that: what is trained besides, before
        accuracies are compared.
    grows_with : str or None
        Parameter of the task that is multiplied by 1, 2 and 4.
    """

    about: str
    what: str
    images: str
    n: int
    size: int
    network: dict
    against: dict
    epochs: int = 1
    batch_size: int = 16
    learning_rate: float = 1e-3
    grid: dict = field(default_factory=dict)
    cv: int = 5
    n_jobs: int | None = None
    precision: str = "float32"
    augment: bool = False
    memory: float | None = None
    noise: float = 0.05
    more_epochs: int = 0
    grows_with: str | None = None


SMALL_NETWORK = {
    "filters": (6, 6),
    "dense_units": None,
    "normalize": False,
    "dropout": 0.0,
    "last_dropout": 0.0,
    "l2": 0.0,
}
LARGE_NETWORK = {
    "filters": LARGE,
    "dense_units": 256,
    "normalize": True,
    "dropout": 0.3,
    "last_dropout": 0.4,
    "l2": 1e-3,
}
DIGITS = {
    "images": "digits",
    "n": 1797,
    "size": 8,
    "network": SMALL_NETWORK,
    "batch_size": 32,
}
SEARCH = DIGITS | {
    "what": "search",
    "epochs": 10,
    "learning_rate": 1e-2,
    "grid": {"learning_rate": [1e-2, 3e-3, 1e-3]},
}
# As many photographs as the reference notebook had, of its size.
MANY = {
    "images": "stripes",
    "n": 2666,
    "size": 150,
    "network": SMALL_NETWORK | {"stem_strides": 3},
    "batch_size": 32,
    "more_epochs": 20,
}
SMALL_SCENES = {
    "images": "stripes",
    "n": 640,
    "size": 64,
    "network": LARGE_NETWORK,
    "more_epochs": 12,
}
LARGE_SCENES = SMALL_SCENES | {"n": 128, "size": 150, "more_epochs": 24}

TASKS = {
    "small-search": Task(
        about="3 candidates x 5 folds x 10 epochs on the digits",
        against={
            "scikeras": 0.30,
            "skorch": 0.6,
            "keras-wrapper": None,
            "tensorcross": None,
        },
        **SEARCH,
    ),
    "parallel-search": Task(
        about="the same with n_jobs=2",
        against={"scikeras": 0.30},
        n_jobs=2,
        **SEARCH,
    ),
    "short-fit": Task(
        about="a fit of 1 epoch on the digits, building and tracing counted",
        what="fit",
        against={"scikeras": 0.35, "keras": None, "skorch": None},
        more_epochs=20,
        **DIGITS,
    ),
    "epoch-64": Task(
        about="an epoch of the large network, 64 x 64, float32",
        what="epoch",
        against={"keras": 0.95, "skorch": 0.9},
        **SMALL_SCENES,
    ),
    "epoch-150": Task(
        about="an epoch of the large network, 150 x 150, float32",
        what="epoch",
        against={"keras": 0.95, "skorch": 0.9},
        **LARGE_SCENES,
    ),
    "bfloat16-64": Task(
        about="the same in bfloat16, against Keras in float32, 64 x 64",
        what="epoch",
        against={"keras": 0.65},
        precision="bfloat16",
        **SMALL_SCENES,
    ),
    "bfloat16-150": Task(
        about="the same in bfloat16, against Keras in float32, 150 x 150",
        what="epoch",
        against={"keras": 0.65},
        precision="bfloat16",
        **LARGE_SCENES,
    ),
    "augment-64": Task(
        about="an epoch with flip, rotation and zoom, 64 x 64",
        what="epoch",
        against={"skcnn-plain": None},
        augment=True,
        noise=1.0,  # it is other work on purpose
        **SMALL_SCENES | {"more_epochs": 0},
    ),
    "augment-150": Task(
        about="an epoch with flip, rotation and zoom, 150 x 150",
        what="epoch",
        against={"skcnn-plain": 1.05},
        augment=True,
        noise=1.0,
        **LARGE_SCENES | {"more_epochs": 0},
    ),
    "changes-64": Task(
        about="flip, rotation and zoom alone, of 640 images of 64 x 64",
        what="augment",
        against={"keras": 0.35},
        **SMALL_SCENES,
    ),
    "changes-150": Task(
        about="flip, rotation and zoom alone, of 128 images of 150 x 150",
        what="augment",
        against={"keras": 0.35},
        **LARGE_SCENES,
    ),
    "predict-digits": Task(
        about="probabilities of 10,000 digits",
        what="predict",
        against={"scikeras": 0.5, "skorch": None},
        **DIGITS | {"n": 10_000},
    ),
    "predict-150": Task(
        about="probabilities of 1,000 images, 150 x 150, large network",
        what="predict",
        against={"scikeras": 0.9},
        **LARGE_SCENES | {"n": 1000},
    ),
    "latency": Task(
        about="probabilities of one digit at a time, 100 times",
        what="latency",
        against={"scikeras": 0.2, "skorch": None},
        **DIGITS,
    ),
    "memory-fit": Task(
        about="a fit on 2,666 images of 150 x 150",
        what="fit",
        against={"scikeras": None},
        memory=900,
        **MANY,
    ),
    "memory-search": Task(
        about="a search in 5 folds on them",
        what="search",
        against={"scikeras": None},
        grid={"learning_rate": [1e-3]},
        memory=900,
        **MANY,
    ),
    "memory-parallel": Task(
        about="the same with n_jobs=2",
        what="search",
        against={"scikeras": None},
        grid={"learning_rate": [1e-3]},
        n_jobs=2,
        memory=1600,
        **MANY,
    ),
    "growth-images": Task(
        about="a fit of 10 epochs on 1, 2 and 4 times 1,797 digits",
        what="fit",
        against={},
        grows_with="n",
        **DIGITS | {"epochs": 10},
    ),
    "growth-candidates": Task(
        about="a search over 1, 2 and 4 times 3 candidates",
        what="search",
        against={},
        grows_with="grid",
        **{k: v for k, v in SEARCH.items() if k != "what"},
    ),
    "growth-jobs": Task(
        about="a search over 12 candidates with 1, 2 and 4 processes",
        what="search",
        against={},
        grows_with="n_jobs",
        n_jobs=1,
        **{k: v for k, v in SEARCH.items() if k not in ("what", "grid")},
        grid={"learning_rate": [1e-2, 3e-3, 1e-3] * 4},
    ),
}


def task_named(name):
    """A task by its name, or as `name:2` the one that is twice as large."""
    name, _, times = name.partition(":")
    task = TASKS[name]
    if not times:
        return task
    value = getattr(task, task.grows_with)
    if isinstance(value, dict):
        value = {key: values * int(times) for key, values in value.items()}
    else:
        value *= int(times)
    return dataclasses.replace(task, **{task.grows_with: value})


def data_of(task):
    """Images (n, size, size, channels) of uint8 and labels."""
    if task.images == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        rows = np.arange(task.n) % len(X)
        return X[rows].reshape(-1, 8, 8, 1).astype(np.uint8), y[rows]
    rng = np.random.default_rng(0)
    y = np.arange(task.n) % 5
    # Stripes that run in another direction for each class, of any width and place, in
    # noise: what a convolution can tell, and brightness cannot.
    angle = y * np.pi / 5
    rows = np.linspace(-1, 1, task.size, dtype=np.float32)
    X = np.empty((task.n, task.size, task.size, 3), np.uint8)
    for image, turned in zip(X, angle, strict=True):
        across = np.sin(turned) * rows[:, None] + np.cos(turned) * rows
        wave = np.sin(rng.uniform(12, 24) * across + rng.uniform(0, 2 * np.pi))
        noise = rng.integers(0, 96, image.shape, dtype=np.uint8)
        image[:] = noise + (80 + 79 * wave).astype(np.uint8)[:, :, None]
    return X, y
