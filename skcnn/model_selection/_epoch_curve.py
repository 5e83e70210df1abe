"""Training and validation scores on each fold after every epoch."""

import functools
import traceback
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_consistent_length
from sklearn.utils.parallel import Parallel, delayed

from .._classifier import CNNClassifier
from .._utils._fixes import _safe_indexing
from .._utils._warnings import warn_user


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
    """Cross-validate an estimator and compute its scores after every epoch.

    This function is similar to :func:`sklearn.model_selection.validation_curve` with
    the number of epochs as the parameter, but trains each candidate only once per fold.
    The scores show how fast a network learns, at which epoch it starts to overfit, and
    how much the folds differ.

    Parameters
    ----------
    estimator : CNNClassifier or Pipeline
        The estimator to train: a CNNClassifier, or a pipeline whose last step is one.
        It is cloned for each fit. The `memory` of the CNNClassifier is ignored, because
        stored fits do not contain scores.
    X : array-like of shape (n_samples, height, width, channels), \
            (n_samples, height, width) or (n_samples, n_features)
        The images.
    y : array-like of shape (n_samples,)
        The labels.
    param_grid : dict or list of dict, default=None
        The parameters of the candidates to compare, as in
        :class:`~sklearn.model_selection.ParameterGrid`. If None, `estimator` is the
        only candidate.
    groups : array-like of shape (n_samples,), default=None
        Group labels of the samples. Only used with a group `cv`, such as
        :class:`~sklearn.model_selection.GroupKFold`.
    cv : int, cross-validation generator or an iterable, default=None
        Cross-validation strategy, as in
        :func:`~sklearn.model_selection.cross_validate`. An int is the number of folds
        of a :class:`~sklearn.model_selection.StratifiedKFold`. None means 5.
    scoring : str, callable, list, tuple or dict, \
            default=("accuracy", "neg_log_loss")
        The scores to compute, as in :func:`~sklearn.model_selection.cross_validate`. If
        `scoring` is None, the `score` method of `estimator` is used. In this case, and
        if a callable returns a single score, the score is named "score".
    n_jobs : int, default=None
        Number of fits to run in parallel. None means 1 unless in a
        :func:`joblib.parallel_config` context. -1 means using all processors.
    verbose : int, default=0
        Verbosity of joblib, which reports the finished fits.
    error_score : "raise" or float, default=np.nan
        Value to assign to the scores of a failed fit, starting with the epoch in which
        the fit fails. A warning reports the error. If ``"raise"``, the error is raised.

    Returns
    -------
    curve : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        epochs : ndarray of shape (n_epochs,), dtype int
            The epochs, from 1 to the last epoch of the longest fit.
        params : list of dict
            The parameters of each candidate. If `param_grid` is None, the list contains
            one empty dict.
        train_scores, test_scores : dict of str to ndarray of shape \
                (n_candidates, n_folds, n_epochs)
            Scores on the training images and on the held-out images, keyed by the name
            of the score. If a fit ended earlier than others, its later scores are NaN.

    Raises
    ------
    TypeError
        If `estimator` is not a CNNClassifier or a pipeline whose last step is one.
    ValueError
        If `error_score` is invalid, `X`, `y` and `groups` differ in length, or all fits
        fail in their first epoch.

    Warns
    -----
    FitFailedWarning
        If a fit fails and `error_score` is a number.

    See Also
    --------
    skcnn.display.EpochCurveDisplay : Draw the scores.
    sklearn.model_selection.validation_curve : Compute scores for varying values of a
        parameter.

    Notes
    -----
    The scores after an epoch are the scores that the network would have if training
    ended after this epoch. They are computed without dropout and augmentation, and with
    averaged weights if ``average=True``. To compute the scores, all images are
    predicted once per epoch.

    The images that `validation_fraction` holds out, for example for early stopping, are
    taken from the training images of each fold.

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
    if not isinstance(_last_step(estimator), CNNClassifier):
        raise TypeError(
            f"Got estimator={estimator!r}, but expected a CNNClassifier, or a Pipeline "
            "whose last step is one. Other estimators do not report their epochs."
        )
    if error_score != "raise" and not isinstance(error_score, Real):
        raise ValueError(
            f"Got error_score={error_score!r}, but expected 'raise' or a number."
        )
    check_consistent_length(X, y, groups)
    candidates = [{}] if param_grid is None else list(ParameterGrid(param_grid))
    splits = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    # Put a single callable into a dict, so that the scorer always returns a dict.
    if callable(scoring) or scoring is None:
        scoring = {"score": scoring or _default_score}
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
            f"All {len(fits)} fits failed in their first epoch. Pass "
            "error_score='raise' to debug them. The error of the last fit was:\n"
            f"{fits[-1][1]}"
        )
    names = next(scores[0][0] for scores, _ in fits if scores)
    shape = (len(candidates), len(splits), n_epochs)
    curves = [{name: np.full(shape, np.nan) for name in names} for _ in range(2)]
    for (i, j), (scores, error) in zip(np.ndindex(shape[:2]), fits, strict=True):
        for part, curve in enumerate(curves):
            for name, values in curve.items():
                values[i, j, : len(scores)] = [epoch[part][name] for epoch in scores]
                if error:
                    values[i, j, len(scores) :] = error_score
    return Bunch(
        epochs=np.arange(1, n_epochs + 1),
        params=candidates,
        train_scores=curves[0],
        test_scores=curves[1],
    )


def _last_step(estimator):
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _default_score(estimator, X, y):
    return estimator.score(X, y)


def _fit_and_score(estimator, params, X, y, train, test, scorer, error_score):
    """Train one candidate on one fold and score it after every epoch.

    Parameters
    ----------
    estimator : CNNClassifier or Pipeline
        A clone of the estimator, which is modified.
    params : dict
        The parameters of the candidate.
    X, y : array-like
        All images and labels.
    train, test : ndarray of int
        Indices of the training and of the held-out samples.
    scorer : callable
        Returns a dict of scores.
    error_score : "raise" or float
        As in `epoch_curve`.

    Returns
    -------
    scores : list of (dict, dict)
        The training scores and the held-out scores after each epoch.
    error : str or None
        The traceback if the fit failed, otherwise None.
    """
    scores = []
    try:
        # Clone the parameters, so that candidates do not share objects, such as layers.
        estimator.set_params(**clone(params, safe=False))
        network = _last_step(estimator).set_params(memory=None)
        X_train, X_test = (_safe_indexing(X, rows) for rows in (train, test))
        y_train, y_test = (_safe_indexing(y, rows) for rows in (train, test))
        if isinstance(estimator, Pipeline) and len(estimator) > 1:
            X_train = estimator[:-1].fit_transform(X_train, y_train)
            X_test = estimator[:-1].transform(X_test)

        def score(fitted):
            # Predict probabilities only once, because all scorers use the same ones.
            fitted.predict_proba = _cache_last_call(fitted.predict_proba)
            scores.append(
                (scorer(fitted, X_train, y_train), scorer(fitted, X_test, y_test))
            )

        network._after_epoch = score
        network.fit(X_train, y_train)
    except Exception:
        if error_score == "raise":
            raise
        error = traceback.format_exc()
        warn_user(
            f"The fit with {params or 'the parameters of the estimator'} failed after "
            f"{len(scores)} epochs. Its scores for all later epochs are set to "
            f"error_score={error_score}. To raise the error instead, pass "
            f"error_score='raise'. The error was:\n{error}",
            FitFailedWarning,
        )
        return scores, error
    return scores, None


def _cache_last_call(predict_proba):
    """Wrap `predict_proba` so that it returns its last result for the same array."""
    last_X = last_proba = None

    @functools.wraps(predict_proba)  # scorers read the method's name
    def cached(X):
        nonlocal last_X, last_proba
        if X is not last_X:
            last_X, last_proba = X, predict_proba(X)
        return last_proba

    return cached
