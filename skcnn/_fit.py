"""Train a network on checked data and set the fitted attributes."""

import contextlib
import copy
import functools
from numbers import Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._checkpoint._fingerprint import UnhashableError, fingerprint, versions
from ._checkpoint._policy import Checkpointer, NullCheckpointer
from ._checkpoint._store import store_location
from ._network._augmentation import check_augment, layer_settings
from ._network._builder import build_cnn
from ._network._optimizers import make_optimizer
from ._network._serialization import warn_if_not_copyable
from ._network._trainable import TrainableNetwork, shapes
from ._training._callbacks import KerasCallbacks, SklearnCallbacks, copy_callbacks
from ._training._data import ArrayDataset, ImageReader, rows_with_weight, split_rows
from ._training._early_stopping import EarlyStopping
from ._training._input_statistics import InputStatistics
from ._training._loop import TrainingLoop
from ._training._stages import make_predictor, make_stages
from ._training._trainer import seed_dropout
from ._utils._fixes import fresh_auto_names, has_only_progress_callbacks
from ._utils._keras_config import (
    DEFAULT_CONFIG,
    DTYPE_POLICY,
    config_for_builders,
    keras_config,
)
from ._utils._random import SPLIT, WEIGHTS, draw_seed, seed_sequence, seeded_build
from ._utils._validation import check_weights, encode_targets, same_value
from ._utils._warnings import warn_user

# Parameters of the built-in network. A builder passed as model= has its own parameters.
NETWORK_PARAMS = (
    "filters",
    "last_filters",
    "kernel_size",
    "stem_strides",
    "width_factor",
    "dense_units",
    "dropout",
    "last_dropout",
    "l2",
    "normalize",
    "batch_norm",
    "pooling",
)
# Parameters that cannot change on a warm start. As an exception, a constant learning
# rate may be replaced with another constant.
FIXED_ON_WARM_START = (
    *NETWORK_PARAMS,
    *("model", "label_smoothing", "optimizer", "learning_rate", "average"),
    "precision",
)
# Parameters that are not part of the cache key. They either do not affect the network
# weights after each epoch, or determine a value that is part of the key instead: the
# sample weights, the image shape or the seed.
_NOT_IN_CACHE_KEY = frozenset(
    {
        *("epochs", "max_time", "memory", "verbose", "warm_start", "callbacks"),
        *("class_weight", "image_shape", "random_state"),
    }
)


class FitMixin:
    """Mixin that contains the training code shared by `fit` and `partial_fit`.

    :class:`~skcnn.CNNClassifier` checks parameters and data. This class splits the
    data, builds a network or continues with the existing one, runs the training loop
    with checkpoints and callbacks, and sets the fitted attributes.
    """

    def _check_warm_start(self, y):
        """Raise a ValueError if training of the fitted network cannot continue."""
        if self._compiled_by_builder:
            self._check_compiled_by_builder()
        changed = [
            name
            for name, value in self._params_at_build.items()
            if not same_value(value, getattr(self, name))
            and not (name == "learning_rate" and self._has_new_learning_rate())
        ]
        if changed:
            raise ValueError(
                f"The parameters {', '.join(changed)} have changed since the network "
                "was built, and cannot change while its training continues. Set them "
                "back, or train a new network with fit and warm_start=False."
            )
        encode_targets(y, self.classes_)

    def _has_new_learning_rate(self):
        """Return whether the learning rate has changed from one number to another."""
        rates = (self._params_at_build["learning_rate"], self.learning_rate)
        if not all(isinstance(rate, Real) for rate in rates) or rates[0] == rates[1]:
            return False
        # A function passed as optimizer may have turned the constant into a schedule.
        return isinstance(
            self.model_.optimizer.get_config().get("learning_rate"), float
        )

    @contextlib.contextmanager
    def _rollback_on_error(self):
        """Restore the previous state of the estimator if training fails.

        If training is interrupted after at least one epoch, the trained network is
        kept.
        """
        before = self._fitted_attributes()
        network = before.get("_network")
        values = None if network is None else network.snapshot()
        try:
            yield
        except BaseException as error:
            is_interrupted = getattr(self, "_is_interrupted", False)
            if not (isinstance(error, KeyboardInterrupt) and is_interrupted):
                for name in self._fitted_attributes():
                    delattr(self, name)
                vars(self).update(before)
                if network is not None:
                    network.assign(values)
                if before.get("_input_statistics") is not None:
                    _set_rescaling(network.model, before["_input_statistics"])
            raise
        finally:
            vars(self).pop("_is_interrupted", None)

    def _fitted_attributes(self):
        """Return the attributes that training sets."""
        private = (
            *("_params_at_build", "_compiled_by_builder", "_network", "_predictor"),
            *("_input_statistics", "_seed"),
        )
        return {
            name: value
            for name, value in vars(self).items()
            if name in private or (name.endswith("_") and not name.startswith("_"))
        }

    def _build(self, seed, classes, images, statistics):
        """Build the network of a fit.

        Returns
        -------
        TrainableNetwork
        compiled_by_builder : bool
            Whether the builder has compiled the network with its own optimizer.
        """
        from ._network import _build

        policy = DTYPE_POLICY[self.precision]
        sequence = seed_sequence(seed, WEIGHTS)
        if self.model is None:
            params = {name: getattr(self, name) for name in NETWORK_PARAMS}
            builder = functools.partial(
                build_cnn, **params, dtype=policy, seed=sequence
            )
            settings, model_policy = DEFAULT_CONFIG, "float32"
            context = fresh_auto_names()
        else:
            builder = self.model
            settings, model_policy = config_for_builders(), policy
            context = seeded_build(sequence)
        meta = {
            "image_shape_": self.image_shape_,
            "n_classes_": len(classes),
            "classes_": classes,
            "input_rescaling_": statistics and statistics.rescaling(),
            # Names that builders written for scikeras expect.
            "X_shape_": (len(images), *self.image_shape_),
            "X_dtype_": images.array.dtype,
            "n_features_in_": self.n_features_in_,
            "n_outputs_": 1,
            "n_outputs_expected_": 1,
            # Do not derive this from y, which may lack some classes in partial_fit.
            "target_type_": "binary" if len(classes) == 2 else "multiclass",
        }
        smoothing = float(self.label_smoothing) if self.model is None else 0.0
        with context, keras_config(settings, model_policy):
            optimizer = make_optimizer(self.optimizer, self.learning_rate)
            model = _build.build_model(
                builder, meta, optimizer=optimizer, label_smoothing=smoothing
            )
            compiled_by_builder = model.optimizer is not optimizer
            network = TrainableNetwork(
                model,
                average=not compiled_by_builder and self._averages_weights(optimizer),
                keras_config=settings,
                fine_tuning=getattr(model, "fine_tuning", None),
            )
        _build.check_network(model, images, len(classes))
        if compiled_by_builder:
            self._check_compiled_by_builder()
        if self.model is not None:
            warn_if_not_copyable(network)
        seed_dropout(network, seed)
        return network, compiled_by_builder

    def _averages_weights(self, optimizer):
        """Return whether to average the network weights.

        If the user has passed an optimizer object, the weights are not averaged.
        """
        from keras.optimizers import Optimizer

        return (
            self.average
            and not isinstance(self.optimizer, Optimizer)
            and not optimizer.use_ema
            and not hasattr(optimizer, "inner_optimizer")
        )

    def _check_compiled_by_builder(self):
        """Raise a ValueError if `optimizer` or `learning_rate` is set but not used."""
        without_effect = self._not_default("optimizer", "learning_rate")
        if without_effect:
            raise ValueError(
                f"Got {', '.join(f'{k}={v!r}' for k, v in without_effect.items())}, "
                "but the builder passed as model= compiles its network with an "
                "optimizer of its own. Let it return the network uncompiled, or give "
                "it an argument `compile_kwargs` and call "
                "network.compile(**compile_kwargs)."
            )

    def _train(
        self,
        X,
        y,
        *,
        sample_weight,
        groups,
        validation_set,
        classes,
        incremental,
        epochs,
        context,
        is_partial,
    ):
        """Train on checked data and set the fitted attributes.

        Parameters
        ----------
        validation_set : tuple of X_val and y_val, or None
        incremental : bool
            Whether to continue training the existing network.
        is_partial : bool
            Whether the caller is `partial_fit`, which uses no validation set, no
            checkpoints and no time limit.
        """
        from ._network._build import target_encoder

        y_encoded = encode_targets(y, classes)
        weight = check_weights(sample_weight, self.class_weight, X, y, classes)
        rows = rows_with_weight(weight, y_encoded, min_classes=1 if is_partial else 2)
        seed = self._seed if incremental else draw_seed(self.random_state)
        held_out = None
        has_split = validation_set is None and self.validation_fraction is not None
        if has_split and not is_partial:
            rows, held_out = split_rows(
                rows,
                y_encoded,
                self.validation_fraction,
                seed_sequence(seed, SPLIT),
                groups=groups,
            )
        images = ImageReader(X, self.image_shape_)
        statistics = self._input_statistics_of(images, rows, is_partial=is_partial)
        if incremental:
            fitted = self._continued_network(statistics)
        else:
            fitted = self._new_network(seed, classes, images, statistics)
        network, history = fitted["_network"], fitted["history_"]

        encode = target_encoder(network.model, len(classes))
        data = ArrayDataset(images, y_encoded, encode, weight, rows)
        validation = None
        if held_out is not None:
            validation = ArrayDataset(images, y_encoded, encode, weight, held_out)
        elif validation_set is not None:
            validation = self._validation_dataset(validation_set, data, y, classes)

        def fitted_attributes():
            return fitted | {"n_epochs_": len(history["loss"])}

        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        task = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        sklearn_callbacks = SklearnCallbacks(context, task, fitted_attributes)
        sklearn_callbacks.on_train_begin()
        checkpointer = NullCheckpointer()
        if not is_partial and not incremental:
            checkpointer = self._make_checkpointer(
                network, seed, classes, data, validation
            )
        loop = self._make_loop(
            network,
            seed,
            data=data,
            validation=validation,
            n_epochs=int(epochs),
            history=history,
            sklearn_callbacks=sklearn_callbacks,
            checkpointer=checkpointer,
            after_epoch=lambda: self._report_epoch(fitted_attributes()),
            max_time=None if is_partial else self.max_time,
        )
        try:
            with checkpointer:
                loop.run(int(epochs))
        except KeyboardInterrupt:
            if loop.n_completed:
                vars(self).update(fitted_attributes())
                self._is_interrupted = True
                # Raise the KeyboardInterrupt even if warnings are errors.
                with contextlib.suppress(ConvergenceWarning):
                    warn_user(
                        f"Training was interrupted after {loop.n_completed} of "
                        f"{epochs} epochs. The network of the last completed epoch is "
                        "kept, and predict works.",
                        ConvergenceWarning,
                    )
            raise
        vars(self).update(fitted_attributes())
        sklearn_callbacks.on_train_end()

    def _validation_dataset(self, validation_set, data, y, classes):
        """Convert the validation set that was passed to `fit` to an ArrayDataset."""
        X_val, y_val = validation_set
        y_encoded = encode_targets(y_val, classes)
        weight = None
        if data.weight is not None:
            # Use the training data's class weights, but no sample weights.
            weight = np.ones(len(y_val), np.float32)
            by_class = check_weights(None, self.class_weight, data.images, y, classes)
            if by_class is not None:
                of_class = np.ones(len(classes), np.float32)
                of_class[data.y_encoded] = by_class
                weight = of_class[y_encoded]
        images = ImageReader(X_val, self.image_shape_)
        rows = np.arange(len(images))
        return ArrayDataset(images, y_encoded, data.encode, weight, rows)

    def _new_network(self, seed, classes, images, statistics):
        """Return the fitted attributes for a new, untrained network."""
        network, compiled_by_builder = self._build(seed, classes, images, statistics)
        return {
            "classes_": classes,
            "model_": network.model,
            "history_": {},
            "_network": network,
            "_predictor": make_predictor(network, self._store_location()),
            "_seed": seed,
            "_input_statistics": statistics,
            "_compiled_by_builder": compiled_by_builder,
            "_params_at_build": {n: getattr(self, n) for n in FIXED_ON_WARM_START},
        }

    def _input_statistics_of(self, images, rows, *, is_partial):
        """Return the statistics for normalizing images, or None if they are not needed.

        `fit` computes them from the images passed to it, and `partial_fit` from all
        images since the last `fit`.
        """
        if self.model is not None or not self.normalize:
            return None
        statistics = InputStatistics()
        if is_partial:
            before = vars(self).get("_input_statistics", statistics)
            statistics = copy.copy(before)
        return statistics.update(images, rows)

    def _continued_network(self, statistics):
        """Return the fitted attributes for further training of the existing network."""
        fitted = self._fitted_attributes()
        network = self._network
        if network.is_recompiled():
            if not self.model_.optimizer.built:
                self.model_.optimizer.build(self.model_.trainable_variables)
            fitted["_network"] = network = TrainableNetwork(
                self.model_, average=False, keras_config=network.keras_config
            )
            fitted["_compiled_by_builder"] = True
        network.check_trainable_variables()
        if self._has_new_learning_rate():
            network.set_learning_rate(float(self.learning_rate))
        if statistics is not None:
            _set_rescaling(self.model_, statistics)
        return fitted | {
            "history_": {name: list(v) for name, v in self.history_.items()},
            "_predictor": make_predictor(network, self._store_location()),
            "_input_statistics": statistics,
            "_params_at_build": {n: getattr(self, n) for n in FIXED_ON_WARM_START},
        }

    def _make_loop(
        self, network, seed, *, data, validation, n_epochs, history, **loop_params
    ):
        """Make the training loop from the parameters of this estimator."""
        n_before = len(history.get("loss", ()))
        stages = make_stages(
            network,
            data,
            validation,
            epochs=range(n_before, n_before + n_epochs),
            augment=check_augment(self.augment),
            location=self._store_location(),
            batch_size=int(self.batch_size),
            weighted=data.weight is not None,
            seed=seed,
        )
        keras_callbacks = KerasCallbacks(
            copy_callbacks(self.callbacks),
            model=network.model,
            targets=data.encode(data.y_encoded[data.rows[:1]]),
            verbose=int(self.verbose),
            epochs=n_before + n_epochs,
            steps=stages[0].trainer.n_steps(data),
        )
        early_stopping = None
        if self.early_stopping:
            early_stopping = EarlyStopping(self.patience, self.tol)
        return TrainingLoop(
            network,
            stages,
            keras_callbacks=keras_callbacks,
            early_stopping=early_stopping,
            history=history,
            **loop_params,
        )

    def _store_location(self):
        """Return the folder for checkpoints, or None if it cannot be used."""
        if self.memory is None:
            return None
        try:
            return store_location(self.memory)
        except OSError:  # _make_checkpointer warns about it
            return None

    def _report_epoch(self, attributes):
        """Pass the estimator, as fitted so far, to the hook set by `epoch_curve`."""
        if self._after_epoch is not None:
            fitted = object.__new__(type(self))
            vars(fitted).update(vars(self) | attributes)
            self._after_epoch(fitted)

    def _make_checkpointer(self, network, seed, classes, data, validation):
        """Return a checkpointer for a fit, or a NullCheckpointer without `memory`."""
        if self.memory is None:
            return NullCheckpointer()
        try:
            if self.random_state is None:
                raise UnhashableError(
                    "set random_state, since unseeded fits cannot be reproduced"
                )
            if self.callbacks or not has_only_progress_callbacks(self):
                raise UnhashableError(
                    "the side effects of callbacks cannot be replayed"
                )
            location = store_location(self.memory)
            if location is None:
                return NullCheckpointer()
            datasets = [data] if validation is None else [data, validation]
            key = fingerprint(
                versions(),
                type(self),
                self._cache_key_params(),
                seed,
                self.image_shape_,
                network.keras_config,
                classes,
                *((d.images.array, d.y_encoded, d.weight, d.rows) for d in datasets),
                # Include the initial network weights, since a builder may depend on
                # state other than its parameters.
                network.values(),
            )
        except (UnhashableError, OSError) as error:
            warn_user(f"memory={self.memory!r} is ignored for this fit: {error}.")
            return NullCheckpointer()
        return Checkpointer(location, key, int(self.epochs), shapes(network.state))

    def _cache_key_params(self):
        """Return the parameters that determine the network weights after each epoch."""
        params = {
            name: getattr(self, name)
            for name in self._get_param_names()
            if name not in _NOT_IN_CACHE_KEY
        }
        if not self.early_stopping:
            del params["early_stopping"], params["patience"], params["tol"]
        if hasattr(self.augment, "get_config"):
            params["augment"] = layer_settings(self.augment)
        return params


def _set_rescaling(model, statistics):
    """Set the statistics by which the built-in network normalizes its input."""
    layer = model.get_layer("rescale")
    layer.scale, layer.offset = statistics.rescaling()
