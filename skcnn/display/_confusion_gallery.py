"""Misclassified images of the most confused pairs of classes."""

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_consistent_length

from .._utils._validation import to_images
from ._drawing import VERMILION, make_axes, scale_images, show_image
from ._inputs import check_predictions


class ConfusionGalleryDisplay:
    """Misclassified images of the most confused pairs of classes, one pair per row.

    It is recommended to use
    :meth:`~skcnn.display.ConfusionGalleryDisplay.from_estimator` or
    :meth:`~skcnn.display.ConfusionGalleryDisplay.from_predictions` to create a
    `ConfusionGalleryDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    images : list of ndarray of shape (n_images, height, width, channels)
        For each pair, the images of the true class for which the other class was
        predicted, ordered from the most to the least confident prediction.

    pairs : list of tuple (str, str)
        For each pair, the names of the true and the predicted class.

    counts : list of int
        For each pair, the number of misclassified images, including those not shown.

    probas : list of ndarray of shape (n_images, 2)
        For each pair, the predicted probabilities of the true and the predicted class,
        one row per image.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_pairs, n_columns)
        Axes of the plot, one per image. Unused axes are switched off.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    images_ : list of list of matplotlib AxesImage
        The images drawn for each pair.

    See Also
    --------
    PredictionGridDisplay : Show individual predictions, for example the most confident
        errors of all classes.
    sklearn.metrics.ConfusionMatrixDisplay : Show how often each class is predicted as
        each other class.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_predict
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.display import ConfusionGalleryDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(filters=(8,), epochs=2, random_state=0)
    >>> proba = cross_val_predict(cnn, X, y, cv=2, method="predict_proba")
    >>> display = ConfusionGalleryDisplay.from_predictions(X, y, proba, n_pairs=3)
    >>> len(display.pairs)
    3
    """

    def __init__(self, images, *, pairs, counts, probas):
        self.images = images
        self.pairs = pairs
        self.counts = counts
        self.probas = probas

    def plot(self, *, ax=None, image_kw=None, title_kw=None):
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw the grid in, or one Axes per cell of the grid. If
            None, a new figure is created.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : ConfusionGalleryDisplay
            The display itself, with the artists as attributes.
        """
        n_columns = max((len(images) for images in self.images), default=1)
        n = max(len(self.pairs), 1) * n_columns
        self.figure_, self.axes_ = make_axes(ax, n, n_columns, (1.75, 2.15))
        rows = self.axes_.reshape(-1, n_columns)
        self.images_ = []
        for axes in rows.flat:
            axes.set_axis_off()
        if not self.pairs:
            rows[0, 0].text(0.5, 0.5, "no errors", ha="center", va="center")
            return self
        for row, images, pair, count, probas in zip(
            rows, self.images, self.pairs, self.counts, self.probas, strict=True
        ):
            artists = []
            # Use strict=False, because a row may have more axes than images.
            for axes, image, proba in zip(
                row, scale_images(images), probas, strict=False
            ):
                axes.set_axis_on()
                artists.append(show_image(axes, image, **(image_kw or {})))
                lines = [f"{name} {p:.2f}" for name, p in zip(pair, proba, strict=True)]
                style = {"size": "small", **(title_kw or {})}
                axes.set_title("\n".join(lines), **style)
            row[0].set_ylabel(
                f"{pair[0]}\ntaken for\n{pair[1]}\n({count})", color=VERMILION
            )
            self.images_.append(artists)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        n_pairs=3,
        n_images=6,
        display_labels=None,
        image_shape=None,
        **plot_kw,
    ):
        """Draw the images of the classes that a fitted classifier confuses most.

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
        n_pairs : int, default=3
            Maximum number of pairs of classes. The pairs with the most misclassified
            images are shown. The order matters: "a predicted as b" and "b predicted as
            a" are two pairs.
        n_images : int, default=6
            Maximum number of images per pair.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of ``estimator.classes_``. If None, the
            labels are shown.
        image_shape : tuple of int, default=None
            Shape of each image if `X` is flattened. If None, the shape is taken from
            the estimator.
        **plot_kw : dict
            Keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : ConfusionGalleryDisplay
            Object that stores the misclassified images and the plot.

        Raises
        ------
        ValueError
            If labels are not among the classes, or if the shapes of `X`, `y` and
            `display_labels` do not match.
        """
        return cls.from_predictions(
            to_images(X, image_shape, estimator),
            y,
            estimator.predict_proba(X),
            classes=estimator.classes_,
            n_pairs=n_pairs,
            n_images=n_images,
            display_labels=display_labels,
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
        n_pairs=3,
        n_images=6,
        display_labels=None,
        image_shape=None,
        **plot_kw,
    ):
        """Draw the images of the most confused classes, given predicted probabilities.

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
        n_pairs : int, default=3
            Maximum number of pairs of classes, as in :meth:`from_estimator`.
        n_images : int, default=6
            Maximum number of images per pair.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of `classes`. If None, the labels are
            shown.
        image_shape : tuple of int, default=None
            Shape of each image. Required if `X` is flattened.
        **plot_kw : dict
            Keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : ConfusionGalleryDisplay
            Object that stores the misclassified images and the plot.

        Raises
        ------
        ValueError
            If labels are not among the classes, or if the shapes of the arrays do not
            match.
        """
        images = to_images(X, image_shape)
        y_encoded, proba, names = check_predictions(
            y_true, y_proba, classes, display_labels
        )
        check_consistent_length(images, proba)
        predicted = proba.argmax(axis=1)
        errors = confusion_matrix(y_encoded, predicted, labels=range(len(names)))
        np.fill_diagonal(errors, 0)
        largest = np.argsort(-errors, axis=None, kind="stable")[:n_pairs]
        pairs = [
            (i, j)
            for i, j in zip(*np.unravel_index(largest, errors.shape), strict=True)
            if errors[i, j]
        ]
        rows_per_pair = []
        for i, j in pairs:
            (rows,) = np.nonzero((y_encoded == i) & (predicted == j))
            most_confident = np.argsort(-proba[rows, j], kind="stable")[:n_images]
            rows_per_pair.append(rows[most_confident])
        display = cls(
            [images[rows] for rows in rows_per_pair],
            pairs=[(str(names[i]), str(names[j])) for i, j in pairs],
            counts=[int(errors[pair]) for pair in pairs],
            probas=[
                proba[rows][:, list(pair)]
                for rows, pair in zip(rows_per_pair, pairs, strict=True)
            ],
        )
        return display.plot(**plot_kw)
