import pytest

from skcnn._checkpoint import _policy
from skcnn._training import _trainer


@pytest.fixture
def trained_epochs(monkeypatch):
    """Record the trained epochs. Call the function `hooks[i]` before epoch i."""

    class TrainedEpochs(list):
        def __init__(self):
            self.hooks = {}

    epochs = TrainedEpochs()
    train_epoch = _trainer.Trainer.train_epoch

    def recorded(trainer, data, epoch, **kwargs):
        if epoch in epochs.hooks:
            epochs.hooks[epoch]()
        logs = train_epoch(trainer, data, epoch, **kwargs)
        epochs.append(epoch)
        return logs

    monkeypatch.setattr(_trainer.Trainer, "train_epoch", recorded)
    return epochs


@pytest.fixture
def checkpoint_every_epoch(monkeypatch):
    """Write a checkpoint after every epoch, no matter how long it takes."""
    monkeypatch.setattr(_policy, "_MAX_OVERHEAD", 1e9)
