"""Early stopping based on the validation loss."""

import math


class EarlyStopping:
    """Stop when the validation loss has not improved for `patience` epochs.

    An improvement is a loss that is lower than the lowest previous loss by more than
    `tol`. The network weights of the epoch with the lowest loss are kept, to be
    restored when training ends. scikit-learn's ``MLPClassifier(early_stopping=True)``
    uses `tol` in the same way, but monitors the score and waits for one more epoch.

    Parameters
    ----------
    patience : int
    tol : float
    """

    _PARAMS = ("patience", "tol")

    def __init__(self, patience, tol):
        self.patience = patience
        self.tol = tol
        self.best_loss = math.inf
        self.best_epoch = None
        self.best_weights = []
        self.n_epochs_without_improvement = 0
        self.has_stopped = False

    def update(self, epoch, loss, model):
        """Update the state with the validation loss of an epoch."""
        if loss < self.best_loss - self.tol:
            self.n_epochs_without_improvement = 0
        else:
            self.n_epochs_without_improvement += 1
            self.has_stopped = self.n_epochs_without_improvement >= self.patience
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best_weights = model.get_weights()

    def restore_best_weights(self, model):
        """Restore the network weights of the best epoch, if there is one."""
        if self.best_weights:
            model.set_weights(self.best_weights)

    def get_state(self):
        """Return all attributes except the parameters."""
        return {k: v for k, v in vars(self).items() if k not in self._PARAMS}

    def set_state(self, state):
        """Restore the attributes that :meth:`get_state` returned."""
        vars(self).update(state)
