"""Loss and accuracy from epoch to epoch."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._data import last_step
from ._drawing import BLACK, BLUE, VERMILION, cut_start, make_axes

_NAMES = {"loss": "Loss", "accuracy": "Accuracy"}


class HistoryDisplay:
    """Loss and accuracy by epoch, in training and on held-out images.

    It is recommended to use :meth:`from_estimator` to create one.

    Parameters
    ----------
    history : dict of str to list of float
        ``"loss"``, ``"accuracy"`` and other metrics, one value for each epoch, and
        those of held-out images under the same names with ``"val_"`` in front.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (1, n_quantities)
        One for each quantity.

    best_epoch_ : int or None
        Epoch of the lowest loss on held-out images, counted from 1; None without any.

    best_lines_ : list of matplotlib Line2D
        Where the best epoch is marked: one line in each of `axes_`, none without one.

    figure_ : matplotlib Figure
        Figure with the curves.

    lines_ : dict of str to matplotlib Line2D
        The curves, by their names in `history`.

    See Also
    --------
    EpochCurveDisplay : Scores after each epoch by cross-validation.

    Notes
    -----
    In training, an epoch's values are averages over it, with dropout and augmentation,
    while the network improves; those of held-out images are of its end, without. So the
    curve in training may run below the other, in accuracy, or half an epoch behind.

    Where a loss starts far above all that follows, its axis is cut above what comes
    after the first tenth of the epochs, and the curves come in from beyond it.
    ``display.axes_[0, 0].set_ylim(...)`` shows what you prefer.

    Examples
    --------
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.display import HistoryDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(
    ...     filters=(8, 16), epochs=3, validation_fraction=0.2, random_state=0
    ... )
    >>> display = HistoryDisplay.from_estimator(cnn.fit(X, y))
    >>> display.best_epoch_
    3
    """

    def __init__(self, history):
        self.history = history

    def plot(self, *, ax=None, line_kw=None, best_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            One that all is drawn within, or one for each quantity. None draws a new
            figure.
        line_kw : dict, default=None
            For the curves, :meth:`matplotlib.axes.Axes.plot`.
        best_kw : dict, default=None
            For the mark of the best epoch, :meth:`matplotlib.axes.Axes.axvline`.

        Returns
        -------
        display : HistoryDisplay
            With what was drawn as attributes.
        """
        from matplotlib.ticker import MaxNLocator

        quantities = [name for name in self.history if not name.startswith("val_")]
        self.figure_, self.axes_ = make_axes(
            ax, len(quantities), len(quantities), (4.5, 3.4)
        )
        losses = np.asarray(self.history.get("val_loss", ()), float)
        known = np.isfinite(losses).any()
        self.best_epoch_ = int(np.nanargmin(losses)) + 1 if known else None
        self.lines_, self.best_lines_ = {}, []
        looks = {
            "": {"color": BLUE, "marker": "o", "label": "training"},
            "val_": {
                **{"color": VERMILION, "marker": "s"},
                **{"linestyle": "--", "label": "held out"},
            },
        }
        for quantity, axes in zip(quantities, self.axes_.flat, strict=True):
            curves = []
            for prefix, look in looks.items():
                values = self.history.get(prefix + quantity)
                if values is None:
                    continue
                # Of a long training the markers would be a band.
                look = look | {"markersize": 3 if len(values) <= 60 else 0}
                epochs = np.arange(1, len(values) + 1)
                (line,) = axes.plot(epochs, values, **{**look, **(line_kw or {})})
                self.lines_[prefix + quantity] = line
                curves.append(values)
            if self.best_epoch_ is not None:
                look = {"color": BLACK, "linestyle": ":", "linewidth": 1.2}
                look["label"] = f"lowest held-out loss: epoch {self.best_epoch_}"
                look = {**look, **(best_kw or {})}
                self.best_lines_.append(axes.axvline(self.best_epoch_, **look))
            axes.set(xlabel="Epoch", ylabel=_NAMES.get(quantity, quantity))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(alpha=0.3)
            if quantity == "loss":
                cut_start(axes, curves)
        self.axes_.flat[0].legend(fontsize="small")
        return self

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, line_kw=None, best_kw=None):
        """Draw how a fitted classifier was trained.

        Parameters
        ----------
        estimator : CNNClassifier, Pipeline or search
            Fitted; the last step of a pipeline, or the best of a search.
        ax, line_kw, best_kw : default=None
            As in :meth:`plot`.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        """
        check_is_fitted(estimator)
        network = last_step(estimator)
        return cls(network.history_).plot(ax=ax, line_kw=line_kw, best_kw=best_kw)
