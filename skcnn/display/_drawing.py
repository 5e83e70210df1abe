"""What displays share: colours, grids of axes, arrays as pictures."""

import math
from itertools import cycle

import numpy as np

# Okabe and Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/: all
# eyes tell them apart, and so does grey print, by the markers and dashes beside them.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    "#000000",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def styles():
    """Colours and markers of lines: as many pairs as there are of them, and anew."""
    n = len(COLOURS)
    return cycle((COLOURS[i % n], MARKERS[(i + i // n) % n]) for i in range(n * n))


def make_axes(ax, n, n_columns, size):
    """Axes to draw `n` things in.

    Parameters
    ----------
    ax : None, Axes or array-like of Axes
        None for a new figure; one that the grid is drawn within; or as many as `n`.
    n, n_columns : int
        Number of axes, and of those beside each other.
    size : tuple (width, height)
        Of one of them in a new figure, in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of Axes, of shape (n_rows, n_columns)
        Those beyond `n` are switched off. Of the shape of `ax`, if that has many.
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
                f"Got an ax that is no subplot to draw {n} pictures within. Make it "
                "with plt.subplots, or pass that many axes."
            )
        ax.set_axis_off()
        axes = spec.subgridspec(n_rows, n_columns).subplots(squeeze=False)
    else:
        axes = np.asarray(ax, dtype=object)
        if axes.size != n:
            raise ValueError(f"Got ax with {axes.size} axes, but expected {n}.")
        return axes.flat[0].figure, axes
    for unused in axes.flat[n:]:
        unused.set_axis_off()
    return figure, axes


def cut_start(axes, curves):
    """Cut the axis of a loss above what comes after its start, if that towers above.

    Parameters
    ----------
    axes : Axes
        What the curves were drawn in.
    curves : list of array-like of shape (n_epochs,)
        What was drawn. The start is the first tenth of the epochs.
    """
    curves = [np.asarray(curve, float) for curve in curves]
    later = np.concatenate([curve[math.ceil(len(curve) / 10) :] for curve in curves])
    later = later[np.isfinite(later)]
    if not len(later):
        return
    low, high = later.min(), later.max()
    room = 0.5 * (high - low)
    if axes.dataLim.ymax > high + 2 * room > high:
        axes.set_ylim(low - 0.2 * room, high + room)


def as_pictures(images):
    """Images as matplotlib shows them, on one scale for all.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)

    Returns
    -------
    ndarray of shape (n, height, width) or (n, height, width, 3)
        From 0 to 1. Grey from one or two channels, as their mean, on the scale of what
        there is; or the first three as red, green and blue: uint8 and values up to 255
        as parts of it, values up to 1 as they are, larger ones up to the highest, and
        those that may be negative from the lowest to the highest.
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


def show_image(ax, picture, **image_kw):
    """Draw one of `as_pictures` without ticks."""
    settings = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    artist = ax.imshow(picture, **{**settings, **image_kw})
    ax.set(xticks=[], yticks=[])
    return artist
