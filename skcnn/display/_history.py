"""Training history: loss and accuracy in every epoch of one fit."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._utils._validation import final_estimator
from ._drawing import BLACK, BLUE, VERMILION, clip_initial_peak, make_axes

_AXIS_LABELS = {"loss": "Loss", "accuracy": "Accuracy"}


class HistoryDisplay:
    """Loss and accuracy in every epoch, on training images and on held-out images.

    It is recommended to use :meth:`~skcnn.display.HistoryDisplay.from_estimator` to
    create a `HistoryDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    history : dict of str to list of float
        The values of each metric, such as ``"loss"`` or ``"accuracy"``, one per epoch.
        The prefix ``"val_"`` marks the values on held-out images.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (1, n_metrics)
        Axes of the plot, one per metric.

    best_epoch_ : int or None
        The epoch with the lowest loss on the held-out images, counted from 1. None if
        no images were held out.

    best_lines_ : list of matplotlib Line2D
        The vertical lines that mark the best epoch, one per metric. Empty if
        `best_epoch_` is None.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    lines_ : dict of str to matplotlib Line2D
        The curves, with the same keys as `history`.

    See Also
    --------
    EpochCurveDisplay : Draw cross-validation scores after every epoch.

    Notes
    -----
    The training values are averaged over each epoch, during which the network improves,
    and are computed with dropout and augmentation. The values on held-out images are
    computed at the end of each epoch, without dropout and augmentation. The training
    accuracy may therefore be lower than the held-out accuracy, or lag behind it by half
    an epoch.

    If the loss starts far above all its later values, the y axis is limited to the
    values after the first tenth of the epochs, plus a margin. To choose other limits,
    call ``display.axes_[0, 0].set_ylim(...)``.

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
            A single Axes to draw all panels in, or one Axes per metric. If None, a new
            figure is created.
        line_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.plot` for the
            curves.
        best_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.axvline` for the
            lines that mark the best epoch.

        Returns
        -------
        display : HistoryDisplay
            The display itself, with the artists as attributes.
        """
        from matplotlib.ticker import MaxNLocator

        metrics = [name for name in self.history if not name.startswith("val_")]
        self.figure_, self.axes_ = make_axes(ax, len(metrics), len(metrics), (4.5, 3.4))
        val_loss = np.asarray(self.history.get("val_loss", ()), float)
        has_val_loss = np.isfinite(val_loss).any()
        self.best_epoch_ = int(np.nanargmin(val_loss)) + 1 if has_val_loss else None
        self.lines_, self.best_lines_ = {}, []
        styles = {
            "": {"color": BLUE, "marker": "o", "label": "training"},
            "val_": {
                **{"color": VERMILION, "marker": "s"},
                **{"linestyle": "--", "label": "held out"},
            },
        }
        for metric, axes in zip(metrics, self.axes_.flat, strict=True):
            curves = []
            for prefix, style in styles.items():
                values = self.history.get(prefix + metric)
                if values is None:
                    continue
                # With many epochs, markers would overlap.
                style = style | {"markersize": 3 if len(values) <= 60 else 0}
                epochs = np.arange(1, len(values) + 1)
                (line,) = axes.plot(epochs, values, **{**style, **(line_kw or {})})
                self.lines_[prefix + metric] = line
                curves.append(values)
            if self.best_epoch_ is not None:
                style = {"color": BLACK, "linestyle": ":", "linewidth": 1.2}
                style["label"] = f"lowest held-out loss: epoch {self.best_epoch_}"
                style = {**style, **(best_kw or {})}
                self.best_lines_.append(axes.axvline(self.best_epoch_, **style))
            axes.set(xlabel="Epoch", ylabel=_AXIS_LABELS.get(metric, metric))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(alpha=0.3)
            if metric == "loss":
                clip_initial_peak(axes, curves)
        self.axes_.flat[0].legend(fontsize="small")
        return self

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, line_kw=None, best_kw=None):
        """Draw the training history of a fitted classifier.

        Parameters
        ----------
        estimator : CNNClassifier, Pipeline or search
            A fitted CNNClassifier, a pipeline whose last step is one, or a search whose
            best estimator is one.
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw all panels in, or one Axes per metric. If None, a new
            figure is created.
        line_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.plot` for the
            curves.
        best_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.axvline` for the
            lines that mark the best epoch.

        Returns
        -------
        display : HistoryDisplay
            Object that stores the history and the plot.

        Raises
        ------
        NotFittedError
            If `estimator` is not fitted.
        """
        check_is_fitted(estimator)
        network = final_estimator(estimator)
        return cls(network.history_).plot(ax=ax, line_kw=line_kw, best_kw=best_kw)
