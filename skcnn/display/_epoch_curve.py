"""Cross-validation scores after every epoch, by candidate or by fold."""

import numpy as np

from ..model_selection import epoch_curve
from ._drawing import BLACK, clip_initial_peak, make_axes, styles
from ._search import candidate_labels, is_loss, label_and_values


class EpochCurveDisplay:
    """Cross-validation scores after every epoch.

    It is recommended to use
    :meth:`~skcnn.display.EpochCurveDisplay.from_estimator` to create an
    `EpochCurveDisplay`. To draw scores that
    :func:`~skcnn.model_selection.epoch_curve` returned as `curve`, use
    ``EpochCurveDisplay(**curve).plot()``. All parameters are stored as attributes.

    Parameters
    ----------
    epochs : ndarray of shape (n_epochs,)
        The epochs, counted from 1.

    params : list of dict
        The parameters of each candidate.

    train_scores, test_scores : dict of str to ndarray of shape \
            (n_candidates, n_folds, n_epochs)
        Scores on the training images and on the held-out images, keyed by the name of
        the score. A score whose name starts with ``"neg_"`` is drawn with its sign
        reversed: ``"neg_log_loss"`` is drawn as the log loss.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Axes of the plot. If ``kind="candidates"``, there is one row with one Axes per
        score. If ``kind="folds"``, there is one Axes per candidate, in rows of at most
        three.

    bands_ : list of matplotlib PolyCollection
        For each mean over the folds on the held-out images, a band of one standard
        deviation above and below it. Empty if ``kind="folds"``.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    lines_ : list of matplotlib Line2D
        The curves, in the order of `axes_`.

    See Also
    --------
    skcnn.model_selection.epoch_curve : Compute the scores.
    HistoryDisplay : Draw the loss and accuracy of a single fit.

    Notes
    -----
    If a loss starts far above all its later values, the y axis is limited to the values
    after the first tenth of the epochs, plus a margin.

    Examples
    --------
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.display import EpochCurveDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = EpochCurveDisplay.from_estimator(
    ...     CNNClassifier(filters=(8, 16), epochs=3, random_state=0),
    ...     X,
    ...     y,
    ...     param_grid={"learning_rate": [1e-2, 1e-3]},
    ...     cv=2,
    ... )
    >>> [line.get_label() for line in display.lines_[:2]]
    ['learning_rate=0.01', 'learning_rate=0.001']
    >>> display = display.plot(kind="folds")
    """

    def __init__(self, *, epochs, params, train_scores, test_scores):
        self.epochs = epochs
        self.params = params
        self.train_scores = train_scores
        self.test_scores = test_scores

    def plot(
        self,
        *,
        kind="candidates",
        score_type="test",
        ax=None,
        line_kw=None,
        fill_between_kw=None,
    ):
        """Draw the curves.

        Parameters
        ----------
        kind : {"candidates", "folds"}, default="candidates"
            ``"candidates"`` draws one panel per score, with the mean over the folds for
            each candidate. ``"folds"`` draws one panel per candidate. It shows only the
            first of the scores, with one curve for each fold and one for the mean over
            the folds.
        score_type : {"test", "both"}, default="test"
            ``"test"`` draws the scores on the held-out images. ``"both"`` also draws
            those on the training images.
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw all panels in, or one Axes per panel. If None, a new
            figure is created.
        line_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.plot` for the
            curves.
        fill_between_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.fill_between` for
            the bands.

        Returns
        -------
        display : EpochCurveDisplay
            The display itself, with the artists as attributes.

        Raises
        ------
        ValueError
            If `kind` or `score_type` is unknown.
        """
        if score_type not in ("test", "both"):
            raise ValueError(
                f"Got score_type={score_type!r}, but expected 'test' or 'both'."
            )
        self.lines_, self.bands_ = [], []
        line_kw, band_kw = line_kw or {}, fill_between_kw or {}
        if kind == "candidates":
            self._plot_candidates(score_type, ax, line_kw, band_kw)
        elif kind == "folds":
            self._plot_folds(score_type, ax, line_kw)
        else:
            raise ValueError(
                f"Got kind={kind!r}, but expected 'candidates' or 'folds'."
            )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        param_grid=None,
        groups=None,
        cv=None,
        scoring=("accuracy", "neg_log_loss"),
        n_jobs=None,
        verbose=0,
        **plot_kw,
    ):
        """Cross-validate an estimator and draw its scores after every epoch.

        This method passes all parameters except `plot_kw` to
        :func:`~skcnn.model_selection.epoch_curve`, which describes them in detail.

        Parameters
        ----------
        estimator : CNNClassifier or Pipeline
            The CNNClassifier to train, or a pipeline whose last step is one.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images.
        y : array-like of shape (n_samples,)
            The labels.
        param_grid : dict or list of dict, default=None
            The parameters of the candidates. If None, `estimator` is the only
            candidate.
        groups : array-like of shape (n_samples,), default=None
            Group labels, for a `cv` that splits by group.
        cv : int, cross-validation generator or an iterable, default=None
            Cross-validation strategy. None means stratified 5-fold cross-validation.
        scoring : str, callable, list, tuple or dict, \
                default=("accuracy", "neg_log_loss")
            The scores to compute.
        n_jobs : int, default=None
            Number of fits to run in parallel.
        verbose : int, default=0
            Verbosity of joblib.
        **plot_kw : dict
            Keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : EpochCurveDisplay
            Object that stores the scores and the plot.
        """
        curve = epoch_curve(
            estimator,
            X,
            y,
            param_grid=param_grid,
            groups=groups,
            cv=cv,
            scoring=scoring,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        return cls(**curve).plot(**plot_kw)

    def _plot_candidates(self, score_type, ax, line_kw, band_kw):
        n = len(self.test_scores)
        self.figure_, self.axes_ = make_axes(ax, n, n, (4.8, 3.6))
        names = candidate_labels(self.params)
        for axes, score in zip(self.axes_.flat, self.test_scores, strict=True):
            label, test = label_and_values(score, self.test_scores[score])
            _, train = label_and_values(score, self.train_scores[score])
            for i, (name, (colour, marker)) in enumerate(
                zip(names, styles(), strict=False)
            ):
                style = {"color": colour, "marker": marker, "label": name or "held out"}
                mean = self._draw_mean(axes, test[i], style, line_kw)
                std = _over_folds(np.nanstd, test[i])
                band = {"color": colour, "alpha": 0.15, "linewidth": 0}
                self.bands_.append(
                    axes.fill_between(
                        self.epochs, mean - std, mean + std, **{**band, **band_kw}
                    )
                )
                if score_type == "both":
                    train_label = f"{name}, in training" if name else "in training"
                    style = {"color": colour, "linestyle": "--", "label": train_label}
                    self._draw_mean(axes, train[i], style, line_kw)
            self._finish_axes(axes, label, score)
        if any(names) or score_type == "both":
            self.axes_.flat[0].legend(fontsize="small")

    def _plot_folds(self, score_type, ax, line_kw):
        score = next(iter(self.test_scores))
        label, test = label_and_values(score, self.test_scores[score])
        _, train = label_and_values(score, self.train_scores[score])
        n = len(self.params)
        self.figure_, self.axes_ = make_axes(ax, n, 3, (4.2, 3.4))
        panels = list(self.axes_.flat)[:n]
        for i, (axes, name) in enumerate(
            zip(panels, candidate_labels(self.params), strict=True)
        ):
            folds = enumerate(test[i], 1)
            for (fold, values), (colour, marker) in zip(folds, styles(), strict=False):
                style = {"color": colour, "marker": marker, "linewidth": 1}
                style |= {"label": f"fold {fold}", "alpha": 0.8}
                self._draw_mean(axes, values[None], style, line_kw)
                if score_type == "both":
                    style = {"color": colour, "linestyle": "--", "linewidth": 1}
                    style["label"] = f"fold {fold}, in training"
                    self._draw_mean(axes, train[i][fold - 1][None], style, line_kw)
            style = {"color": BLACK, "linewidth": 2.2, "label": "mean"}
            self._draw_mean(axes, test[i], style, line_kw)
            axes.set_title(name, size="medium")
            self._finish_axes(axes, label, score)
        # Use the same limits in all panels, so that candidates can be compared.
        limits = [axes.get_ylim() for axes in panels]
        for axes in panels:
            axes.set_ylim(
                min(low for low, _ in limits), max(high for _, high in limits)
            )
        panels[0].legend(fontsize="small")

    def _draw_mean(self, axes, folds, style, line_kw):
        """Draw the mean over the folds, and return it.

        `folds` is an ndarray of shape (n_folds, n_epochs).
        """
        mean = _over_folds(np.nanmean, folds)
        # With many epochs, markers would overlap.
        style = {"markersize": 3 if len(self.epochs) <= 60 else 0, **style, **line_kw}
        self.lines_ += axes.plot(self.epochs, mean, **style)
        return mean

    def _finish_axes(self, axes, label, score):
        """Add labels and a grid, and limit the y axis of a loss."""
        from matplotlib.ticker import MaxNLocator

        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        if is_loss(score):
            lines = [line for line in self.lines_ if line.axes is axes]
            clip_initial_peak(axes, [line.get_ydata() for line in lines])


def _over_folds(function, folds):
    """Apply a statistic such as `np.nanmean` over the folds, epoch by epoch.

    Folds that ended before an epoch have the value NaN there, which is ignored. The
    result is NaN for epochs that no fold reached.
    """
    result = np.full(folds.shape[1], np.nan)
    known = np.isfinite(folds).any(axis=0)
    result[known] = function(folds[:, known], axis=0)
    return result
