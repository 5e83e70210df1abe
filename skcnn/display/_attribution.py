"""Draw attribution maps over images."""

import functools

import numpy as np

from .._utils._validation import to_images
from ..inspection import grad_cam, occlusion
from ..inspection._targets import target_indices
from ._drawing import make_axes, scale_images, show_image
from ._inputs import class_names


class AttributionDisplay:
    """Images with overlays of the regions that support a class.

    It is recommended to use
    :meth:`~skcnn.display.AttributionDisplay.from_estimator` to create an
    `AttributionDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        The images.

    attributions : dict of str to ndarray of shape (n_images, height, width)
        The attribution of each pixel, keyed by the name of the method that computed it.

    titles : list of str, default=None
        The title of each image. If None, no titles are drawn.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_images, 1 + n_methods)
        Axes of the plot. Each row shows an image, followed by its overlays.

    figure_ : matplotlib Figure
        Figure that contains the axes.

    images_ : list of matplotlib AxesImage
        The image in the first column of each row.

    overlays_ : list of list of matplotlib AxesImage
        The attribution overlays of each image, one per method.

    See Also
    --------
    skcnn.inspection.grad_cam : Compute attributions from gradients.
    skcnn.inspection.occlusion : Compute attributions by covering parts of the image.

    Examples
    --------
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import make_scenes
    >>> from skcnn.display import AttributionDisplay
    >>> scenes = make_scenes(100, random_state=0)
    >>> X, y = scenes.images, scenes.target_names[scenes.target]
    >>> cnn = CNNClassifier(filters=(8, 16), epochs=2, random_state=0).fit(X, y)
    >>> display = AttributionDisplay.from_estimator(cnn, X[:3])
    >>> list(display.attributions)
    ['grad_cam', 'occlusion']
    """

    def __init__(self, images, attributions, *, titles=None):
        self.images = images
        self.attributions = attributions
        self.titles = titles

    def plot(self, *, ax=None, image_kw=None, overlay_kw=None, title_kw=None):
        """Draw the images and their attribution overlays.

        Each overlay is scaled by its own maximum. It is most opaque at the largest
        attribution, and transparent where the attribution is 0 or less.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            A single Axes to draw the grid in, or one Axes per image and overlay. If
            None, a new figure is created.
        image_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow` for the
            images.
        overlay_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.imshow` for the
            overlays.
        title_kw : dict, default=None
            Keyword arguments passed to :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : AttributionDisplay
            The display itself, with the artists as attributes.
        """
        n_columns = 1 + len(self.attributions)
        n = len(self.images) * n_columns
        self.figure_, self.axes_ = make_axes(ax, n, n_columns, (1.9, 2.1))
        rows = self.axes_.reshape(-1, n_columns)
        title_kw = {"size": "medium", **(title_kw or {})}
        self.images_, self.overlays_ = [], []
        for i, (image, row) in enumerate(
            zip(scale_images(self.images), rows, strict=True)
        ):
            self.images_.append(show_image(row[0], image, **(image_kw or {})))
            if self.titles is not None:
                row[0].set_title(self.titles[i], **title_kw)
            overlays = []
            for axes, (name, attribution) in zip(
                row[1:], self.attributions.items(), strict=True
            ):
                # Draw the image in grey, so that all colours belong to the overlay.
                show_image(axes, image if image.ndim == 2 else image.mean(axis=-1))
                strength = np.clip(attribution[i], 0, None)
                strength = strength / (strength.max() or 1)
                defaults = {
                    "cmap": "inferno",
                    "vmin": 0,
                    "vmax": 1,
                    "alpha": 0.75 * strength,
                }
                overlays.append(
                    axes.imshow(strength, **{**defaults, **(overlay_kw or {})})
                )
                if i == 0:
                    axes.set_title(name.replace("_", "-"), **title_kw)
            self.overlays_.append(overlays)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        target=None,
        method=("grad_cam", "occlusion"),
        display_labels=None,
        image_shape=None,
        **plot_kw,
    ):
        """Compute and draw attributions for a fitted classifier.

        Parameters
        ----------
        estimator : CNNClassifier or other classifier
            A fitted classifier. ``"grad_cam"`` requires a CNNClassifier or a search
            whose best estimator is one. ``"occlusion"`` works with any classifier that
            has `predict_proba`.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images to draw, one per row of the figure.
        target : label or array-like of shape (n_samples,), default=None
            The class to explain: one label for all images, or one label per image. If
            None, the predicted class of each image is explained.
        method : str or list of str, default=("grad_cam", "occlusion")
            The attribution methods: ``"grad_cam"``, ``"occlusion"`` or both. See
            :mod:`skcnn.inspection`.
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
        display : AttributionDisplay
            Object that stores the attributions and the plot.

        Raises
        ------
        TypeError
            If `method` includes ``"grad_cam"`` and `estimator` is not a CNNClassifier.
        ValueError
            If `method` is unknown, if `target` contains unknown labels, or if the shape
            of `X` or `display_labels` is invalid.
        """
        functions = {
            "grad_cam": grad_cam,
            "occlusion": functools.partial(occlusion, image_shape=image_shape),
        }
        methods = (method,) if isinstance(method, str) else tuple(method)
        for name in methods:
            if name not in functions:
                raise ValueError(
                    f"Got {name!r} in method, but expected 'grad_cam' or 'occlusion'."
                )
        proba = estimator.predict_proba(X)
        names = class_names(estimator.classes_, display_labels)
        indices = target_indices(target, proba, estimator.classes_)
        attributions = {
            name: functions[name](estimator, X, target=estimator.classes_[indices])
            for name in methods
        }
        titles = [
            f"{names[k]} {row[k]:.2f}" for k, row in zip(indices, proba, strict=True)
        ]
        display = cls(to_images(X, image_shape, estimator), attributions, titles=titles)
        return display.plot(**plot_kw)
