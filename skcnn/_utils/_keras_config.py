"""Keep global settings of Keras and TensorFlow from changing our networks.

The built-in network must depend only on its parameters. It is therefore built, compiled
and traced under Keras' default settings, whatever the settings of the process are. A
user's builder runs under the settings of the process, and its network is traced under
the same settings.
"""

import contextlib

# Settings of `keras.config` that affect what a network computes, with their defaults.
DEFAULT_CONFIG = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
# Keras' dtype policy for each value of the parameter `precision`.
DTYPE_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def config_for_builders():
    """Return the settings under which a user's builder runs.

    These are the settings of the process, except for the data format, because builders
    are passed image shapes with the channels last.
    """
    return _current_config() | {"image_data_format": "channels_last"}


def _current_config():
    from keras import config

    return {name: getattr(config, name)() for name in DEFAULT_CONFIG}


@contextlib.contextmanager
def keras_config(settings, dtype_policy="float32"):
    """Change settings of Keras inside a ``with`` block.

    Inside the block, TensorFlow traces functions even after
    ``tf.config.run_functions_eagerly(True)``.

    Parameters
    ----------
    settings : dict
        Values for the keys of `DEFAULT_CONFIG`.
    dtype_policy : str, default="float32"
        Dtype policy of the model as a whole. With the policy float16, a model would
        scale its losses, whatever the policies of its layers are.
    """
    import tensorflow as tf
    from keras import config

    before, policy = _current_config(), config.dtype_policy()
    run_eagerly = tf.config.functions_run_eagerly()
    try:
        _set(settings)
        config.set_dtype_policy(dtype_policy)
        tf.config.run_functions_eagerly(False)
        yield
    finally:
        _set(before)
        config.set_dtype_policy(policy)
        tf.config.run_functions_eagerly(run_eagerly)


def _set(settings):
    from keras import config

    for name, value in settings.items():
        if getattr(config, name)() != value:
            getattr(config, f"set_{name}")(value)


def check_execution_mode():
    """Raise a RuntimeError under a distribution strategy or without eager execution."""
    import tensorflow as tf

    if tf.distribute.has_strategy():
        strategy = type(tf.distribute.get_strategy()).__name__
        raise RuntimeError(
            "CNNClassifier trains on one device, but is called in the scope of a "
            f"tf.distribute.{strategy}. Call it outside of `with strategy.scope():`. "
            "To use several devices, run a search with n_jobs."
        )
    if not tf.executing_eagerly():
        raise RuntimeError(
            "CNNClassifier needs eager execution, which is disabled here. Do not call "
            "tf.compat.v1.disable_eager_execution() or "
            "tf.compat.v1.disable_v2_behavior(), and do not call it inside a "
            "tf.function or a tf.Graph."
        )
