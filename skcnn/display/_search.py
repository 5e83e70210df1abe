"""Scores of a hyperparameter search as box plots or heat maps."""

from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from .._utils._fixes import box_orientation
from ._drawing import BLACK, BLUE, VERMILION, make_axes


class SearchDisplay:
    """Scores of the candidates of a hyperparameter search on each fold.

    It is recommended to use :meth:`~skcnn.display.SearchDisplay.from_search` to create
    a `SearchDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    scores : dict of str to array-like of shape (n_candidates, n_folds)
        Scores on the held-out part of each fold, keyed by the name of the score, such
        as ``"accuracy"``. A score whose name starts with ``"neg_"`` is drawn with its
        sign reversed: ``"neg_log_loss"`` is drawn as the log loss.

    params : list of dict
        The parameters of each candidate.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (1, n_scores)
        Axes of the plot, one per score.

    boxes_ : list of dict or None
        The return value of :meth:`matplotlib.axes.Axes.boxplot` for each of `axes_`.
        None for a heat map.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    images_ : list of matplotlib AxesImage or None
        The heat map in each of `axes_`. None for box plots.

    points_ : list of list of matplotlib Line2D or None
        For each of `axes_` and each box, the points that show the scores of the folds.
        None for a heat map.

    See Also
    --------
    EpochCurveDisplay : Draw cross-validation scores after every epoch.

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
            How to group the scores. If None, one box per candidate is drawn. The
            candidates are ordered by the mean of the first score, with the best
            candidate on top. If `by` is the name of a parameter, one box is drawn per
            value of this parameter, with the scores of all candidates that have this
            value. If `by` is a pair of names, a heat map of the mean score for each
            combination of values is drawn, with the first parameter along the y axis
            and the second along the x axis.
        n_candidates : int, default=20
            Maximum number of candidates to draw if ``by=None``. The best candidates are
            drawn.
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw all panels in, or one Axes per score. If None, a new
            figure is created.
        box_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.boxplot`.
        point_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.plot` for the
            scores of the folds.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow` for the heat
            map.
        text_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.text` for the
            numbers in the heat map.

        Returns
        -------
        display : SearchDisplay
            The display itself, with the artists as attributes.

        Raises
        ------
        ValueError
            If `by` contains a name that is not a parameter of the search, or is a tuple
            that does not have two names.
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
            self._plot_heat_map(by, ax, image_kw or {}, text_kw or {})
        return self

    @classmethod
    def from_search(cls, search, *, by=None, **plot_kw):
        """Draw the scores of a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or similar
            A fitted scikit-learn search. For a halving search, the last iteration of
            each candidate is drawn.
        by : str or tuple (str, str), default=None
            How to group the scores, as in :meth:`plot`.
        **plot_kw : dict
            Other keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : SearchDisplay
            Object that stores the scores and the plot.

        Raises
        ------
        NotFittedError
            If `search` is not fitted.
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
            scores[_score_name(name, search)] = np.transpose(folds)
        return cls(scores, [params[i] for i in rows]).plot(by=by, **plot_kw)

    def _panels(self, ax, size):
        """Create the axes; yield the axes, name, axis label and values of each score.

        `size` is the width and height of each panel in inches.
        """
        n = len(self.scores)
        self.figure_, self.axes_ = make_axes(ax, n, n, size)
        for axes, (name, values) in zip(
            self.axes_.flat, self.scores.items(), strict=True
        ):
            yield axes, name, *label_and_values(name, values)

    def _plot_candidates(self, n_candidates, ax, box_kw, point_kw):
        first_score = next(iter(self.scores.values()))
        means = np.nanmean(_rank_failed_last(first_score), axis=1)
        best = np.argsort(-means, kind="stable")[:n_candidates]
        names = candidate_labels(self.params)
        height = 0.32 * len(best) + 1.1
        # Only the first panel shows the candidates' names. All panels have the same
        # width, so each is widened by an equal share of the space for the names.
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
        if len(best) < len(self.params):
            self.axes_.flat[0].set_ylabel(
                f"The {len(best)} best of {len(self.params)} candidates"
            )

    def _plot_parameter(self, by, ax, box_kw, point_kw):
        values, indices = self._parameter_values(by)
        width = max(3.2, 0.7 * len(values) + 1.2)
        for axes, _, label, scores in self._panels(ax, (width, 3.2)):
            folds = [scores[indices == k].ravel() for k in range(len(values))]
            self._draw_boxes(axes, folds, box_kw, point_kw, vertical=True)
            texts = [_format_value(value) for value in values]
            axes.set_xticks(range(1, len(values) + 1), texts)
            axes.set(xlabel=by, ylabel=label)
            axes.grid(axis="y", alpha=0.3)

    def _plot_heat_map(self, by, ax, image_kw, text_kw):
        if len(by) != 2:
            raise ValueError(
                f"Got by={by!r}, but expected None, the name of a parameter, or two "
                "names."
            )
        (rows, row_indices), (columns, column_indices) = map(self._parameter_values, by)
        size = (0.9 * len(columns) + 2.4, 0.6 * len(rows) + 1.4)
        for axes, name, label, scores in self._panels(ax, size):
            # Make better scores brighter. For losses, lower values are better.
            cmap = "cividis_r" if is_loss(name) else "cividis"
            means = np.full((len(rows), len(columns)), np.nan)
            for i, j in np.ndindex(means.shape):
                cell = scores[(row_indices == i) & (column_indices == j)]
                if np.isfinite(cell).any():
                    means[i, j] = np.nanmean(cell)
            image = axes.imshow(means, **{"cmap": cmap, "aspect": "auto", **image_kw})
            for (i, j), mean in np.ndenumerate(means):
                if np.isfinite(mean):
                    red, green, blue, _ = image.cmap(image.norm(mean))
                    is_dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
                    style = {"ha": "center", "va": "center", "size": "small"}
                    style["color"] = "white" if is_dark else "black"
                    axes.text(j, i, f"{mean:.3f}", **{**style, **text_kw})
            axes.set_yticks(range(len(rows)), [_format_value(v) for v in rows])
            axes.set_xticks(range(len(columns)), [_format_value(v) for v in columns])
            axes.set(ylabel=by[0], xlabel=by[1])
            self.figure_.colorbar(image, ax=axes, label=f"Mean {label.lower()}")
            self.images_.append(image)

    def _parameter_values(self, name):
        """Return the distinct values of a parameter, and which one each candidate has.

        Returns
        -------
        values : list
            The distinct values of the parameter: sorted if all are numbers, otherwise
            in the order of the candidates.
        indices : ndarray of shape (n_candidates,)
            The index into `values` for each candidate.
        """
        known = dict.fromkeys(key for params in self.params for key in params)
        if name not in known:
            raise ValueError(
                f"Got {name!r} in by, but expected a parameter of the search: "
                f"{', '.join(map(repr, known))}."
            )
        # Values such as lists or layers cannot be hashed or compared, so identify them
        # by their text representation.
        texts = [_format_value(params.get(name)) for params in self.params]
        values = {text: p.get(name) for text, p in zip(texts, self.params, strict=True)}
        if all(isinstance(value, Real) for value in values.values()):
            values = dict(sorted(values.items(), key=lambda item: item[1]))
        order = list(values)
        return list(values.values()), np.array([order.index(text) for text in texts])

    def _draw_boxes(self, axes, folds, box_kw, point_kw, *, vertical):
        """Draw a box and the individual scores for each array in `folds`."""
        folds = [scores[np.isfinite(scores)] for scores in folds]  # drop failed fits
        defaults = {
            **box_orientation(vertical),
            "widths": 0.55,
            "showfliers": False,  # the points show all scores, including outliers
            "medianprops": {"color": VERMILION, "linewidth": 1.8},
            "boxprops": {"color": BLACK},
        }
        self.boxes_.append(axes.boxplot(folds, **{**defaults, **box_kw}))
        style = {"marker": "o", "linestyle": "", "color": BLUE, "markersize": 4}
        style |= {"alpha": 0.6, **point_kw}
        points = []
        for position, scores in enumerate(folds, 1):
            positions = np.full(len(scores), position)
            x, y = (positions, scores) if vertical else (scores, positions)
            points += axes.plot(x, y, **style)
        self.points_.append(points)


def is_loss(name):
    """Return True if `name` refers to a negated loss, such as "neg_log_loss"."""
    return name.startswith("neg_")


def label_and_values(name, values):
    """Return the axis label of a score and the values to draw.

    The sign of negated losses is reversed, so that they are drawn as losses.
    """
    values = np.asarray(values, float)
    label = name.removeprefix("neg_").replace("_", " ").capitalize()
    return label, -values if is_loss(name) else values


def _rank_failed_last(scores):
    """Return the scores, with -inf for candidates that failed in all folds."""
    scores = np.array(scores, float)
    scores[np.isnan(scores).all(axis=1)] = -np.inf
    return scores


def _score_name(name, search):
    """Return a more specific name than "score" for the only score of a search.

    A search that has a single score calls it "score" in `cv_results_`.
    """
    if name != "score":
        return name
    if isinstance(search.scoring, str):
        return search.scoring
    if search.scoring is None and is_classifier(search):
        return "accuracy"
    return name


def _last_iterations(params, resource):
    """Return the row of the last iteration of each candidate of a halving search.

    `resource` is the parameter that a halving search increases from one iteration to
    the next. Other searches have only one row per candidate.
    """
    last_rows = {}
    for row, candidate in enumerate(params):
        fixed = {k: v for k, v in candidate.items() if k != resource}
        last_rows[repr(sorted(fixed.items(), key=lambda item: item[0]))] = row
    return sorted(last_rows.values())


def _format_value(value):
    """Return a short string for the value of a parameter."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:g}"
    return getattr(value, "__name__", None) or str(value)


def candidate_labels(params):
    """Return a label for each candidate that shows the parameters that vary.

    If no parameter varies, as for a single candidate, the labels show all parameters.
    Prefixes of nested parameters, such as the name of a pipeline step, are omitted.
    """
    names = dict.fromkeys(name for candidate in params for name in candidate)
    texts = [{n: _format_value(c[n]) for n in names if n in c} for c in params]
    varied = [n for n in names if len({t.get(n) for t in texts}) > 1] or list(names)
    return [
        ", ".join(f"{n.rpartition('__')[2]}={t[n]}" for n in varied if n in t)
        for t in texts
    ]
