"""Stages of training: which network is trained on which data, from which epoch on.

Most fits have one stage. Fine-tuning of a pretrained network has two: the first stage
trains only the layers after the pretrained network, and the second trains all layers.
A stage computes the outputs of a frozen part of the network only once.
"""

import functools

import numpy as np

from ._frozen_features import FrozenFeatures, FrozenPredictor, with_frozen_features
from ._predictor import Predictor
from ._trainer import Trainer


class Stage:
    """A part of the training of a network.

    Parameters
    ----------
    first_epoch : int
    trainer : Trainer
    optimizer : keras.optimizers.Optimizer
        The optimizer of the trained network.
    data : ArrayDataset
        Training data.
    validation : ArrayDataset or None
    features : FrozenFeatures or None
        Turns the images of both datasets into features, when they are first used.
    """

    def __init__(
        self, first_epoch, trainer, optimizer, data, validation, features=None
    ):
        self.first_epoch = first_epoch
        self.trainer = trainer
        self.optimizer = optimizer
        self._datasets = data, validation
        self._features = features

    @functools.cached_property
    def data(self):
        return self._prepared(self._datasets[0])

    @functools.cached_property
    def validation(self):
        return self._prepared(self._datasets[1])

    def _prepared(self, dataset):
        if dataset is None or self._features is None:
            return dataset
        return with_frozen_features(dataset, self._features)


def make_stages(network, data, validation, *, epochs, augment, location, **params):
    """Return the stages of a fit, in order.

    Parameters
    ----------
    network : TrainableNetwork
    data : ArrayDataset
    validation : ArrayDataset or None
    epochs : range
        The epochs of the fit. The first epoch is not 0 if training continues.
    augment : dict, keras.Layer or None
    location : pathlib.Path or None
        Folder for checkpoints, in which features are also stored.
    **params : dict
        Other parameters of :class:`~skcnn._training._trainer.Trainer`.

    Returns
    -------
    list of Stage
    """
    networks, n_first = [], 0
    if network.first_network is not None:
        n_first = network.fine_tuning.head_epochs
        if epochs.start < n_first:
            networks.append((0, network.first_network))
    if n_first < epochs.stop:
        networks.append((n_first, network))
    stages = []
    for first_epoch, trained in networks:
        features = None
        part = None
        if augment is None:
            part = _frozen_part(trained, data.images.shape)
        if part is not None:
            features = FrozenFeatures(part, location)
            trained = part.head
        trainer = Trainer(
            trained,
            augment=augment,
            image_shape=data.images.shape,
            first_epoch=first_epoch,
            **params,
        )
        stages.append(
            Stage(first_epoch, trainer, trained.optimizer, data, validation, features)
        )
    return stages


def make_predictor(network, location=None):
    """Return an object that computes the probabilities of any number of images.

    Parameters
    ----------
    network : TrainableNetwork
    location : pathlib.Path or None
        Folder for checkpoints, in which features are also stored.

    Returns
    -------
    Predictor or FrozenPredictor
    """
    part = _frozen_part(network, network.model.input_shape[1:])
    return Predictor(network) if part is None else FrozenPredictor(part, location)


def _frozen_part(network, image_shape):
    """Return the frozen part of a network if computing its outputs once is possible.

    The features of an image must have no more values than the image. The layers after
    the frozen part are trained in graphs that other networks could share, because only
    such graphs take the variables of another model.
    """
    from .._compiled._cache import can_share_graphs
    from .._network._frozen import split_frozen

    part = split_frozen(network)
    if (
        part is None
        or None in image_shape
        or np.prod(part.feature_shape) > np.prod(image_shape)
        or not can_share_graphs(part.head)
    ):
        return None
    return part
