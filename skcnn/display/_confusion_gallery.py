"""The images of the classes that are confused most."""

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_consistent_length

from .._data import images_of
from ._drawing import VERMILION, as_pictures, make_axes, show_image
from ._inputs import check_predictions


class ConfusionGalleryDisplay:
    """Images of the most confused pairs of classes, one pair in each row.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions` to
    create one. How often each class is taken for each other one, scikit-learn's
    :class:`~sklearn.metrics.ConfusionMatrixDisplay` shows.

    Parameters
    ----------
    images : list of ndarray of shape (n_images, height, width, channels)
        For each pair, the images of the one class that were taken for the other, the
        surest first.

    pairs : list of tuple (str, str)
        For each pair the names of the true and of the predicted class.

    counts : list of int
        For each pair, how many images were confused, shown or not.

    probas : list of ndarray of shape (n_images, 2)
        For each pair, the probabilities of the true and of the predicted class.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_pairs, n_columns)
        One for each image; those without one are switched off.

    figure_ : matplotlib Figure
        Figure with the images.

    images_ : list of list of matplotlib AxesImage
        For each pair, the images that were drawn.

    See Also
    --------
    PredictionGridDisplay : Errors of all classes, by their confidence.

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
            One that all is drawn within, or one for each place. None draws a new
            figure.
        image_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : ConfusionGalleryDisplay
            With what was drawn as attributes.
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
            drawn = []
            for axes, picture, proba in zip(
                row, as_pictures(images), probas, strict=False
            ):
                axes.set_axis_on()
                drawn.append(show_image(axes, picture, **(image_kw or {})))
                lines = [f"{name} {p:.2f}" for name, p in zip(pair, proba, strict=True)]
                look = {"size": "small", **(title_kw or {})}
                axes.set_title("\n".join(lines), **look)
            row[0].set_ylabel(
                f"{pair[0]}\ntaken for\n{pair[1]}\n({count})", color=VERMILION
            )
            self.images_.append(drawn)
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
        """Draw what a fitted classifier confuses.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`; a pipeline or a search as well.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            Images.
        y : array-like of shape (n_samples,)
            Their true classes.
        n_pairs : int, default=3
            How many pairs of classes, at most: those with the most images. A class
            taken for another and the other for it are two pairs.
        n_images : int, default=6
            How many images of each, at most.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of ``estimator.classes_``. None shows
            the labels.
        image_shape : tuple of int, default=None
            Shape of an image where `X` has flattened ones. None takes the estimator's.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : ConfusionGalleryDisplay
        """
        return cls.from_predictions(
            images_of(X, image_shape, estimator),
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
        """Draw what was confused, by `cross_val_predict` for example.

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
        n_pairs : int, default=3
            As in :meth:`from_estimator`.
        n_images : int, default=6
            As in :meth:`from_estimator`.
        display_labels : array-like of shape (n_classes,), default=None
            As in :meth:`from_estimator`.
        image_shape : tuple of int, default=None
            Shape of an image where `X` has flattened ones.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : ConfusionGalleryDisplay
        """
        images = images_of(X, image_shape)
        codes, proba, names = check_predictions(
            y_true, y_proba, classes, display_labels
        )
        check_consistent_length(images, proba)
        predicted = proba.argmax(axis=1)
        confused = confusion_matrix(codes, predicted, labels=range(len(names)))
        np.fill_diagonal(confused, 0)
        most = np.argsort(-confused, axis=None, kind="stable")[:n_pairs]
        pairs = [
            (true, taken)
            for true, taken in zip(*np.unravel_index(most, confused.shape), strict=True)
            if confused[true, taken]
        ]
        chosen = []
        for true, taken in pairs:
            (rows,) = np.nonzero((codes == true) & (predicted == taken))
            surest = np.argsort(-proba[rows, taken], kind="stable")[:n_images]
            chosen.append(rows[surest])
        display = cls(
            [images[rows] for rows in chosen],
            pairs=[(str(names[true]), str(names[taken])) for true, taken in pairs],
            counts=[int(confused[pair]) for pair in pairs],
            probas=[
                proba[rows][:, list(pair)]
                for rows, pair in zip(chosen, pairs, strict=True)
            ],
        )
        return display.plot(**plot_kw)
