"""Where a network looks, laid over the images."""

import functools

import numpy as np

from .._data import images_of
from ..inspection import grad_cam, occlusion
from ..inspection._targets import target_codes
from ._drawing import as_pictures, make_axes, show_image
from ._inputs import names_of


class AttributionDisplay:
    """Images, and beside each the places that its class was found by.

    It is recommended to use :meth:`from_estimator` to create one.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        The images.

    attributions : dict of str to ndarray of shape (n_images, height, width)
        By the name of a method, what it attributes to each pixel.

    titles : list of str, default=None
        One above each image; None for none.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_images, 1 + n_methods)
        A row for each image.

    figure_ : matplotlib Figure
        Figure with the images.

    images_ : list of matplotlib AxesImage
        The images that were drawn, one in each row.

    overlays_ : list of list of matplotlib AxesImage
        For each image, the attributions that were drawn over it.

    See Also
    --------
    skcnn.inspection.grad_cam, skcnn.inspection.occlusion : Compute attributions.

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
        """Draw the images and what is attributed to their places.

        An attribution is drawn on the scale of its image: strong where it is largest,
        nothing where it is 0 or less.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            One that all is drawn within, or one for each place. None draws a new
            figure.
        image_kw : dict, default=None
            For the images, :meth:`matplotlib.axes.Axes.imshow`.
        overlay_kw : dict, default=None
            For the attributions, :meth:`matplotlib.axes.Axes.imshow`.
        title_kw : dict, default=None
            For :meth:`matplotlib.axes.Axes.set_title`.

        Returns
        -------
        display : AttributionDisplay
            With what was drawn as attributes.
        """
        n_columns = 1 + len(self.attributions)
        n = len(self.images) * n_columns
        self.figure_, self.axes_ = make_axes(ax, n, n_columns, (1.9, 2.1))
        rows = self.axes_.reshape(-1, n_columns)
        title_kw = {"size": "medium", **(title_kw or {})}
        self.images_, self.overlays_ = [], []
        for i, (picture, row) in enumerate(
            zip(as_pictures(self.images), rows, strict=True)
        ):
            self.images_.append(show_image(row[0], picture, **(image_kw or {})))
            if self.titles is not None:
                row[0].set_title(self.titles[i], **title_kw)
            overlays = []
            for axes, (name, found) in zip(
                row[1:], self.attributions.items(), strict=True
            ):
                # In grey, so that colours are those of the attribution.
                grey = picture if picture.ndim == 2 else picture.mean(axis=-1)
                show_image(axes, grey)
                strength = np.clip(found[i], 0, None)
                strength = strength / (strength.max() or 1)
                look = {
                    "cmap": "inferno",
                    "vmin": 0,
                    "vmax": 1,
                    "alpha": 0.75 * strength,
                }
                overlays.append(axes.imshow(strength, **{**look, **(overlay_kw or {})}))
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
        """Draw where a fitted classifier looks.

        Parameters
        ----------
        estimator : CNNClassifier or other classifier
            Fitted; a search as well. ``method="occlusion"`` takes any classifier.
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            The images to draw: a few.
        target : label or array-like of shape (n_samples,), default=None
            The class to explain, or one for each image. None stands for the one that
            is predicted.
        method : str or list of str, default=("grad_cam", "occlusion")
            ``"grad_cam"``, ``"occlusion"``, or both: see :mod:`skcnn.inspection`.
        display_labels : array-like of shape (n_classes,), default=None
            Names of the classes, in the order of ``estimator.classes_``. None shows
            the labels.
        image_shape : tuple of int, default=None
            Shape of an image where `X` has flattened ones. None takes the estimator's.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : AttributionDisplay

        Raises
        ------
        ValueError
            For an unknown `method`.
        """
        known = {
            "grad_cam": grad_cam,
            "occlusion": functools.partial(occlusion, image_shape=image_shape),
        }
        methods = (method,) if isinstance(method, str) else tuple(method)
        for name in methods:
            if name not in known:
                raise ValueError(
                    f"Got method with {name!r}, but expected 'grad_cam' or 'occlusion'."
                )
        proba = estimator.predict_proba(X)
        names = names_of(estimator.classes_, display_labels)
        codes = target_codes(target, proba, estimator.classes_)
        attributions = {
            name: known[name](estimator, X, target=estimator.classes_[codes])
            for name in methods
        }
        titles = [
            f"{names[c]} {row[c]:.2f}" for c, row in zip(codes, proba, strict=True)
        ]
        display = cls(images_of(X, image_shape, estimator), attributions, titles=titles)
        return display.plot(**plot_kw)
