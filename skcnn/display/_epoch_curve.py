"""Scores after every epoch, by candidate or by fold."""

import numpy as np

from ..model_selection import epoch_curve
from ._drawing import BLACK, cut_start, make_axes, styles
from ._search import is_loss, label_and_values, labels_of


class EpochCurveDisplay:
    """Scores of cross-validation from epoch to epoch.

    It is recommended to use :meth:`from_estimator` to create one. The parameters are
    what :func:`~skcnn.model_selection.epoch_curve` returns:
    ``EpochCurveDisplay(**curve)``.

    Parameters
    ----------
    epochs : ndarray of shape (n_epochs,)
        1, 2, and so on.

    params : list of dict
        The parameters of each candidate.

    train_scores, test_scores : dict of str to ndarray of shape \
            (n_candidates, n_folds, n_epochs)
        Scores by their names, of the images trained on and of those held out.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (1, n_axes)
        One for each score; of ``kind="folds"``, one for each candidate.

    bands_ : list of matplotlib PolyCollection
        One standard deviation of the folds to both sides, for each line of the mean of
        the images held out.

    figure_ : matplotlib Figure
        Figure with the curves.

    lines_ : list of matplotlib Line2D
        The curves, in the order of `axes_`.

    See Also
    --------
    skcnn.model_selection.epoch_curve : Computes the scores.
    HistoryDisplay : Loss and accuracy of one fit.

    Notes
    -----
    Where a loss starts far above all that follows, its axis is cut above what comes
    after the first tenth of the epochs.

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
            ``"candidates"`` draws the mean of the folds for each candidate, in one
            panel for each score; ``"folds"`` draws each fold, and their mean, of the
            first score, in one panel for each candidate.
        score_type : {"test", "both"}, default="test"
            Whether to draw, beside the scores of the images held out, those of the
            images trained on.
        ax : matplotlib Axes or array-like of Axes, default=None
            One that all is drawn within, or one for each panel. None draws a new
            figure.
        line_kw : dict, default=None
            For the curves, :meth:`matplotlib.axes.Axes.plot`.
        fill_between_kw : dict, default=None
            For the bands, :meth:`matplotlib.axes.Axes.fill_between`.

        Returns
        -------
        display : EpochCurveDisplay
            With what was drawn as attributes.

        Raises
        ------
        ValueError
            For an unknown `kind` or `score_type`.
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
        """Train by cross-validation and draw the scores.

        Parameters
        ----------
        estimator : CNNClassifier or Pipeline
            As in :func:`~skcnn.model_selection.epoch_curve`, like what follows.
        X : array-like
            Images.
        y : array-like of shape (n_samples,)
            Class labels.
        param_grid : dict or list of dict, default=None
            Candidates to compare.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples that `cv` keeps together.
        cv : int, cross-validation generator or an iterable, default=None
            Folds.
        scoring : str, callable, list, tuple or dict, \
                default=("accuracy", "neg_log_loss")
            What is scored.
        n_jobs : int, default=None
            Processes to train in.
        verbose : int, default=0
            Of joblib.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : EpochCurveDisplay
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
        names = labels_of(self.params)
        for axes, score in zip(self.axes_.flat, self.test_scores, strict=True):
            label, held_out = label_and_values(score, self.test_scores[score])
            _, trained_on = label_and_values(score, self.train_scores[score])
            for i, (name, (colour, marker)) in enumerate(
                zip(names, styles(), strict=False)
            ):
                look = {"color": colour, "marker": marker, "label": name or "held out"}
                mean = self._line(axes, held_out[i], look, line_kw)
                spread = _over_folds(np.nanstd, held_out[i])
                band = {"color": colour, "alpha": 0.15, "linewidth": 0}
                self.bands_.append(
                    axes.fill_between(
                        self.epochs, mean - spread, mean + spread, **{**band, **band_kw}
                    )
                )
                if score_type == "both":
                    label_trained = f"{name}, in training" if name else "in training"
                    look = {"color": colour, "linestyle": "--", "label": label_trained}
                    self._line(axes, trained_on[i], look, line_kw)
            self._finish(axes, label, score)
        if any(names) or score_type == "both":
            self.axes_.flat[0].legend(fontsize="small")

    def _plot_folds(self, score_type, ax, line_kw):
        score = next(iter(self.test_scores))
        label, held_out = label_and_values(score, self.test_scores[score])
        _, trained_on = label_and_values(score, self.train_scores[score])
        n = len(self.params)
        self.figure_, self.axes_ = make_axes(ax, n, 3, (4.2, 3.4))
        drawn = [axes for axes in self.axes_.flat][:n]
        for i, (axes, name) in enumerate(
            zip(drawn, labels_of(self.params), strict=True)
        ):
            folds = enumerate(held_out[i], 1)
            for (fold, values), (colour, marker) in zip(folds, styles(), strict=False):
                look = {"color": colour, "marker": marker, "linewidth": 1}
                look |= {"label": f"fold {fold}", "alpha": 0.8}
                self._line(axes, values[None], look, line_kw)
                if score_type == "both":
                    look = {"color": colour, "linestyle": "--", "linewidth": 1}
                    look["label"] = f"fold {fold}, in training"
                    self._line(axes, trained_on[i][fold - 1][None], look, line_kw)
            look = {"color": BLACK, "linewidth": 2.2, "label": "mean"}
            self._line(axes, held_out[i], look, line_kw)
            axes.set_title(name, size="medium")
            self._finish(axes, label, score)
        limits = [axes.get_ylim() for axes in drawn]
        for axes in drawn:
            axes.set_ylim(
                min(low for low, _ in limits), max(high for _, high in limits)
            )
        drawn[0].legend(fontsize="small")

    def _line(self, axes, folds, look, line_kw):
        """Draw the mean of folds, and return it."""
        mean = _over_folds(np.nanmean, folds)
        look = {"markersize": 3 if len(self.epochs) <= 60 else 0, **look, **line_kw}
        self.lines_ += axes.plot(self.epochs, mean, **look)
        return mean

    def _finish(self, axes, label, score):
        from matplotlib.ticker import MaxNLocator

        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        if is_loss(score):
            drawn = [line for line in self.lines_ if line.axes is axes]
            cut_start(axes, [line.get_ydata() for line in drawn])


def _over_folds(function, folds):
    """A statistic of the folds that were still trained, NaN where none was."""
    result = np.full(folds.shape[1], np.nan)
    known = np.isfinite(folds).any(axis=0)
    result[known] = function(folds[:, known], axis=0)
    return result
