"""Images with the names of their classes, as stored and as in training."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state

from .. import _augment, _params
from .._data import images_of, last_step
from .._tensorflow import import_tensorflow
from ._drawing import as_pictures, make_axes, show_image
from ._inputs import names_of


class ImageGridDisplay:
    """Grid of images, each with the name of its class.

    It is recommended to use :meth:`from_data` or :meth:`from_estimator` to create one.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        What is shown, row by row.

    titles : list of str, default=None
        One above each image; None for none.

    n_columns : int, default=5
        Images beside each other.

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
    PredictionGridDisplay : Images with what a network says of them.

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
            One that the grid is drawn within, or one for each image. None draws a new
            figure.
        image_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : ImageGridDisplay
            With what was drawn as attributes.
        """
        n = len(self.images)
        self.figure_, self.axes_ = make_axes(ax, n, self.n_columns, (1.6, 1.75))
        self.images_ = []
        for i, picture in enumerate(as_pictures(self.images)):
            axes = self.axes_.flat[i]
            self.images_.append(show_image(axes, picture, **(image_kw or {})))
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
        """Draw images at random, of every class as many, class beside class.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            Images; flattened ones with `image_shape`.
        y : array-like of shape (n_samples,), default=None
            Class labels, which the images are ordered by.
        augment : "auto", bool, dict or keras.Layer, default=False
            What :class:`~skcnn.CNNClassifier` has under that name: each image is then
            shown as it is stored, and beside it as training would see it.
        n_images : int, default=None
            How many images of `X`. None stands for five of each class, fewer where 30
            would not do for all classes; for 20 without `y`; for 4 with `augment`.
        n_versions : int, default=5
            With `augment`, how many times each image is changed.
        image_shape : tuple of int, default=None
            Shape of an image where `X` has flattened ones.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of the sorted labels. None shows the
            labels.
        random_state : int, RandomState instance or None, default=None
            Decides which images are drawn, and their changes.
        ax, image_kw, title_kw : default=None
            As in :meth:`plot`.

        Returns
        -------
        display : ImageGridDisplay

        Raises
        ------
        ValueError
            For data or settings that cannot be used.
        """
        images = images_of(X, image_shape)
        if isinstance(augment, str) and augment != "auto":
            raise ValueError(
                f"Got augment={augment!r}, but expected 'auto', a bool, a dict or a "
                "Keras layer."
            )
        changes = augment is not False and augment is not None
        n_images = n_images or (4 if changes else None)
        rng = check_random_state(random_state)
        if y is None:
            rows = rng.permutation(len(images))[: n_images or 20]
            titles, n_columns = None, 5
        else:
            check_consistent_length(images, y)
            classes, codes = np.unique(np.asarray(y), return_inverse=True)
            of_each = min(5, max(1, 30 // len(classes)))
            enough = min(30, of_each * len(classes))
            rows = _of_every_class(codes, n_images or enough, rng)
            titles = names_of(classes, display_labels)[codes[rows]].tolist()
            n_columns = _n_columns(codes[rows])
        images = images[rows]
        if changes:
            seed = int(rng.randint(np.iinfo(np.int32).max))
            images = _with_versions(images, augment, n_versions, seed)
            n_columns = n_versions + 1
            names = titles or ["as stored"] * len(rows)
            titles = [t for name in names for t in (name, *[""] * n_versions)]
            titles[1] = "in training"
        display = cls(images, titles=titles, n_columns=n_columns)
        return display.plot(ax=ax, image_kw=image_kw, title_kw=title_kw)

    @classmethod
    def from_estimator(cls, estimator, X, y=None, **settings):
        """Draw images as they are stored, and as an estimator sees them in training.

        Parameters
        ----------
        estimator : CNNClassifier, Pipeline or search
            The classifier whose `augment` is shown, fitted or not; the last step of a
            pipeline, which may not change the images, or the best of a search.
        X : array-like
            Images, as in :meth:`from_data`.
        y : array-like of shape (n_samples,), default=None
            Class labels.
        **settings : dict
            Other settings of :meth:`from_data` but `augment`.

        Returns
        -------
        display : ImageGridDisplay
        """
        network = last_step(estimator)
        images = images_of(X, settings.pop("image_shape", None), network)
        return cls.from_data(images, y, augment=network.augment, **settings)


def _of_every_class(codes, n, rng):
    """`n` rows at random, class by class in turn, ordered by class."""
    order = rng.permutation(len(codes))
    # How many of its class come before an image in the order.
    before = np.empty(len(codes), int)
    for code in np.unique(codes):
        of_it = order[codes[order] == code]
        before[of_it] = np.arange(len(of_it))
    rows = order[np.argsort(before[order], kind="stable")][:n]
    return rows[np.argsort(codes[rows], kind="stable")]


def _n_columns(codes):
    """As many columns as no class is broken in: whole classes to a row."""
    counts = np.unique(np.unique(codes, return_counts=True)[1])
    of_each = counts[0]
    if len(counts) > 1 or of_each > 8:
        return 5
    return of_each * max(1, 6 // of_each)


def _with_versions(images, augment, n_versions, seed):
    """Each image, followed by what training makes of it."""
    import_tensorflow()
    settings = _augment.check_augment(augment)
    _params.check_layer(settings)
    repeated = np.repeat(images, n_versions, axis=0)
    changed = _augment.augmented(repeated, settings, seed)
    changed = changed.reshape(len(images), n_versions, *images.shape[1:])
    rows = np.concatenate([images[:, None].astype(np.float32), changed], axis=1)
    return rows.reshape(-1, *images.shape[1:])
