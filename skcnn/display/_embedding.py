"""A map of images, on which similar images are close to each other."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from .._utils._validation import to_images
from ._drawing import make_axes, scale_images, show_image, styles
from ._inputs import class_names


class EmbeddingDisplay:
    """Map of images, with a marker for each image and thumbnails of some.

    It is recommended to use :meth:`~skcnn.display.EmbeddingDisplay.from_embedding` to
    create an `EmbeddingDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        The images.

    embedding : ndarray of shape (n_images, 2)
        The position of each image.

    labels : ndarray of shape (n_images,), dtype str, default=None
        The class name of each image.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    scatter_ : list of matplotlib PathCollection
        The markers, one collection for each class.

    thumbnails_ : dict of int to matplotlib AxesImage
        The thumbnails, by the index of the image.

    See Also
    --------
    skcnn.CNNFeatures : Compute features, in which similar images are close.
    ImageGridDisplay : Draw a sample of images in a grid.

    Examples
    --------
    >>> from sklearn.manifold import TSNE
    >>> from skcnn import CNNFeatures
    >>> from skcnn.datasets import make_scenes
    >>> from skcnn.display import EmbeddingDisplay
    >>> scenes = make_scenes(40, random_state=0)
    >>> features = CNNFeatures().fit_transform(scenes.images)
    >>> embedding = TSNE(perplexity=10, random_state=0).fit_transform(features)
    >>> display = EmbeddingDisplay.from_embedding(
    ...     scenes.images, embedding, scenes.target, display_labels=scenes.target_names
    ... )
    >>> len(display.scatter_)
    5
    """

    def __init__(self, images, embedding, *, labels=None):
        self.images = images
        self.embedding = embedding
        self.labels = labels

    def plot(self, *, ax=None, thumbnail_size=0.06, scatter_kw=None, image_kw=None):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure is created.
        thumbnail_size : float, default=0.06
            Size of a thumbnail, as a fraction of the larger side of the map. Thumbnails
            do not overlap: an image that is too close to an earlier one has only a
            marker. With 0, there are no thumbnails.
        scatter_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.scatter`.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : EmbeddingDisplay
            The display itself, with the artists as attributes.
        """
        from matplotlib.patches import Rectangle

        if not 0 <= thumbnail_size <= 1:
            raise ValueError(
                f"Got thumbnail_size={thumbnail_size!r}, but expected a number from 0 "
                "to 1."
            )
        self.figure_, axes = make_axes(ax, 1, 1, (8, 7))
        self.ax_ = axes.flat[0]
        low, high = self.embedding.min(axis=0), self.embedding.max(axis=0)
        positions = (self.embedding - low) / ((high - low).max() or 1)
        labels = self.labels
        if labels is None:
            labels = np.full(len(positions), "")
        colours = {}
        self.scatter_ = []
        for name, (colour, marker) in zip(np.unique(labels), styles(), strict=False):
            colours[name] = colour
            rows = labels == name
            kw = {"s": 12, "color": colour, "marker": marker, "label": name}
            kw |= scatter_kw or {}
            self.scatter_.append(self.ax_.scatter(*positions[rows].T, **kw))
        self.thumbnails_ = {}
        half = thumbnail_size / 2
        shown = self._without_overlap(positions, thumbnail_size)
        for row, image in zip(shown, scale_images(self.images[shown]), strict=True):
            x, y = positions[row]
            corners = (x - half, x + half, y - half, y + half)
            kw = {"extent": corners, "zorder": 3, **(image_kw or {})}
            self.thumbnails_[int(row)] = show_image(self.ax_, image, **kw)
            frame = Rectangle(
                (x - half, y - half),
                thumbnail_size,
                thumbnail_size,
                fill=False,
                edgecolor=colours[labels[row]],
                linewidth=2,
                zorder=4,
            )
            self.ax_.add_patch(frame)
        margin = thumbnail_size / 2 + 0.02
        self.ax_.set(
            xticks=[],
            yticks=[],
            xlim=(-margin, positions[:, 0].max() + margin),
            ylim=(-margin, positions[:, 1].max() + margin),
            aspect="equal",
        )
        if self.labels is not None:
            self.ax_.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        return self

    @staticmethod
    def _without_overlap(positions, size):
        """Return the indices of images whose thumbnails do not overlap."""
        shown = []
        if size:
            for row, position in enumerate(positions):
                distance = np.abs(positions[shown] - position).max(axis=1)
                if not shown or distance.min() >= size:
                    shown.append(row)
        return np.array(shown, dtype=int)

    @classmethod
    def from_embedding(
        cls,
        X,
        embedding,
        y=None,
        *,
        display_labels=None,
        image_shape=None,
        **plot_kw,
    ):
        """Draw images at given positions, for example those of t-SNE or UMAP.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images.
        embedding : array-like of shape (n_samples, 2)
            The positions, for example those that :class:`sklearn.manifold.TSNE`
            computes from the output of :class:`~skcnn.CNNFeatures`.
        y : array-like of shape (n_samples,), default=None
            The labels. An image whose colour differs from that of its neighbours may
            have a wrong label.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in sorted order of the labels. If None, the labels are
            shown.
        image_shape : tuple of int, default=None
            Shape of each image. Required if `X` is flattened.
        **plot_kw : dict
            Keyword arguments passed to :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay
            Object that stores the images, their positions and the plot.

        Raises
        ------
        ValueError
            If the lengths of `X`, `embedding` and `y` differ, or if `embedding` does
            not have two columns.
        """
        images = to_images(X, image_shape)
        embedding = check_array(embedding, input_name="embedding")
        if embedding.shape[1] != 2:
            raise ValueError(
                f"Got embedding of shape {embedding.shape}, but expected (n_samples, "
                "2), for example the output of TSNE(n_components=2)."
            )
        check_consistent_length(images, embedding, y)
        labels = None
        if y is not None:
            classes, y_encoded = np.unique(np.asarray(y), return_inverse=True)
            labels = class_names(classes, display_labels)[y_encoded]
        return cls(images, embedding, labels=labels).plot(**plot_kw)
