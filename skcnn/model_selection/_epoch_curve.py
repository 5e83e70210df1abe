"""Scores on the training and the held-out part of each fold, epoch by epoch."""

import functools
import traceback
import warnings
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, _safe_indexing, check_consistent_length
from sklearn.utils.parallel import Parallel, delayed

from .._classifier import CNNClassifier


def epoch_curve(
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
    error_score=np.nan,
):
    """Scores after every epoch, on the images trained on and on those held out.

    What :func:`sklearn.model_selection.validation_curve` is for a parameter, for the
    epochs of a network: how fast it learns, from when on it overfits, and whether the
    folds agree. Each fold and candidate is trained once.

    Parameters
    ----------
    estimator : CNNClassifier or Pipeline
        What is trained, cloned for each fit; or a pipeline that ends with one. Its
        `memory` is not used, as what it keeps has no scores.
    X : array-like of shape (n_samples, height, width, channels), \
            (n_samples, height, width) or (n_samples, n_features)
        Images.
    y : array-like of shape (n_samples,)
        Class labels.
    param_grid : dict or list of dict, default=None
        Candidates to compare, as :class:`~sklearn.model_selection.ParameterGrid` takes
        them. None trains `estimator` as it is.
    groups : array-like of shape (n_samples,), default=None
        Groups of samples that `cv` keeps together.
    cv : int, cross-validation generator or an iterable, default=None
        Folds: None stands for 5, stratified, as an int is.
    scoring : str, callable, list, tuple or dict, \
            default=("accuracy", "neg_log_loss")
        What is scored, as in :func:`~sklearn.model_selection.cross_validate`.
    n_jobs : int, default=None
        Processes to train in. None stands for 1, or what
        :func:`joblib.parallel_config` says.
    verbose : int, default=0
        Of joblib, for each fit.
    error_score : "raise" or float, default=np.nan
        Scores of a fit that fails, which a warning tells; ``"raise"`` raises the error.

    Returns
    -------
    curve : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        epochs : ndarray of shape (n_epochs,)
            1, 2, and so on.
        params : list of dict
            The candidates; one empty dict without `param_grid`.
        train_scores, test_scores : dict of str to ndarray of shape \
                (n_candidates, n_folds, n_epochs)
            Scores by their names, of the images trained on and of those held out. NaN
            after the last epoch of a fit that ended before the others.

    Raises
    ------
    TypeError
        If `estimator` is something else.
    ValueError
        For data or settings that cannot be used.

    See Also
    --------
    skcnn.display.EpochCurveDisplay : Draws it.
    sklearn.model_selection.validation_curve : Scores by the values of a parameter.

    Notes
    -----
    Scores are those that the network would have if training ended there: without
    dropout and augmentation, with averaged weights (`average`). They cost a prediction
    of all images after each epoch. Folds of `validation_fraction` and early stopping
    are inside the training part, as ever.

    Examples
    --------
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.model_selection import epoch_curve
    >>> X, y = load_digits(return_X_y=True)
    >>> curve = epoch_curve(
    ...     CNNClassifier(filters=(8, 16), epochs=3, random_state=0), X, y, cv=2
    ... )
    >>> curve.epochs
    array([1, 2, 3])
    >>> curve.test_scores["accuracy"].shape
    (1, 2, 3)
    """
    if not isinstance(_network(estimator), CNNClassifier):
        raise TypeError(
            f"Got estimator={estimator!r}, but expected a CNNClassifier, or a Pipeline "
            "that ends with one: others have no epochs that are known."
        )
    if error_score != "raise" and not isinstance(error_score, Real):
        raise ValueError(
            f"Got error_score={error_score!r}, but expected 'raise' or a number."
        )
    check_consistent_length(X, y, groups)
    candidates = [{}] if param_grid is None else list(ParameterGrid(param_grid))
    splits = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    # One that is scored alone gets a name, too.
    if callable(scoring) or scoring is None:
        scoring = {"score": scoring or _own_score}
    scorer = check_scoring(
        estimator, [scoring] if isinstance(scoring, str) else scoring
    )
    fits = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_fit_and_score)(
            clone(estimator), params, X, y, train, test, scorer, error_score
        )
        for params in candidates
        for train, test in splits
    )
    n_epochs = max(len(scores) for scores, _ in fits)
    if not n_epochs:
        raise ValueError(
            f"All the {len(fits)} fits failed in their first epoch. The reason of the "
            f"last:\n{fits[-1][1]}"
        )
    names = next(scores[0][0] for scores, _ in fits if scores)
    shape = (len(candidates), len(splits), n_epochs)
    curves = [{name: np.full(shape, np.nan) for name in names} for _ in range(2)]
    for (i, j), (scores, reason) in zip(np.ndindex(shape[:2]), fits, strict=True):
        for part, curve in enumerate(curves):
            for name, values in curve.items():
                values[i, j, : len(scores)] = [epoch[part][name] for epoch in scores]
                if reason:
                    values[i, j, len(scores) :] = error_score
    return Bunch(
        epochs=np.arange(1, n_epochs + 1),
        params=candidates,
        train_scores=curves[0],
        test_scores=curves[1],
    )


def _network(estimator):
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _own_score(estimator, X, y):
    return estimator.score(X, y)


def _fit_and_score(estimator, params, X, y, train, test, scorer, error_score):
    """Pairs of dicts, the scores of both parts after each epoch; why it failed."""
    scores = []
    try:
        # Candidates share no parameter that is an object.
        estimator.set_params(**clone(params, safe=False))
        network = _network(estimator).set_params(memory=None)
        X_train, X_test = (_safe_indexing(X, rows) for rows in (train, test))
        y_train, y_test = (_safe_indexing(y, rows) for rows in (train, test))
        if isinstance(estimator, Pipeline) and len(estimator) > 1:
            X_train = estimator[:-1].fit_transform(X_train, y_train)
            X_test = estimator[:-1].transform(X_test)

        def score(fitted):
            fitted.predict_proba = _once(fitted.predict_proba)
            scores.append(
                (scorer(fitted, X_train, y_train), scorer(fitted, X_test, y_test))
            )

        network._after_epoch = score
        network.fit(X_train, y_train)
    except Exception:
        if error_score == "raise":
            raise
        reason = traceback.format_exc()
        warnings.warn(
            f"A fit with {params or 'the parameters of the estimator'} failed after "
            f"{len(scores)} epochs; from there on, its scores are {error_score}. The "
            f"reason:\n{reason}",
            FitFailedWarning,
            stacklevel=2,
        )
        return scores, reason
    return scores, None


def _once(predict_proba):
    """The same, but computed once for all that is asked of one array."""
    seen = proba = None

    @functools.wraps(predict_proba)  # scorers ask for its name
    def remembered(X):
        nonlocal seen, proba
        if X is not seen:
            seen, proba = X, predict_proba(X)
        return proba

    return remembered
