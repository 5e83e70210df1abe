"""skorch with PyTorch, using float32 images with channels first."""

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from torch import nn

from . import (
    fit_functions,
    make_cv,
    package_versions,
    predict_functions,
    search_functions,
)


def versions():
    return package_versions("skorch", "torch", "scikit-learn")


class Network(nn.Module):
    def __init__(self, shape, n_classes, settings, frozen=False):
        super().__init__()
        height, width, channels = shape
        stack = [nn.BatchNorm2d(channels)] if settings["normalize"] else []
        last = len(settings["filters"]) - 1
        for i, filters in enumerate(settings["filters"]):
            stride = 1 if i else settings.get("stem_strides", 1)
            height, width = -(-height // stride), -(-width // stride)
            stack += [
                nn.Conv2d(channels, filters, 3, stride=stride, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            rate = settings["last_dropout" if i == last else "dropout"]
            if rate:
                stack.append(nn.Dropout(rate))
            channels, height, width = filters, height // 2, width // 2
        stack.append(nn.Flatten())
        units = channels * height * width
        if settings["dense_units"]:
            stack += [nn.Linear(units, settings["dense_units"]), nn.ReLU()]
            units = settings["dense_units"]
        self.stack = nn.Sequential(*stack, nn.Linear(units, n_classes))
        for layer in self.stack:  # use Keras' default initialization
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
            if frozen and isinstance(layer, nn.Conv2d):
                layer.requires_grad_(False)

    def forward(self, X):
        return self.stack(X)


def prepare(task, X, y):
    torch.manual_seed(0)
    shape, n_classes = X.shape[1:], int(y.max()) + 1
    X, y = X.transpose(0, 3, 1, 2).astype(np.float32), y.astype(np.int64)
    convolutions = [
        i
        for i, layer in enumerate(Network(shape, n_classes, task.network).stack)
        if isinstance(layer, nn.Conv2d)
    ]
    penalized = [  # a weight decay of 2 * l2 has the effect of the penalty l2 * w**2
        (f"stack.{i}.weight", {"weight_decay": 2 * task.network["l2"]})
        for i in convolutions[1:]
    ]
    network = NeuralNetClassifier(
        Network,
        module__shape=shape,
        module__n_classes=n_classes,
        module__settings=task.network,
        module__frozen=task.frozen,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__param_groups=penalized,
        lr=task.learning_rate,
        max_epochs=task.epochs,
        batch_size=task.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    if task.kind == "search":
        grid = {"lr": task.grid["learning_rate"]}
        search = GridSearchCV(
            network, grid, cv=make_cv(task), n_jobs=task.n_jobs, scoring="accuracy"
        )
        return search_functions(task, search, X, y, "max_epochs")
    if task.kind == "fit":
        return fit_functions(task, network, X, y, "max_epochs")
    if task.kind == "epoch":

        def accuracy():
            for _ in range(task.extra_epochs):
                network.partial_fit(X, y)
            return float(network.score(X, y))

        return lambda: network.partial_fit(X, y), accuracy
    return predict_functions(task, network, X, y)
