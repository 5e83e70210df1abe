"""Grids of images with their true and predicted classes."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state

from .._utils._validation import to_images
from ._drawing import BLUE, VERMILION, make_axes, scale_images, show_image
from ._inputs import check_predictions

_WHICH = ("first", "random", "confident_errors", "least_certain")


class PredictionGridDisplay:
    """Grid of images with their true and predicted classes and probabilities.

    Correct predictions have a blue frame and a check mark. Errors have an orange frame
    and a cross, and also show the true class.

    It is recommended to use
    :meth:`~skcnn.display.PredictionGridDisplay.from_estimator` or
    :meth:`~skcnn.display.PredictionGridDisplay.from_predictions` to create a
    `PredictionGridDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        The images, which fill the grid row by row.

    y_true, y_pred : array-like of str of shape (n_images,)
        Names of the true and the predicted classes.

    proba_true, proba_pred : array-like of float of shape (n_images,)
        Predicted probabilities of the true and the predicted classes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        Axes of the plot, one per image. Unused axes are switched off.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    images_ : list of matplotlib AxesImage
        The drawn images.

    See Also
    --------
    ConfusionGalleryDisplay : Draw the images of the most confused pairs of classes.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.display import PredictionGridDisplay
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *load_digits(return_X_y=True), random_state=0
    ... )
    >>> cnn = CNNClassifier(filters=(8, 16), epochs=5, random_state=0)
    >>> display = PredictionGridDisplay.from_estimator(
    ...     cnn.fit(X_train, y_train), X_test, y_test, which="least_certain"
    ... )
    >>> len(display.images_)
    12
    """

    def __init__(self, images, *, y_true, y_pred, proba_true, proba_pred):
        self.images = images
        self.y_true = y_true
        self.y_pred = y_pred
        self.proba_true = proba_true
        self.proba_pred = proba_pred

    def plot(self, *, n_columns=6, ax=None, image_kw=None, title_kw=None):
        """Draw the images.

        Parameters
        ----------
        n_columns : int, default=6
            Maximum number of images per row.
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw the grid in, or one Axes per image. If None, a new
            figure is created.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : PredictionGridDisplay
            The display itself, with the artists as attributes.
        """
        n = len(self.images)
        self.figure_, self.axes_ = make_axes(ax, n, n_columns, (1.9, 2.35))
        self.images_ = []
        if not n:
            axes = self.axes_.flat[0]
            axes.set_axis_off()
            axes.text(0.5, 0.5, "no such images", ha="center", va="center")
            return self
        for i, image in enumerate(scale_images(self.images)):
            axes = self.axes_.flat[i]
            self.images_.append(show_image(axes, image, **(image_kw or {})))
            is_correct = self.y_true[i] == self.y_pred[i]
            colour = BLUE if is_correct else VERMILION
            for spine in axes.spines.values():
                spine.set(color=colour, linewidth=3)
            lines = [f"✓ {self.y_pred[i]} {self.proba_pred[i]:.2f}"]
            if not is_correct:
                lines = [
                    f"✗ {self.y_pred[i]} {self.proba_pred[i]:.2f}",
                    f"is {self.y_true[i]} {self.proba_true[i]:.2f}",
                ]
            style = {"color": colour, "size": "small"}
            axes.set_title("\n".join(lines), **{**style, **(title_kw or {})})
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        which="first",
        n_images=12,
        display_labels=None,
        random_state=None,
        image_shape=None,
        **plot_kw,
    ):
        """Draw the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with `predict_proba`, which may be a pipeline or a
            search.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images to predict.
        y : array-like of shape (n_samples,)
            The true labels.
        which : {"first", "random", "confident_errors", "least_certain"}, \
                default="first"
            The images to draw:

            - ``"first"``: the first images of `X`;
            - ``"random"``: a random sample of `X`;
            - ``"confident_errors"``: the errors, ordered from the highest to the lowest
              probability of the predicted class;
            - ``"least_certain"``: the images with the smallest difference between the
              two highest probabilities.
        n_images : int, default=12
            Maximum number of images to draw.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of ``estimator.classes_``. If None, the
            labels are shown.
        random_state : int, RandomState instance or None, default=None
            Controls the sample if ``which="random"``. Pass an int for reproducible
            output across multiple calls.
        image_shape : tuple of int, default=None
            Shape of each image if `X` is flattened. If None, the shape is taken from
            the estimator.
        **plot_kw : dict
            Keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : PredictionGridDisplay
            Object that stores the selected predictions and the plot.

        Raises
        ------
        ValueError
            If `which` is unknown, if labels are not among the classes, or if the shapes
            of `X`, `y` and `display_labels` do not match.
        """
        return cls.from_predictions(
            to_images(X, image_shape, estimator),
            y,
            estimator.predict_proba(X),
            classes=estimator.classes_,
            which=which,
            n_images=n_images,
            display_labels=display_labels,
            random_state=random_state,
            **plot_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        y_true,
        y_proba,
        *,
        classes=None,
        which="first",
        n_images=12,
        display_labels=None,
        random_state=None,
        image_shape=None,
        **plot_kw,
    ):
        """Draw predictions, given the predicted probabilities.

        For example, use this method with the output of
        :func:`~sklearn.model_selection.cross_val_predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images.
        y_true : array-like of shape (n_samples,)
            The true labels.
        y_proba : array-like of shape (n_samples, n_classes)
            The predicted probabilities.
        classes : array-like of shape (n_classes,), default=None
            The class of each column of `y_proba`. If None, the sorted labels in
            `y_true` are used.
        which : {"first", "random", "confident_errors", "least_certain"}, \
                default="first"
            The images to draw, as in :meth:`from_estimator`.
        n_images : int, default=12
            Maximum number of images to draw.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of `classes`. If None, the labels are
            shown.
        random_state : int, RandomState instance or None, default=None
            Controls the sample if ``which="random"``.
        image_shape : tuple of int, default=None
            Shape of each image. Required if `X` is flattened.
        **plot_kw : dict
            Keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : PredictionGridDisplay
            Object that stores the selected predictions and the plot.

        Raises
        ------
        ValueError
            If `which` is unknown, if labels are not among the classes, or if the shapes
            of the arrays do not match.
        """
        images = to_images(X, image_shape)
        y_encoded, proba, names = check_predictions(
            y_true, y_proba, classes, display_labels
        )
        check_consistent_length(images, proba)
        predicted = proba.argmax(axis=1)
        rows = _select_rows(which, y_encoded, predicted, proba, random_state)[:n_images]
        display = cls(
            images[rows],
            y_true=names[y_encoded[rows]],
            y_pred=names[predicted[rows]],
            proba_true=proba[rows, y_encoded[rows]],
            proba_pred=proba[rows, predicted[rows]],
        )
        return display.plot(**plot_kw)


def _select_rows(which, y_encoded, predicted, proba, random_state):
    """Return the rows that `which` selects, in the order in which to draw them."""
    if which == "first":
        return np.arange(len(y_encoded))
    if which == "random":
        return check_random_state(random_state).permutation(len(y_encoded))
    if which == "confident_errors":
        (wrong,) = np.nonzero(predicted != y_encoded)
        return wrong[np.argsort(-proba[wrong].max(axis=1), kind="stable")]
    if which == "least_certain":
        second, first = np.sort(proba, axis=1)[:, -2:].T
        return np.argsort(first - second, kind="stable")
    raise ValueError(
        f"Got which={which!r}, but expected one of {', '.join(map(repr, _WHICH))}."
    )
