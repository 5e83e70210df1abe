"""A network together with all the state that training changes."""

import numpy as np

from .._utils._keras_config import DEFAULT_CONFIG


class TrainableNetwork:
    """A compiled Keras model and, if requested, averages of its weights.

    Its state is the list `variables`. The list contains the weights, the states of
    dropout layers, the variables of the optimizer, and the averages. To resume
    training, all of them must be restored.

    Parameters
    ----------
    model : keras.Model
        A built and compiled model with a built optimizer.
    average : bool
        Whether to average weights over training steps.
    keras_config : dict
        Settings of Keras under which the model was built and its graphs are traced; see
        :mod:`skcnn._utils._keras_config`.

    Attributes
    ----------
    model : keras.Model
    averages : WeightAverages or None
    keras_config : dict
    """

    def __init__(self, model, *, average, keras_config=DEFAULT_CONFIG):
        self.model = model
        self.keras_config = keras_config
        self._optimizer = model.optimizer
        self._trained = [id(v) for v in model.trainable_variables]
        self.averages = WeightAverages(model.trainable_variables) if average else None

    @property
    def variables(self):
        """All variables that training changes, as a list of keras.Variable."""
        averages = [] if self.averages is None else self.averages.variables
        return [*self.model.variables, *self.model.optimizer.variables, *averages]

    def is_recompiled(self):
        """Return whether the model was compiled again with a different optimizer."""
        return self.model.optimizer is not self._optimizer

    def check_trainable_variables(self):
        """Raise a ValueError if the set of trainable variables has changed."""
        if [id(v) for v in self.model.trainable_variables] != self._trained:
            raise ValueError(
                "The trainable layers of model_ have changed since it was compiled, "
                "and its optimizer knows the old ones only. Compile it again before "
                "fit, for example model_.compile(optimizer=keras.optimizers.Adam(1e-4),"
                " loss=model_.loss, metrics=['accuracy'])."
            )

    def shapes(self):
        """Return the shape and dtype of each of `variables`."""
        return [
            (tuple(v.shape), np.dtype(v.value.dtype.as_numpy_dtype))
            for v in self.variables
        ]

    def values(self):
        """Return the values of `variables` as arrays."""
        return [v.value.numpy() for v in self.variables]

    def snapshot(self):
        """Return the values of `variables` as tensors.

        A tensor shares its memory with its variable until the variable changes, so
        frozen weights are never copied.
        """
        return [v.value.read_value() for v in self.variables]

    def assign(self, values):
        """Restore the values that :meth:`values` or :meth:`snapshot` returned."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def swap_averages(self):
        """Swap the averages and the weights of the last step, without rounding them."""
        if self.averages is not None:
            self.averages.swap()

    def reset_averages(self):
        """Set the averages to the current weights, as the start of further training."""
        if self.averages is not None:
            self.averages.reset()


class WeightAverages:
    """Averages of network weights over roughly the last tenth of all training steps.

    The share of the newest weights decreases with the number of steps. The averages
    therefore forget the first weights, and the length of training need not be known in
    advance. This is the power function profile of Karras et al. (2024), section 3,
    https://arxiv.org/abs/2312.02696. The exponential averages of Keras' optimizers
    cover a fixed number of steps instead, which is too many for short fits and too few
    for long fits.

    Between epochs, the model holds the averages, and this object holds the weights of
    the last step. :meth:`swap` exchanges them.

    Parameters
    ----------
    weights : list of keras.Variable
    """

    def __init__(self, weights):
        import keras

        self._weights = list(weights)
        # Use one name for all averages, because TensorFlow keeps memory for each name.
        self._averages = [
            keras.Variable(
                "zeros", shape=w.shape, dtype=w.dtype, trainable=False, name="average"
            )
            for w in self._weights
        ]
        self._n_updates = keras.Variable(
            "zeros", shape=(), dtype="int64", trainable=False, name="n_updates"
        )

    @property
    def variables(self):
        return [self._n_updates, *self._averages]

    def update(self):
        """Update the averages with the weights after one more training step."""
        import tensorflow as tf

        share = 9 / (tf.cast(self._n_updates.value, tf.float32) + 9)
        for weight, average in zip(self._weights, self._averages, strict=True):
            difference = weight.value - average.value
            average.value.assign_add(difference * tf.cast(share, average.dtype))
        self._n_updates.value.assign_add(1)

    def swap(self):
        for weight, average in zip(self._weights, self._averages, strict=True):
            of_last_step = weight.value.read_value()
            weight.assign(average.value)
            average.assign(of_last_step)

    def reset(self):
        for weight, average in zip(self._weights, self._averages, strict=True):
            average.assign(weight.value)
