"""Random numbers: one seed of a fit, a stream of its own for each purpose."""

import contextlib
import random
import threading

import numpy as np
from sklearn.utils import check_random_state

# What a fit draws random numbers for. The numbers are part of what a seed means:
# changing one changes the results of everybody's seeds.
WEIGHTS, SPLIT, SHUFFLE, AUGMENT, LAYERS = range(5)
_SEED_STATE = "seed_generator_state"
# Where Keras counts the names that it has given.
_NAMES = "object_name_uids"
_lock = threading.RLock()


def draw_seed(random_state):
    """One integer that decides a whole fit, drawn from `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def stream(seed, purpose, epoch=0):
    """The `numpy.random.SeedSequence` of one purpose, in one epoch.

    Streams are addressed, not drawn one after the other: epoch 7 has the same shuffle
    whether epochs 1 to 6 were trained in this fit or in an earlier one that this one
    continues.
    """
    return np.random.SeedSequence(seed, spawn_key=(purpose, epoch))


def reseed(variables, sequence):
    """Give every Keras seed generator among `variables` a state of its own.

    `keras.Variable.path` of a generator's state ends in ``seed_generator_state``:
    that of a dropout layer of a user's network, of a user's augmentation layer.
    """
    states = [v for v in variables if v.path.rsplit("/", 1)[-1] == _SEED_STATE]
    for state, child in zip(states, sequence.spawn(len(states)), strict=True):
        state.assign(np.array([child.generate_state(1)[0] >> 1, 0], dtype=np.uint32))


@contextlib.contextmanager
def fresh_names():
    """Let Keras' automatic names begin anew, and go on afterwards as if nothing was.

    Every fit then has the names of the first. TensorFlow keeps something, 34 KB of it,
    for each name that a variable has ever had: memory would grow with each fit.
    """
    from keras.src.backend.common import global_state

    counts = global_state.get_global_attribute(_NAMES)  # of this thread
    global_state.set_global_attribute(_NAMES, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(_NAMES, counts)


@contextlib.contextmanager
def seeded_build(sequence, dtype_policy):
    """Seed what a user's builder draws from while it builds, and put it all back.

    Keras draws the seeds of initializers that were given none from Python's `random`,
    and builders use NumPy's global generator. There is no other way to reach them, so
    both are seeded for the time of the call, and the dtype policy of this thread is
    set; one builder runs at a time, with :func:`fresh_names`.
    """
    from keras import config

    with _lock, fresh_names():
        python_state = random.getstate()
        numpy_state = np.random.get_state()  # noqa: NPY002, builders draw from it
        policy = config.dtype_policy()
        try:
            python_seed, numpy_seed = sequence.generate_state(2)
            random.seed(int(python_seed))
            np.random.seed(int(numpy_seed))  # noqa: NPY002
            config.set_dtype_policy(dtype_policy)
            yield
        finally:
            config.set_dtype_policy(policy)
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
