"""Drawing helpers shared by the displays: colours, grids of axes, image scaling."""

import math
from itertools import cycle

import numpy as np

# The colour-blind safe palette of Okabe and Ito, "Color Universal Design", 2008,
# https://jfly.uni-koeln.de/color/. In grayscale prints, markers and dashes help to
# distinguish the lines.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    "#000000",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def styles():
    """Cycle through all pairs of a colour and a marker, for the lines of a plot."""
    n = len(COLOURS)
    return cycle((COLOURS[i % n], MARKERS[(i + i // n) % n]) for i in range(n * n))


def make_axes(ax, n, n_columns, size):
    """Create a grid of `n` axes, or check those that the caller passed.

    Parameters
    ----------
    ax : None, Axes or array-like of Axes
        If None, a new figure is created. If a single Axes is passed, the grid is
        created in its place. If several Axes are passed, they are used, and their
        number must be `n`.
    n, n_columns : int
        Number of axes, and maximum number of axes per row.
    size : tuple (width, height)
        Size of each axes in a new figure, in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure that contains the axes.
    axes : ndarray of Axes of shape (n_rows, n_columns) or of the shape of `ax`
        The axes. Unused axes at the end of the grid are switched off.
    """
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    n_columns = max(1, min(n, n_columns))
    n_rows = max(1, math.ceil(n / n_columns))
    if ax is None:
        figure, axes = plt.subplots(
            n_rows,
            n_columns,
            figsize=(size[0] * n_columns, size[1] * n_rows),
            layout="constrained",
            squeeze=False,
        )
    elif isinstance(ax, Axes):
        figure = ax.figure
        if n == 1:
            return figure, np.array([[ax]], dtype=object)
        spec = ax.get_subplotspec()
        if spec is None:
            raise ValueError(
                f"Got an ax that is not a subplot, so it cannot be divided into {n} "
                f"axes. Create it with plt.subplots, or pass {n} axes."
            )
        ax.set_axis_off()
        axes = spec.subgridspec(n_rows, n_columns).subplots(squeeze=False)
    else:
        axes = np.asarray(ax, dtype=object)
        if axes.size != n:
            raise ValueError(
                f"Got ax with {axes.size} axes, but expected {n}. Pass that many, a "
                "single one to draw them all in, or None."
            )
        return axes.flat[0].figure, axes
    for unused in axes.flat[n:]:
        unused.set_axis_off()
    return figure, axes


def clip_initial_peak(axes, curves):
    """Limit the y axis of loss curves that start far above all later values.

    Without this limit, the first epochs would compress the rest of the curves into a
    flat line. The limit is derived from the values after the first tenth of the epochs,
    plus a margin.

    Parameters
    ----------
    axes : Axes
        The axes that contain the curves.
    curves : list of array-like of shape (n_epochs,)
        The loss curves. NaN and infinite values are ignored.
    """
    curves = [np.asarray(curve, float) for curve in curves]
    later = np.concatenate([curve[math.ceil(len(curve) / 10) :] for curve in curves])
    later = later[np.isfinite(later)]
    if not len(later):
        return
    low, high = later.min(), later.max()
    margin = 0.5 * (high - low)
    if axes.dataLim.ymax > high + 2 * margin > high:
        axes.set_ylim(low - 0.2 * margin, high + margin)


def scale_images(images):
    """Scale images to values from 0 to 1 for matplotlib.

    All images share one scale. Images with one or two channels are converted to
    grayscale images by averaging their channels. Their smallest value is mapped to 0,
    and their largest value to 1. For images with more channels, the first three
    channels are used as red, green and blue, and are scaled as follows:

    - uint8 values are divided by 255, and so are non-negative values with a maximum
      above 1 and at most 255;
    - non-negative values up to 1 are not scaled;
    - other non-negative values are divided by the largest value;
    - if there are negative values, the smallest value is mapped to 0 and the largest
      to 1.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        The images, of any numeric dtype.

    Returns
    -------
    scaled : ndarray of shape (n, height, width) or (n, height, width, 3), dtype float32
        Values from 0 to 1.
    """
    images = np.asarray(images)
    is_grey = images.shape[-1] < 3
    values = images.mean(axis=-1) if is_grey else images[..., :3]
    low, high = 0.0, 255.0
    if is_grey or images.dtype != np.uint8:
        low, high = float(values.min()), float(values.max())
        if not is_grey and low >= 0:
            low, high = 0.0, 1.0 if high <= 1 else max(high, 255.0)
    return ((values - low) / ((high - low) or 1.0)).astype(np.float32)


def show_image(ax, image, **image_kw):
    """Draw an image that `scale_images` returned, without ticks."""
    defaults = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    artist = ax.imshow(image, **{**defaults, **image_kw})
    ax.set(xticks=[], yticks=[])
    return artist
