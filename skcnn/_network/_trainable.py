"""A network together with all the state that training changes."""

import contextlib
from dataclasses import dataclass

import numpy as np

from .._utils._fixes import compile_arguments
from .._utils._keras_config import DEFAULT_CONFIG


@dataclass(frozen=True)
class FineTuning:
    """How to train a network that contains a pretrained network.

    A builder sets it as the attribute `fine_tuning` of the network that it returns.

    Parameters
    ----------
    backbone : str
        Name of the layer that is the pretrained network.
    head_epochs : int
        Number of epochs in which only the other layers are trained.
    rate_factor : float
        Factor of the learning rate after these epochs.
    """

    backbone: str
    head_epochs: int
    rate_factor: float


class TrainableNetwork:
    """A compiled Keras model and, if requested, averages of its weights.

    Its state is the list `state`. The list contains the weights, the states of dropout
    layers, the variables of the optimizer, and the averages. To resume training, all of
    them must be restored.

    Parameters
    ----------
    model : keras.Model
        A built and compiled model with a built optimizer.
    average : bool
        Whether to average weights over training steps.
    keras_config : dict
        Settings of Keras under which the model was built and its graphs are traced; see
        :mod:`skcnn._utils._keras_config`.
    fine_tuning : FineTuning, default=None
        How to train the network if it contains a pretrained network.

    Attributes
    ----------
    model : keras.Model
    averages : WeightAverages or None
    keras_config : dict
    fine_tuning : FineTuning or None
    first_network : TrainableNetwork or None
        The network to train in the first epochs, if `fine_tuning` says so. It has the
        same layers, but trains only some of them, with an optimizer of its own.
    """

    UNKNOWN = object()
    frozen_part = UNKNOWN  # set by `split_frozen`
    needs_shared_graph = False  # whether only graphs use `variables` instead of `model`
    frozen_layer = None  # a layer that is not trained, whatever its flag says
    first_network = None

    def __init__(
        self, model, *, average, keras_config=DEFAULT_CONFIG, fine_tuning=None
    ):
        self.model = model
        self.keras_config = keras_config
        self.fine_tuning = fine_tuning
        self._optimizer = model.optimizer
        self._trained = [id(v) for v in model.trainable_variables]
        self.averages = WeightAverages(model.trainable_variables) if average else None
        if fine_tuning is not None:
            optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
            if not isinstance(optimizer.get_config()["learning_rate"], float):
                raise ValueError(
                    "Got a schedule as learning_rate, but fine-tuning needs a number, "
                    "because it lowers the learning rate after the first epochs. Pass "
                    "a number, or set model__trainable=False."
                )
            if fine_tuning.head_epochs:
                self.first_network = self._make_first_network(average)
            self.set_learning_rate(float(model.optimizer.learning_rate))

    def _make_first_network(self, average):
        """Return a network that trains all layers but the backbone."""
        import keras

        backbone = self.model.get_layer(self.fine_tuning.backbone)
        optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        model = keras.Model(self.model.inputs[0], self.model.outputs[0])
        model.compile(**compile_arguments(self.model) | {"optimizer": optimizer})
        with frozen(backbone):
            optimizer.build(model.trainable_variables)
            network = TrainableNetwork(
                model, average=average, keras_config=self.keras_config
            )
        network.frozen_layer = backbone
        return network

    @property
    def optimizer(self):
        """The optimizer of the model, also while `first_network` is trained.

        In this stage, the model has the optimizer of `first_network`, for callbacks.
        """
        optimizer, first = self.model.optimizer, self.first_network
        is_of_first = first is not None and optimizer is first.optimizer
        return self._optimizer if is_of_first else optimizer

    def set_learning_rate(self, rate):
        """Set the learning rate, or the rates of both stages of fine-tuning."""
        if self.first_network is not None:
            self.first_network.optimizer.learning_rate = rate
        factor = 1.0 if self.fine_tuning is None else self.fine_tuning.rate_factor
        self.optimizer.learning_rate = rate * factor

    def training_flags(self):
        """Return a context in which the layers' flags say which of them are trained."""
        layer = self.frozen_layer
        return contextlib.nullcontext() if layer is None else frozen(layer)

    @property
    def variables(self):
        """All variables of the graphs of this network, as a list of keras.Variable."""
        return [*self.model.variables, *self.own_variables]

    @property
    def own_variables(self):
        """The variables of the optimizer, and the averages."""
        averages = [] if self.averages is None else self.averages.variables
        return [*self.optimizer.variables, *averages]

    @property
    def state(self):
        """All variables that training changes, as a list of keras.Variable."""
        first = self.first_network
        return self.variables + ([] if first is None else first.own_variables)

    def is_recompiled(self):
        """Return whether the model was compiled again with a different optimizer."""
        return self.optimizer is not self._optimizer

    def check_trainable_variables(self):
        """Raise a ValueError if the set of trainable variables has changed."""
        if [id(v) for v in self.model.trainable_variables] != self._trained:
            raise ValueError(
                "The trainable layers of model_ have changed since it was compiled, "
                "and its optimizer knows the old ones only. Compile it again before "
                "fit, for example model_.compile(optimizer=keras.optimizers.Adam(1e-4),"
                " loss=model_.loss, metrics=['accuracy'])."
            )

    def values(self):
        """Return the values of `state` as arrays."""
        return [v.value.numpy() for v in self.state]

    def snapshot(self):
        """Return the values of `state` as tensors.

        A tensor shares its memory with its variable until the variable changes, so
        frozen weights are never copied.
        """
        return [v.value.read_value() for v in self.state]

    def assign(self, values):
        """Restore the values that :meth:`values` or :meth:`snapshot` returned."""
        for variable, value in zip(self.state, values, strict=True):
            variable.assign(value)

    def swap_averages(self):
        """Swap the averages and the weights of the last step, without rounding them."""
        if self.averages is not None:
            self.averages.swap()

    def reset_averages(self):
        """Set the averages to the current weights, as the start of further training."""
        if self.averages is not None:
            self.averages.reset()


def nested_layers(model):
    """Yield all layers in a model or layer, each before the layers in it."""
    from keras import Layer

    for part in (*getattr(model, "layers", ()), *vars(model).values()):
        if isinstance(part, Layer) and part is not model:
            yield part
            yield from nested_layers(part)


@contextlib.contextmanager
def frozen(layer):
    """Make a layer and all layers in it untrainable inside a ``with`` block."""
    flags = [(part, part.trainable) for part in (layer, *nested_layers(layer))]
    layer.trainable = False
    try:
        yield
    finally:
        # A layer passes its flag on to the layers in it, which come after it.
        for part, flag in flags:
            part.trainable = flag


def shapes(variables):
    """Return the shape and dtype of each of the given variables."""
    return [(tuple(v.shape), np.dtype(v.value.dtype.as_numpy_dtype)) for v in variables]


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
