"""Images with what a network says of them, and what they are."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state

from .._data import images_of
from ._drawing import BLUE, VERMILION, as_pictures, make_axes, show_image
from ._inputs import check_predictions

_WHICH = ("first", "random", "confident_errors", "least_certain")


class PredictionGridDisplay:
    """Grid of images with their true and their predicted class, and probabilities.

    Those that are right have a blue frame and a check mark, those that are wrong an
    orange one and a cross. It is recommended to use :meth:`from_estimator` or
    :meth:`from_predictions` to create one.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        What is shown, row by row.

    y_true, y_pred : array-like of str of shape (n_images,)
        Names of the true and of the predicted classes.

    proba_true, proba_pred : array-like of float of shape (n_images,)
        Probabilities of the true and of the predicted classes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        One for each image.

    figure_ : matplotlib Figure
        Figure with the images.

    images_ : list of matplotlib AxesImage
        The images that were drawn.

    See Also
    --------
    ConfusionGalleryDisplay : The images of the classes that are confused most.

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
            Images beside each other.
        ax : matplotlib Axes or array-like of Axes, default=None
            One that the grid is drawn within, or one for each image. None draws a new
            figure.
        image_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : PredictionGridDisplay
            With what was drawn as attributes.
        """
        n = len(self.images)
        self.figure_, self.axes_ = make_axes(ax, n, n_columns, (1.9, 2.35))
        self.images_ = []
        if not n:
            axes = self.axes_.flat[0]
            axes.set_axis_off()
            axes.text(0.5, 0.5, "no such images", ha="center", va="center")
            return self
        for i, picture in enumerate(as_pictures(self.images)):
            axes = self.axes_.flat[i]
            self.images_.append(show_image(axes, picture, **(image_kw or {})))
            right = self.y_true[i] == self.y_pred[i]
            colour = BLUE if right else VERMILION
            for spine in axes.spines.values():
                spine.set(color=colour, linewidth=3)
            lines = [f"✓ {self.y_pred[i]} {self.proba_pred[i]:.2f}"]
            if not right:
                lines = [
                    f"✗ {self.y_pred[i]} {self.proba_pred[i]:.2f}",
                    f"is {self.y_true[i]} {self.proba_true[i]:.2f}",
                ]
            look = {"color": colour, "size": "small"}
            axes.set_title("\n".join(lines), **{**look, **(title_kw or {})})
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
        """Draw what a fitted classifier says of images.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`; a pipeline or a search as well.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            Images.
        y : array-like of shape (n_samples,)
            Their true classes.
        which : {"first", "random", "confident_errors", "least_certain"}, \
                default="first"
            Which images: the first; some at random; those that are wrong, by the
            probability of what was predicted, the highest first; or those whose two
            most probable classes are closest.
        n_images : int, default=12
            How many of them, at most.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of ``estimator.classes_``. None shows
            the labels.
        random_state : int, RandomState instance or None, default=None
            For ``which="random"``.
        image_shape : tuple of int, default=None
            Shape of an image where `X` has flattened ones. None takes the estimator's.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : PredictionGridDisplay

        Raises
        ------
        ValueError
            For data or settings that cannot be used.
        """
        return cls.from_predictions(
            images_of(X, image_shape, estimator),
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
        """Draw what was predicted, by `cross_val_predict` for example.

        Parameters
        ----------
        X : array-like
            Images, as in :meth:`from_estimator`.
        y_true : array-like of shape (n_samples,)
            Their true classes.
        y_proba : array-like of shape (n_samples, n_classes)
            Probabilities of the classes.
        classes : array-like of shape (n_classes,), default=None
            The classes, in the order of the columns of `y_proba`. None stands for
            those in `y_true`, sorted.
        which : {"first", "random", "confident_errors", "least_certain"}, \
                default="first"
            As in :meth:`from_estimator`.
        n_images : int, default=12
            As in :meth:`from_estimator`.
        display_labels : array-like of shape (n_classes,), default=None
            As in :meth:`from_estimator`.
        random_state : int, RandomState instance or None, default=None
            As in :meth:`from_estimator`.
        image_shape : tuple of int, default=None
            Shape of an image where `X` has flattened ones.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : PredictionGridDisplay
        """
        images = images_of(X, image_shape)
        codes, proba, names = check_predictions(
            y_true, y_proba, classes, display_labels
        )
        check_consistent_length(images, proba)
        predicted = proba.argmax(axis=1)
        rows = _chosen(which, codes, predicted, proba, random_state)[:n_images]
        display = cls(
            images[rows],
            y_true=names[codes[rows]],
            y_pred=names[predicted[rows]],
            proba_true=proba[rows, codes[rows]],
            proba_pred=proba[rows, predicted[rows]],
        )
        return display.plot(**plot_kw)


def _chosen(which, codes, predicted, proba, random_state):
    """Rows in the order in which they are wanted."""
    if which == "first":
        return np.arange(len(codes))
    if which == "random":
        return check_random_state(random_state).permutation(len(codes))
    if which == "confident_errors":
        (wrong,) = np.nonzero(predicted != codes)
        return wrong[np.argsort(-proba[wrong].max(axis=1), kind="stable")]
    if which == "least_certain":
        second, first = np.sort(proba, axis=1)[:, -2:].T
        return np.argsort(first - second, kind="stable")
    raise ValueError(
        f"Got which={which!r}, but expected one of {', '.join(map(repr, _WHICH))}."
    )
