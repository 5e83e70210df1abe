"""Run one epoch of training or one evaluation."""

import numpy as np

from .._network._augmentation import copy_layer
from .._utils._random import AUGMENT, DROPOUT_MASKS, SHUFFLE, reseed, seed_sequence

# Images are sent to the device in chunks of this many bytes. Chunks should be small,
# because Ctrl-C takes effect only at the end of a chunk, and because each chunk is
# copied in memory. At 4 MB, the overhead of one Python call per chunk is negligible.
_CHUNK_BYTES = 2**22


class Trainer:
    """Runs training epochs and evaluations of one network.

    Each step is equivalent to a step of ``keras.Model.fit``. The same batches give the
    same network weights.

    Parameters
    ----------
    network : TrainableNetwork
    batch_size : int
    weighted : bool
        Whether the samples have weights.
    seed : int
        Seed of the fit.
    augment : dict, keras.Layer or None
        Settings of :func:`~skcnn._network._augmentation.random_affine`, or a layer.
    image_shape : tuple (height, width, channels)
    first_epoch : int
        The first epoch in which this network is trained.

    Raises
    ------
    ValueError
        If the layer `augment` changes the shape of images.
    """

    def __init__(
        self,
        network,
        *,
        batch_size,
        weighted,
        seed,
        augment,
        image_shape,
        first_epoch=0,
    ):
        self.network = network
        self.batch_size = batch_size
        self._first_epoch = first_epoch
        self._weighted = weighted
        self._seed = seed
        self._runners = {}
        self._augment_layer = None
        self._augment = augment
        if augment is not None and not isinstance(augment, dict):
            self._augment_layer = layer = copy_layer(augment, image_shape, seed)
            self._augment = lambda images, seed: layer(images, training=True)

    def n_steps(self, data):
        """Return the number of training steps in an epoch."""
        return -(-len(data) // self.batch_size)

    def train_epoch(self, data, epoch, *, steps_per_chunk=None, on_chunk=None):
        """Train on each row once, in an order that depends on the seed and the epoch.

        Parameters
        ----------
        data : ArrayDataset
        epoch : int
        steps_per_chunk : int, default=None
            Maximum number of batches in one chunk. None means as many as `_CHUNK_BYTES`
            allows.
        on_chunk : BatchHooks, default=None
            Called before and after each chunk.

        Returns
        -------
        dict of str to float
            Loss and metrics.
        """
        rng = np.random.default_rng(seed_sequence(self._seed, SHUFFLE, epoch))
        order = rng.permutation(len(data))
        augment_sequence = seed_sequence(self._seed, AUGMENT, epoch)
        (augment_seed,) = augment_sequence.generate_state(1)
        if self._augment_layer is not None:
            reseed(self._augment_layer.variables, augment_sequence)
        if epoch > self._first_epoch:  # continue from the last step's weights
            self.network.swap_averages()
        logs = self._run(
            data,
            order,
            train=True,
            seed=int(augment_seed >> 1),
            steps_per_chunk=steps_per_chunk,
            on_chunk=on_chunk,
        )
        self.network.swap_averages()
        return logs

    def evaluate(self, data):
        """Return the loss and metrics on `data`, without training."""
        return self._run(data, np.arange(len(data)), train=False)

    def _run(self, data, order, *, train, seed=0, steps_per_chunk=None, on_chunk=None):
        runner = self._runner(data, train)
        n_steps = max(1, _CHUNK_BYTES // (data.images.image_nbytes * self.batch_size))
        if steps_per_chunk is not None:
            n_steps = min(n_steps, steps_per_chunk)
        runner.start()
        step = 0
        for chunk in data.chunks(order, n_steps * self.batch_size):
            if on_chunk is not None:
                on_chunk.begin(step)
            runner(chunk, seed, step)
            step += -(-len(chunk[0]) // self.batch_size)
            if on_chunk is not None:
                on_chunk.end(step - 1, runner.logs)
        return runner.logs()

    def _runner(self, data, train):
        if train not in self._runners:
            from .._compiled._steps import EpochRunner

            target = data.encode(data.y_encoded[:1])
            with self.network.training_flags():
                self._runners[train] = EpochRunner(
                    self.network,
                    train=train,
                    image_shape=data.images.shape,
                    image_dtype=data.images.dtype,
                    target_shape=target.shape[1:],
                    target_dtype=target.dtype,
                    weighted=self._weighted,
                    augment=self._augment,
                    batch_size=self.batch_size,
                )
        return self._runners[train]


def seed_dropout(network, seed):
    """Seed the masks of all dropout layers, including those in a user's network."""
    variables = network.model.non_trainable_variables
    reseed(variables, seed_sequence(seed, DROPOUT_MASKS))
