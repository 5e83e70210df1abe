import pytest

from skcnn._checkpoint import _policy
from skcnn._training import _trainer


@pytest.fixture
def trained_epochs(monkeypatch):
    """List of the epochs that were trained; `hooks` are called before an epoch."""

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
    """Checkpoints are written after every epoch, whatever that costs."""
    monkeypatch.setattr(_policy, "_MAX_OVERHEAD", 1e9)
