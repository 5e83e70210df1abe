"""Grids of images with their class names, optionally with augmented versions."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state

from .._network._augmentation import augmented, check_augment, check_layer
from .._utils._tensorflow import import_tensorflow
from .._utils._validation import final_estimator, to_images
from ._drawing import make_axes, scale_images, show_image
from ._inputs import class_names


class ImageGridDisplay:
    """Grid of images with their class names.

    It is recommended to use :meth:`~skcnn.display.ImageGridDisplay.from_data` or
    :meth:`~skcnn.display.ImageGridDisplay.from_estimator` to create an
    `ImageGridDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        The images, which fill the grid row by row.

    titles : list of str, default=None
        The title of each image. If None, no titles are drawn.

    n_columns : int, default=5
        Number of images per row.

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
    PredictionGridDisplay : Draw images with their predicted classes.

    Examples
    --------
    >>> from skcnn.datasets import make_scenes
    >>> from skcnn.display import ImageGridDisplay
    >>> scenes = make_scenes(100, random_state=0)
    >>> display = ImageGridDisplay.from_data(
    ...     scenes.images,
    ...     scenes.target,
    ...     display_labels=scenes.target_names,
    ...     random_state=0,
    ... )
    >>> display.titles[4:7]
    ['buildings', 'forest', 'forest']
    """

    def __init__(self, images, *, titles=None, n_columns=5):
        self.images = images
        self.titles = titles
        self.n_columns = n_columns

    def plot(self, *, ax=None, image_kw=None, title_kw=None):
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw the grid in, or one Axes per image. If None, a new
            figure is created.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : ImageGridDisplay
            The display itself, with the artists as attributes.
        """
        n = len(self.images)
        self.figure_, self.axes_ = make_axes(ax, n, self.n_columns, (1.6, 1.75))
        self.images_ = []
        for i, image in enumerate(scale_images(self.images)):
            axes = self.axes_.flat[i]
            self.images_.append(show_image(axes, image, **(image_kw or {})))
            if self.titles is not None:
                axes.set_title(self.titles[i], **{"size": "medium", **(title_kw or {})})
        return self

    @classmethod
    def from_data(
        cls,
        X,
        y=None,
        *,
        augment=False,
        n_images=None,
        n_versions=5,
        image_shape=None,
        display_labels=None,
        random_state=None,
        ax=None,
        image_kw=None,
        title_kw=None,
    ):
        """Draw a random sample of images, balanced and ordered by class.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images to sample from.
        y : array-like of shape (n_samples,), default=None
            The labels. If None, images are sampled regardless of their class and drawn
            without class names.
        augment : "auto", bool, dict or keras.Layer, default=False
            Augmentation, as in :class:`~skcnn.CNNClassifier`. Unless `augment` is False
            or None, each row shows a stored image, followed by augmented versions of
            this image.
        n_images : int, default=None
            Number of images to sample from `X`. If None, the default depends on the
            other parameters. With `augment`, 4 images are sampled. With neither
            `augment` nor `y`, 20 images are sampled. With `y` alone, five images per
            class are sampled, or fewer if there are more than six classes, so that the
            total is at most 30.
        n_versions : int, default=5
            Number of augmented versions of each image. Ignored without `augment`.
        image_shape : tuple of int, default=None
            Shape of each image. Required if `X` is flattened.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of the sorted labels. If None, the labels
            are shown.
        random_state : int, RandomState instance or None, default=None
            Controls the sampling and the augmentation. Pass an int for reproducible
            output across multiple calls.
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw the grid in, or one Axes per drawn image. If None, a
            new figure is created.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : ImageGridDisplay
            Object that stores the images and the plot.

        Raises
        ------
        TypeError
            If `augment` has the wrong type.
        ValueError
            If `augment` has an invalid value, or if the shapes of `X`, `y`,
            `image_shape` and `display_labels` do not match.
        """
        images = to_images(X, image_shape)
        if isinstance(augment, str) and augment != "auto":
            raise ValueError(
                f"Got augment={augment!r}, but expected 'auto', a bool, a dict or a "
                "Keras layer."
            )
        is_augmented = augment is not False and augment is not None
        n_images = n_images or (4 if is_augmented else None)
        rng = check_random_state(random_state)
        if y is None:
            rows = rng.permutation(len(images))[: n_images or 20]
            titles, n_columns = None, 5
        else:
            check_consistent_length(images, y)
            classes, y_encoded = np.unique(np.asarray(y), return_inverse=True)
            n_per_class = min(5, max(1, 30 // len(classes)))
            n_default = min(30, n_per_class * len(classes))
            rows = _sample_balanced(y_encoded, n_images or n_default, rng)
            titles = class_names(classes, display_labels)[y_encoded[rows]].tolist()
            n_columns = _n_columns(y_encoded[rows])
        images = images[rows]
        if is_augmented:
            seed = int(rng.randint(np.iinfo(np.int32).max))
            images = _insert_augmented(images, augment, n_versions, seed)
            n_columns = n_versions + 1
            names = titles or ["as stored"] * len(rows)
            # To save space, only the first augmented image gets a title.
            titles = [title for name in names for title in (name, *[""] * n_versions)]
            titles[1] = "in training"
        display = cls(images, titles=titles, n_columns=n_columns)
        return display.plot(ax=ax, image_kw=image_kw, title_kw=title_kw)

    @classmethod
    def from_estimator(cls, estimator, X, y=None, **settings):
        """Draw images as they are stored and as an estimator sees them during training.

        Parameters
        ----------
        estimator : CNNClassifier, Pipeline or search
            A CNNClassifier, a pipeline whose last step is one, or a fitted search whose
            best estimator is one. The `augment` of this CNNClassifier is applied to the
            images, but the other steps of a pipeline are not. A CNNClassifier or a
            pipeline need not be fitted.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images to sample from.
        y : array-like of shape (n_samples,), default=None
            The labels.
        **settings : dict
            Other parameters of :meth:`from_data`, except `augment`. If `X` is flattened
            and `image_shape` is not given, the shape is taken from the estimator.

        Returns
        -------
        display : ImageGridDisplay
            Object that stores the images and the plot.
        """
        network = final_estimator(estimator)
        images = to_images(X, settings.pop("image_shape", None), network)
        return cls.from_data(images, y, augment=network.augment, **settings)


def _sample_balanced(y_encoded, n, rng):
    """Sample `n` rows with class counts as equal as possible, ordered by class."""
    order = rng.permutation(len(y_encoded))
    # Rank the images within each class in random order. If images are then sampled by
    # rank, the classes take turns.
    rank = np.empty(len(y_encoded), int)
    for k in np.unique(y_encoded):
        rows_of_class = order[y_encoded[order] == k]
        rank[rows_of_class] = np.arange(len(rows_of_class))
    rows = order[np.argsort(rank[order], kind="stable")][:n]
    return rows[np.argsort(y_encoded[rows], kind="stable")]


def _n_columns(y_encoded):
    """Return a number of columns that splits no class across rows, if possible.

    A row holds as many whole classes as fit into six columns, but at least one. If the
    classes have different numbers of images, or more than eight images each, return 5.
    """
    counts = np.unique(np.unique(y_encoded, return_counts=True)[1])
    n_per_class = counts[0]
    if len(counts) > 1 or n_per_class > 8:
        return 5
    return n_per_class * max(1, 6 // n_per_class)


def _insert_augmented(images, augment, n_versions, seed):
    """Return each image, followed by `n_versions` augmented versions of it."""
    import_tensorflow()
    settings = check_augment(augment)
    check_layer(settings)
    repeated = np.repeat(images, n_versions, axis=0)
    versions = augmented(repeated, settings, seed)
    versions = versions.reshape(len(images), n_versions, *images.shape[1:])
    rows = np.concatenate([images[:, None].astype(np.float32), versions], axis=1)
    return rows.reshape(-1, *images.shape[1:])
