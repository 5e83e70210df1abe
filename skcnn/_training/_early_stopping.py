"""Early stopping on the validation loss."""

import math


class EarlyStopping:
    """Stop when the validation loss has not decreased for `patience` epochs.

    The weights of the best epoch are kept, to be restored when training ends. This is
    what ``keras.callbacks.EarlyStopping(restore_best_weights=True)`` does, with a state
    that can be saved and restored.

    Parameters
    ----------
    patience : int
    """

    def __init__(self, patience):
        self.patience = patience
        self.best_loss = math.inf
        self.best_epoch = None
        self.best_weights = []
        self.n_epochs_without_improvement = 0
        self.has_stopped = False

    def update(self, epoch, loss, model):
        """Take the validation loss of an epoch into account."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best_weights = model.get_weights()
            self.n_epochs_without_improvement = 0
        else:
            self.n_epochs_without_improvement += 1
            self.has_stopped = self.n_epochs_without_improvement >= self.patience

    def restore_best_weights(self, model):
        """Set the weights of the best epoch, if there is one."""
        if self.best_weights:
            model.set_weights(self.best_weights)

    def get_state(self):
        """All attributes but `patience`."""
        return {k: v for k, v in vars(self).items() if k != "patience"}

    def set_state(self, state):
        """Set what :meth:`get_state` returned."""
        vars(self).update(state)
