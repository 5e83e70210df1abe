"""Random numbers: one seed for each fit, and a separate stream for each purpose."""

import contextlib
import random
import threading

import numpy as np
from sklearn.utils import check_random_state

from ._fixes import fresh_auto_names

# A fit draws random numbers for these purposes. Do not change the constants, because
# every seed would then give different results.
WEIGHTS, SPLIT, SHUFFLE, AUGMENT, DROPOUT_MASKS = range(5)
_SEED_STATE = "seed_generator_state"
_lock = threading.RLock()


def draw_seed(random_state):
    """Draw the integer that seeds all random numbers of a fit."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def seed_sequence(seed, purpose, epoch=0):
    """Return the `numpy.random.SeedSequence` for one purpose in one epoch.

    Each sequence depends only on the seed, the purpose and the epoch, and not on
    earlier draws. Epoch 7 is therefore shuffled in the same way whether this fit has
    trained epochs 1 to 6 or resumes a fit that has.

    Parameters
    ----------
    seed : int
        The return value of :func:`draw_seed`.
    purpose : int
        One of `WEIGHTS`, `SPLIT`, `SHUFFLE`, `AUGMENT` and `DROPOUT_MASKS`.
    epoch : int, default=0

    Returns
    -------
    numpy.random.SeedSequence
    """
    return np.random.SeedSequence(seed, spawn_key=(purpose, epoch))


def is_seed_state(variable):
    """Return whether a variable is the state of a Keras seed generator."""
    return variable.path.rsplit("/", 1)[-1] == _SEED_STATE


def reseed(variables, sequence):
    """Set the state of each Keras seed generator among `variables`.

    Seed generators belong to dropout layers and to random augmentation layers. The path
    of their state ends in ``seed_generator_state``.
    """
    states = list(filter(is_seed_state, variables))
    for state, child in zip(states, sequence.spawn(len(states)), strict=True):
        state.assign(np.array([child.generate_state(1)[0] >> 1, 0], dtype=np.uint32))


@contextlib.contextmanager
def seeded_build(sequence):
    """Seed all generators that a user's builder may use, and restore them afterwards.

    If an initializer has no seed, Keras draws one from Python's `random`, and some
    builders use NumPy's global generator. Neither generator can be passed to a builder,
    so both are seeded while it runs. Only one builder runs at a time, and it starts
    with fresh automatic names.
    """
    with _lock, fresh_auto_names():
        python_state = random.getstate()
        numpy_state = np.random.get_state()  # noqa: NPY002, builders may use it
        try:
            python_seed, numpy_seed = sequence.generate_state(2)
            random.seed(int(python_seed))
            np.random.seed(int(numpy_seed))  # noqa: NPY002
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
