"""Three settings of `CNNClassifier`: too small, too large, regularized."""

from ._classifier import CNNClassifier

_UNREGULARIZED = {"normalize": False, "dropout": 0.0, "last_dropout": 0.0, "l2": 0.0}


def underfitting_cnn(**params):
    return CNNClassifier(
        **{
            "filters": (6, 6),
            "stem_strides": 3,
            "dense_units": None,
            "epochs": 30,
            "batch_size": 32,
            **_UNREGULARIZED,
            **params,
        }
    )


def overfitting_cnn(**params):
    return CNNClassifier(**{"epochs": 50, "batch_size": 16, **_UNREGULARIZED, **params})


def optimized_cnn(**params):
    settings = {"l2": 1e-3, "augment": True, "epochs": 50, "batch_size": 16}
    return CNNClassifier(**{**settings, **params})
