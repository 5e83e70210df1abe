"""Scores of a search: box plots of the folds, heat maps of two parameters."""

from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from .._compat import box_orientation
from ._drawing import BLACK, BLUE, VERMILION, make_axes


class SearchDisplay:
    """Scores of the candidates of a search, fold by fold.

    It is recommended to use :meth:`from_search` to create one.

    Parameters
    ----------
    scores : dict of str to ndarray of shape (n_candidates, n_folds)
        Scores by their names, such as ``"accuracy"``. One whose name begins with
        ``"neg_"`` is drawn as what it is the negative of: ``"neg_log_loss"`` as the log
        loss.

    params : list of dict
        The parameters of each candidate.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (1, n_scores)
        One for each score.

    boxes_ : list of dict or None
        For each of `axes_`, what :meth:`matplotlib.axes.Axes.boxplot` returned.

    figure_ : matplotlib Figure
        Figure with the scores.

    images_ : list of matplotlib AxesImage or None
        For each of `axes_`, the heat map.

    points_ : list of list of matplotlib Line2D or None
        For each of `axes_` and each box, the scores of the folds.

    See Also
    --------
    EpochCurveDisplay : How scores develop from epoch to epoch.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.display import SearchDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> search = GridSearchCV(
    ...     CNNClassifier(filters=(8,), epochs=1, random_state=0),
    ...     {"dropout": [0.0, 0.5], "l2": [1e-2, 1e-4]},
    ...     cv=3,
    ...     scoring=["accuracy", "neg_log_loss"],
    ...     refit="accuracy",
    ... ).fit(X, y)
    >>> display = SearchDisplay.from_search(search)
    >>> [axes.get_xlabel() for axes in display.axes_.flat]
    ['Accuracy', 'Log loss']
    >>> display = display.plot(by="l2")
    >>> display = display.plot(by=("l2", "dropout"))
    """

    def __init__(self, scores, params):
        self.scores = scores
        self.params = params

    def plot(
        self,
        *,
        by=None,
        n_candidates=20,
        ax=None,
        box_kw=None,
        point_kw=None,
        image_kw=None,
        text_kw=None,
    ):
        """Draw the scores.

        Parameters
        ----------
        by : str or tuple (str, str), default=None
            None draws a box for each candidate, the best by the first score on top. The
            name of a parameter draws one for each of its values, with the scores of
            all candidates that have it. Two names draw a heat map of mean scores, over
            the values of both.
        n_candidates : int, default=20
            With ``by=None``, how many candidates are drawn at most, the best.
        ax : matplotlib Axes or array-like of Axes, default=None
            One that all is drawn within, or one for each score. None draws a new
            figure.
        box_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.boxplot`.
        point_kw : dict, default=None
            For the scores of folds, :meth:`matplotlib.axes.Axes.plot`.
        image_kw : dict, default=None
            For the heat map, :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            For the numbers in it, :meth:`matplotlib.axes.Axes.text`.

        Returns
        -------
        display : SearchDisplay
            With what was drawn as attributes.

        Raises
        ------
        ValueError
            If `by` names no parameter of the search.
        """
        self.boxes_ = self.points_ = self.images_ = None
        if by is None or isinstance(by, str):
            self.boxes_, self.points_ = [], []
            kw = (box_kw or {}, point_kw or {})
            if by is None:
                self._plot_candidates(n_candidates, ax, *kw)
            else:
                self._plot_parameter(by, ax, *kw)
        else:
            self.images_ = []
            self._plot_two(by, ax, image_kw or {}, text_kw or {})
        return self

    @classmethod
    def from_search(cls, search, *, by=None, **plot_kw):
        """Draw the scores of a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or the like
            Any of scikit-learn's searches, fitted. Of one by halving, each candidate's
            last iteration is drawn.
        by : str or tuple (str, str), default=None
            As in :meth:`plot`.
        **plot_kw : dict
            Other settings of :meth:`plot`.

        Returns
        -------
        display : SearchDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        """
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        params = results["params"]
        rows = _last_iterations(params, getattr(search, "resource", None))
        names = [
            name.removeprefix("mean_test_")
            for name in results
            if name.startswith("mean_test_")
        ]
        scores = {}
        for name in names:
            folds = [
                results[f"split{i}_test_{name}"][rows] for i in range(search.n_splits_)
            ]
            scores[_named(name, search)] = np.transpose(folds)
        return cls(scores, [params[i] for i in rows]).plot(by=by, **plot_kw)

    def _panels(self, ax, size):
        """Axes, name, label and values of each score."""
        n = len(self.scores)
        self.figure_, self.axes_ = make_axes(ax, n, n, size)
        for axes, (name, values) in zip(
            self.axes_.flat, self.scores.items(), strict=True
        ):
            yield axes, name, *label_and_values(name, values)

    def _plot_candidates(self, n_candidates, ax, box_kw, point_kw):
        means = np.nanmean(_or_lowest(next(iter(self.scores.values()))), axis=1)
        best = np.argsort(-means, kind="stable")[:n_candidates]
        names = labels_of(self.params)
        height = 0.32 * len(best) + 1.1
        # Names are at the left of the first only.
        width = 3.2 + 0.085 * max(len(names[i]) for i in best) / len(self.scores)
        for axes, _, label, values in self._panels(ax, (width, height)):
            self._draw_boxes(
                axes, [values[i] for i in best], box_kw, point_kw, vertical=False
            )
            is_first = axes is self.axes_.flat[0]
            axes.set_yticks(
                range(1, len(best) + 1), [names[i] for i in best] if is_first else []
            )
            axes.invert_yaxis()
            axes.set_xlabel(label)
            axes.grid(axis="x", alpha=0.3)
        left_out = len(self.params) - len(best)
        if left_out:
            self.axes_.flat[0].set_ylabel(
                f"The {len(best)} best of {len(self.params)} candidates"
            )

    def _plot_parameter(self, by, ax, box_kw, point_kw):
        values, codes = self._values_of(by)
        width = max(3.2, 0.7 * len(values) + 1.2)
        for axes, _, label, scores in self._panels(ax, (width, 3.2)):
            folds = [scores[codes == k].ravel() for k in range(len(values))]
            self._draw_boxes(axes, folds, box_kw, point_kw, vertical=True)
            axes.set_xticks(range(1, len(values) + 1), [_shown(v) for v in values])
            axes.set(xlabel=by, ylabel=label)
            axes.grid(axis="y", alpha=0.3)

    def _plot_two(self, by, ax, image_kw, text_kw):
        if len(by) != 2:
            raise ValueError(
                f"Got by={by!r}, but expected None, the name of a parameter, or two."
            )
        (down, down_codes), (across, across_codes) = map(self._values_of, by)
        size = (0.9 * len(across) + 2.4, 0.6 * len(down) + 1.4)
        for axes, name, label, scores in self._panels(ax, size):
            # What is better is brighter, of a loss as well.
            colours = "cividis_r" if is_loss(name) else "cividis"
            means = np.full((len(down), len(across)), np.nan)
            for i, j in np.ndindex(means.shape):
                of_both = scores[(down_codes == i) & (across_codes == j)]
                if np.isfinite(of_both).any():
                    means[i, j] = np.nanmean(of_both)
            image = axes.imshow(
                means, **{"cmap": colours, "aspect": "auto", **image_kw}
            )
            for (i, j), mean in np.ndenumerate(means):
                if np.isfinite(mean):
                    red, green, blue, _ = image.cmap(image.norm(mean))
                    is_dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
                    look = {"ha": "center", "va": "center", "size": "small"}
                    look["color"] = "white" if is_dark else "black"
                    axes.text(j, i, f"{mean:.3f}", **{**look, **text_kw})
            axes.set_yticks(range(len(down)), [_shown(v) for v in down])
            axes.set_xticks(range(len(across)), [_shown(v) for v in across])
            axes.set(ylabel=by[0], xlabel=by[1])
            self.figure_.colorbar(image, ax=axes, label=f"Mean {label.lower()}")
            self.images_.append(image)

    def _values_of(self, name):
        """Values of a parameter in their order, and which of them candidates have."""
        known = dict.fromkeys(key for params in self.params for key in params)
        if name not in known:
            raise ValueError(
                f"Got by with {name!r}, but the search varied "
                f"{', '.join(map(repr, known))}."
            )
        shown = [_shown(params.get(name)) for params in self.params]
        values = {text: p.get(name) for text, p in zip(shown, self.params, strict=True)}
        if all(isinstance(value, Real) for value in values.values()):
            values = dict(sorted(values.items(), key=lambda item: item[1]))
        order = list(values)
        return list(values.values()), np.array([order.index(text) for text in shown])

    def _draw_boxes(self, axes, folds, box_kw, point_kw, *, vertical):
        folds = [scores[np.isfinite(scores)] for scores in folds]  # of failed fits
        settings = {
            **box_orientation(vertical),
            "widths": 0.55,
            "showfliers": False,  # they are among the points
            "medianprops": {"color": VERMILION, "linewidth": 1.8},
            "boxprops": {"color": BLACK},
        }
        self.boxes_.append(axes.boxplot(folds, **{**settings, **box_kw}))
        look = {"marker": "o", "linestyle": "", "color": BLUE, "markersize": 4}
        look |= {"alpha": 0.6, **point_kw}
        points = []
        for place, scores in enumerate(folds, 1):
            places = np.full(len(scores), place)
            x, y = (places, scores) if vertical else (scores, places)
            points += axes.plot(x, y, **look)
        self.points_.append(points)


def is_loss(name):
    """Whether a score is the negative of what is drawn, of which less is better."""
    return name.startswith("neg_")


def label_and_values(name, values):
    """What a score is called on an axis, and its values; a loss is not negated."""
    values = np.asarray(values, float)
    label = name.removeprefix("neg_").replace("_", " ").capitalize()
    return label, -values if is_loss(name) else values


def _or_lowest(scores):
    """Scores with those of candidates that failed in each fold as the lowest."""
    scores = np.array(scores, float)
    scores[np.isnan(scores).all(axis=1)] = -np.inf
    return scores


def _named(name, search):
    """The name of a search's only score, which its results call "score"."""
    if name != "score":
        return name
    if isinstance(search.scoring, str):
        return search.scoring
    if search.scoring is None and is_classifier(search):
        return "accuracy"
    return name


def _last_iterations(params, resource):
    last = {}
    for i, candidate in enumerate(params):
        of_it = {k: v for k, v in candidate.items() if k != resource}
        last[repr(sorted(of_it.items(), key=lambda item: item[0]))] = i
    return sorted(last.values())


def _shown(value):
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:g}"
    return getattr(value, "__name__", None) or str(value)


def labels_of(params):
    """A label for each candidate: what differs between them."""
    names = dict.fromkeys(name for candidate in params for name in candidate)
    shown = [{n: _shown(c[n]) for n in names if n in c} for c in params]
    varied = [n for n in names if len({s.get(n) for s in shown}) > 1] or list(names)
    return [
        ", ".join(f"{n.rpartition('__')[2]}={s[n]}" for n in varied if n in s)
        for s in shown
    ]
