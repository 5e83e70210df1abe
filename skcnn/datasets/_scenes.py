"""Generate small colour images of scenes with NumPy."""

from functools import lru_cache
from numbers import Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from ._arguments import check_at_least

_CLASSES = ("buildings", "forest", "glacier", "mountain", "sea")

# Colours are (red, green, blue), with values from 0 to 1. Each sky has one colour at
# the zenith and one at the horizon.
_SKIES = (
    ((0.25, 0.45, 0.80), (0.70, 0.82, 0.92)),  # clear
    ((0.45, 0.60, 0.85), (0.85, 0.88, 0.90)),  # pale
    ((0.60, 0.63, 0.68), (0.80, 0.80, 0.80)),  # overcast
    ((0.40, 0.42, 0.48), (0.62, 0.63, 0.65)),  # before rain
    ((0.35, 0.35, 0.60), (0.95, 0.65, 0.40)),  # sunset
    ((0.20, 0.22, 0.40), (0.70, 0.50, 0.55)),  # dusk
)
_ROCKS = (
    (0.45, 0.42, 0.40),
    (0.36, 0.30, 0.26),
    (0.55, 0.45, 0.36),
    (0.30, 0.35, 0.42),
    (0.28, 0.36, 0.24),
    (0.50, 0.36, 0.30),
)
_MEADOWS = (
    (0.30, 0.45, 0.18),
    (0.45, 0.50, 0.25),
    (0.60, 0.55, 0.35),
    (0.20, 0.30, 0.18),
    (0.85, 0.87, 0.90),
)
_WATERS = (
    (0.10, 0.30, 0.45),
    (0.15, 0.45, 0.55),
    (0.30, 0.42, 0.48),
    (0.20, 0.25, 0.32),
    (0.35, 0.55, 0.60),
)
_ICES = (
    (0.85, 0.92, 0.97),
    (0.70, 0.85, 0.95),
    (0.90, 0.90, 0.90),
    (0.62, 0.72, 0.80),
)
_LEAVES = (
    (0.18, 0.36, 0.12),
    (0.28, 0.45, 0.15),
    (0.12, 0.25, 0.15),
    (0.65, 0.42, 0.12),
    (0.50, 0.28, 0.12),
    (0.45, 0.48, 0.45),
)
_WALLS = (
    (0.70, 0.62, 0.52),
    (0.60, 0.35, 0.28),
    (0.55, 0.56, 0.60),
    (0.82, 0.80, 0.76),
    (0.35, 0.40, 0.48),
    (0.80, 0.70, 0.45),
)
_SAND = (0.82, 0.74, 0.58)
_WHITE = (0.97, 0.97, 1.0)
_BLACK = (0.06, 0.06, 0.07)


def make_scenes(
    n_samples=500,
    *,
    image_size=32,
    noise=0.02,
    flip_y=0.0,
    shuffle=True,
    random_state=None,
    return_X_y=False,
):
    """Generate small colour images of scenes from five classes.

    The images show buildings, forests, glaciers, mountains and seas, with random
    weather, season, lighting, haze, camera height, tilt and zoom, and with occluding
    objects. As in photographs, the classes overlap: mountains may be covered with snow,
    mountains may rise behind the sea, and trees may stand in front of buildings.
    Therefore, networks that are too small underfit, and large networks without
    regularization memorize a few hundred images. Regularization and augmentation reduce
    this overfitting.

    The function does not download anything or read from disk.

    Parameters
    ----------
    n_samples : int, default=500
        Number of images, at least 1. Class sizes differ by at most one.

    image_size : int, default=32
        Height and width in pixels, at least 8. The same seed gives the same scenes at
        any size. Only the resolution and the noise differ.

    noise : float, default=0.02
        Standard deviation of the Gaussian noise added to each channel of each pixel, as
        a fraction of the full range of 255. Must be between 0 and 1.

    flip_y : float, default=0.0
        Fraction of images whose label is replaced by a random class, as in
        :func:`sklearn.datasets.make_classification`. Must be between 0 and 1. With five
        classes, a fifth of the replaced labels stay correct by chance.

    shuffle : bool, default=True
        If True, each block of five images contains every class once, in random order.
        If False, the same images are ordered by class, as if they were loaded from a
        folder. `flip_y` does not affect this order.

    random_state : int, RandomState instance or None, default=None
        Determines random number generation for the images and labels. Pass an int for
        reproducible output across multiple calls. With `shuffle=True`, image `i` does
        not depend on `n_samples`.

    return_X_y : bool, default=False
        If True, return `(images, target)` instead of a Bunch.

    Returns
    -------
    scenes : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples, image_size, image_size, 3), dtype uint8
            The images, with red, green and blue values from 0 to 255.
        target : ndarray of shape (n_samples,), dtype intp
            The class of each image, as an index into `target_names`.
        target_names : ndarray of shape (5,), dtype str
            The names of the classes, sorted.
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        Only returned if `return_X_y` is True.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter is out of range.

    See Also
    --------
    load_digits : Load small grayscale images of handwritten digits.
    load_image_folder : Load your own images.

    Examples
    --------
    >>> from skcnn.datasets import make_scenes
    >>> scenes = make_scenes(100, random_state=0)
    >>> scenes.images.shape, scenes.images.dtype
    ((100, 32, 32, 3), dtype('uint8'))
    >>> print(*scenes.target_names)
    buildings forest glacier mountain sea
    """
    n_samples = check_at_least("n_samples", n_samples, 1)
    image_size = check_at_least("image_size", image_size, 8)
    noise = _check_fraction("noise", noise)
    flip_y = _check_fraction("flip_y", flip_y)
    seed = int(check_random_state(random_state).randint(2**31 - 1))

    n_classes = len(_CLASSES)
    n_rounds = -(-n_samples // n_classes)
    # Seed a separate generator for each round of five classes and for each image, so
    # that image i depends only on the seed and i, not on n_samples.
    classes = np.concatenate(
        [np.random.default_rng((seed, 0, r)).permutation(5) for r in range(n_rounds)]
    )[:n_samples]
    order = np.arange(n_samples) if shuffle else np.argsort(classes, kind="stable")

    images = np.empty((n_samples, image_size, image_size, 3), dtype=np.uint8)
    target = np.empty(n_samples, dtype=np.intp)
    for row, i in enumerate(order):
        rng = np.random.default_rng((seed, 1, i))
        flipped, label = rng.random() < flip_y, rng.integers(n_classes)
        target[row] = label if flipped else classes[i]
        canvas = _Canvas(image_size, rng)
        _PAINTERS[classes[i]](canvas)
        images[row] = canvas.photograph(noise)

    if return_X_y:
        return images, target
    return Bunch(
        images=images,
        target=target,
        target_names=np.array(_CLASSES),
        DESCR=(
            f"{n_samples} generated colour scenes of {image_size} x {image_size} "
            f"pixels (uint8, 0 to 255), in {n_classes} classes: "
            f"{', '.join(_CLASSES)}.\n"
            f"Noise: {noise:g}. Fraction of random labels: {flip_y:g}.\n"
            "Source: skcnn.datasets.make_scenes; no photographs are used."
        ),
    )


def _check_fraction(name, value):
    """Return `value` as a float; raise if it is not a number from 0 to 1."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(
            f"Got {name}={value!r} of type {type(value).__name__}, "
            "but expected a number from 0 to 1."
        )
    if not 0 <= value <= 1:
        raise ValueError(f"Got {name}={value}, but expected a number from 0 to 1.")
    return float(value)


@lru_cache(maxsize=64)
def _interpolation(n_pixels, n_cells):
    """Return a matrix that interpolates grid values smoothly at the pixel centres.

    Parameters
    ----------
    n_pixels : int
        Number of values to interpolate.
    n_cells : int
        Number of grid cells; the grid has `n_cells` + 1 values.

    Returns
    -------
    weights : ndarray of shape (n_pixels, n_cells + 1)
        Each row has two nonzero weights, which sum to 1 and follow the smoothstep
        function.
    """
    position = (np.arange(n_pixels) + 0.5) / n_pixels * n_cells
    left = np.minimum(position.astype(int), n_cells - 1)
    step = position - left
    step = step * step * (3 - 2 * step)
    weights = np.zeros((n_pixels, n_cells + 1))
    weights[np.arange(n_pixels), left] = 1 - step
    weights[np.arange(n_pixels), left + 1] = step
    return weights


class _Canvas:
    """Unfinished image of a scene, as seen by a hand-held camera.

    Parameters
    ----------
    size : int
        Height and width in pixels.
    rng : numpy.random.Generator
        Source of all random choices for this image.

    Attributes
    ----------
    u, v : ndarray of shape (size, size)
        Coordinates of each pixel in the scene, from about -1 to 1 inside the image. `u`
        increases to the right and `v` upwards. The tilt, zoom and position of the
        camera are random. All heights, widths and slopes are given in these
        coordinates, so that a scene does not depend on the number of pixels.
    pixel : float
        Width of a pixel in scene coordinates.
    rgb : ndarray of shape (size, size, 3)
        The colours painted so far, from 0 to 1.
    haze : ndarray of shape (3,)
        Colour into which distant objects fade.
    """

    def __init__(self, size, rng):
        self.rng = rng
        self.size = size
        axis = (np.arange(size) + 0.5) / size * 2 - 1
        x, y = axis[None, :], -axis[:, None]
        tilt = rng.normal(0, 0.1)
        zoom = np.exp(rng.normal(0, 0.18))
        self.u = (x * np.cos(tilt) + y * np.sin(tilt)) / zoom + rng.normal(0, 0.15)
        self.v = (y * np.cos(tilt) - x * np.sin(tilt)) / zoom + rng.normal(0, 0.08)
        self.pixel = 2 / size / zoom
        self.rgb = np.zeros((size, size, 3))
        self.haze = np.ones(3)

    # Random choices

    def chance(self, probability):
        """Return True with the given probability."""
        return self.rng.random() < probability

    def between(self, low, high):
        """Return a number drawn uniformly from `low` to `high`."""
        return self.rng.uniform(low, high)

    def colour(self, palette, spread=0.03):
        """Return a random colour of the palette, slightly perturbed."""
        base = np.asarray(palette[self.rng.integers(len(palette))])
        return np.clip(
            base * self.between(0.8, 1.15) + self.rng.normal(0, spread, 3), 0, 1
        )

    def texture(self, across, up=None):
        """Return smooth noise from -1 to 1 with mean 0, interpolated on a grid.

        Parameters
        ----------
        across : int
            Number of grid cells from left to right.
        up : int, default=None
            Number of grid cells from bottom to top. If None, it is equal to `across`.
        """
        up = across if up is None else up
        grid = self.rng.uniform(-1, 1, (up + 1, across + 1))
        rows = _interpolation(self.size, up)
        return rows @ grid @ _interpolation(self.size, across).T

    def fractal(self, cells=3):
        """Return a weighted sum of smooth noise at three scales."""
        return (
            self.texture(cells)
            + 0.5 * self.texture(2 * cells)
            + 0.25 * self.texture(4 * cells)
        ) / 1.75

    def skyline(self, roughness, knots=24):
        """Return random heights along `u`, centred at 0 and scaled by `roughness`.

        The heights are smoothed noise, interpolated linearly between `knots` points.
        """
        steps = self.rng.normal(0, 1, knots)
        smoothed = np.convolve(steps, (0.5, 1, 0.5), "same")
        position = np.linspace(-2.2, 2.2, knots)
        return roughness * np.interp(self.u, position, smoothed)

    # Masks, which contain the covered fraction of each pixel and have antialiased edges

    def under(self, height):
        """Return the mask of the area below `height`."""
        return np.clip((height - self.v) / self.pixel + 0.5, 0, 1)

    def band(self, low, high, along=None):
        """Return the mask of the area where `low` < `along` < `high`.

        `along` defaults to `u`, which makes a vertical band.
        """
        along = self.u if along is None else along
        return np.clip((along - low) / self.pixel + 0.5, 0, 1) * np.clip(
            (high - along) / self.pixel + 0.5, 0, 1
        )

    # Colours

    def paint(self, coverage, colour):
        """Blend `colour` over the image, with the mask `coverage` as opacity."""
        coverage = coverage[..., None]
        self.rgb = self.rgb * (1 - coverage) + np.asarray(colour) * coverage

    def shade(self, colour, *lights):
        """Return `colour`, brightened by positive and darkened by negative `lights`."""
        return np.clip(np.asarray(colour) * (1 + sum(lights))[..., None], 0, 1)

    def mist(self, colour, distance):
        """Return `colour`, blended with the haze in proportion to `distance`."""
        return np.asarray(colour) * (1 - distance) + self.haze * distance

    # Elements that several scenes share

    def sky(self, cloudy=0.5):
        """Paint the sky, add clouds with probability `cloudy`, and choose the haze."""
        zenith, horizon = _SKIES[self.rng.integers(len(_SKIES))]
        horizon = np.clip(np.asarray(horizon) + self.rng.normal(0, 0.03, 3), 0, 1)
        height = np.clip((self.v + 0.4) / 1.4, 0, 1)[..., None]
        self.rgb = horizon * (1 - height) + np.asarray(zenith) * height
        self.haze = horizon
        if self.chance(cloudy):
            clouds = self.texture(3, 6) + 0.5 * self.texture(6, 12)
            cover = np.clip(
                clouds * self.between(0.6, 1.6) + self.between(-0.4, 0.3), 0, 0.9
            )
            self.paint(cover, self.between(0.55, 1.0) * np.ones(3))

    def mountain_range(self, base, height, colour, *, roughness=0.05, snow=None):
        """Paint one to four peaks, lit from one side.

        Parameters
        ----------
        base, height : float
            Height of the foot of the mountains, and maximum height above it.
        colour : array-like of shape (3,)
            Colour of the rock.
        roughness : float, default=0.05
            Scale of the irregularities of the ridge.
        snow : float, default=None
            Height of the snow line, as a fraction of `height`. None paints no snow.
        """
        n_peaks = self.rng.integers(1, 5)
        centres = np.sort(self.rng.uniform(-1.1, 1.1, n_peaks))
        slopes = self.rng.uniform(0.5, 1.5, n_peaks) * height / 0.6
        tops = base + height * self.rng.uniform(0.6, 1.0, n_peaks)
        offset = self.u[..., None] - centres
        flanks = tops - slopes * np.abs(offset)
        highest = flanks.argmax(axis=-1)  # index of the peak visible at each pixel
        rough = self.skyline(roughness)
        ridge = np.maximum(flanks.max(axis=-1), base) + rough
        side = np.sign(np.take_along_axis(offset, highest[..., None], -1)[..., 0])
        light = self.between(-0.3, 0.3) * side * (ridge > base + 0.02)
        grain = self.between(0.1, 0.35) * self.fractal(5)
        cover = self.under(ridge)
        self.paint(cover, self.shade(colour, light, grain))
        if snow is not None:
            line = base + height * snow + 0.12 * self.texture(8) + rough
            white = cover * np.clip((self.v - line) / 0.08, 0, 1)
            self.paint(white, self.shade(_WHITE, 0.8 * light, 0.5 * grain))

    def water(self, level, colour, swell=None):
        """Paint water below `level`, with waves that grow towards the viewer.

        `swell` is the contrast of the waves. If None, it is drawn at random.
        """
        swell = self.between(0.02, 0.2) if swell is None else swell
        depth = np.clip(level - self.v, 0.0, None)
        rows = 26 * np.log1p(3 * depth) * self.between(0.6, 1.2)
        bend = 2.5 * self.texture(4) + 1.2 * self.texture(9)
        waves = np.sin(rows + bend + self.between(0, 6)) * np.sqrt(depth + 0.05)
        glare = self.between(0, 0.5) * np.exp(-((depth - self.between(0, 0.8)) ** 2))
        hazy = self.mist(colour, 0.25)
        self.paint(self.under(level), self.shade(hazy, swell * waves, glare))
        if self.chance(0.3):  # whitecaps
            foam = self.under(level) * (waves > self.between(0.55, 0.9))
            self.paint(0.8 * foam, _WHITE)

    def trees(self, base, height, colour, *, width=0.1):
        """Paint a row of trees, spaced `width` apart on average, with varied tops."""
        period = width * self.between(0.7, 1.5)
        phase = np.mod(self.u + 0.04 * self.texture(6), period) / period
        profile = 1 - 2 * np.abs(phase - 0.5)
        if self.chance(0.4):  # round instead of pointed
            profile = np.sqrt(np.clip(profile, 0, 1))
        tops = base + height * (0.55 + 0.45 * profile) + self.skyline(0.25 * height)
        grain = 0.5 * self.texture(16)
        self.paint(self.under(tops), self.shade(colour, grain))

    def trunks(self, count, colour, low, high):
        """Paint leaning trunks that rise from `low` to about `high`."""
        for _ in range(count):
            lean = self.rng.normal(0, 0.06)
            width = np.exp(self.rng.normal(-3.0, 0.6))
            along = self.u - self.between(-1.3, 1.3) - lean * self.v
            length = self.band(low, high + self.between(-0.3, 0.6), self.v)
            light = self.between(-0.3, 0.3) + 4 * along
            self.paint(
                self.band(-width, width, along) * length, self.shade(colour, light)
            )

    def block(self, left, right, low, high, colour):
        """Paint the front of a house, usually with rows of windows."""
        front = self.band(left, right) * self.band(low, high, self.v)
        light = self.between(-0.25, 0.25)
        self.paint(front, self.shade(colour, light + 0.1 * self.texture(4)))
        if self.chance(0.15):  # no windows
            return
        period_u, period_v = self.rng.uniform(0.1, 0.28, 2)
        fraction_u, fraction_v = self.rng.uniform(0.35, 0.75, 2)
        grid_u = np.mod(self.u - left - 0.03, period_u) / period_u < fraction_u
        grid_v = np.mod(high - 0.04 - self.v, period_v) / period_v < fraction_v
        glass = self.colour(((0.12, 0.15, 0.2), (0.35, 0.45, 0.55), (0.85, 0.75, 0.5)))
        inside = self.band(left + 0.03, right - 0.03) * self.band(
            low, high - 0.04, self.v
        )
        self.paint(0.85 * grid_u * grid_v * inside, glass)

    def iceberg(self, level, colour):
        """Paint an iceberg that floats on water at height `level`."""
        x, half = self.between(-1.1, 1.1), self.between(0.15, 0.6)
        top = self.between(0.15, 0.7) * (1 - np.abs(self.u - x) / half)
        rough = 0.12 * self.texture(10) + self.skyline(0.05, knots=40)
        low = level - self.between(0.0, 0.3)
        cover = self.band(low, low + top + rough, self.v)
        side = self.between(-0.2, 0.2) * np.sign(self.u - x)
        self.paint(cover, self.shade(colour, side, 0.15 * self.texture(14)))

    def occluders(self):
        """Paint objects in front of the scene, equally often in all classes."""
        if self.chance(0.15):  # a post or a trunk
            self.trunks(1, self.colour((_BLACK, (0.35, 0.3, 0.25))), -2, 2)
        if self.chance(0.2):  # a bush, a rock, a head
            x, y = self.between(-1.2, 1.2), self.between(-1.3, -0.4)
            radius = self.between(0.12, 0.4)
            distance = np.hypot(self.u - x, self.v - y) + 0.1 * self.texture(10)
            self.paint(
                np.clip((radius - distance) / self.pixel, 0, 1),
                self.colour(_LEAVES + _ROCKS + (_BLACK,)),
            )
        if self.chance(0.12):  # overhanging leaves
            cover = np.clip(
                6 * (self.fractal(8) + self.v - self.between(0.7, 1.1)), 0, 1
            )
            self.paint(cover, self.colour(_LEAVES))

    def photograph(self, noise):
        """Finish the image and return it as uint8.

        Add occluders, vary haze, contrast, exposure and colour balance, mirror the
        image with probability 1/2, and add noise with standard deviation `noise`.
        """
        self.occluders()
        rng = self.rng
        rgb = self.mist(self.rgb, min(0.55, rng.exponential(0.06)))
        rgb = 0.5 + (rgb - 0.5) * rng.uniform(0.85, 1.25)
        rgb = rgb * rng.uniform(0.8, 1.15) * np.exp(rng.normal(0, 0.03, 3))
        if rng.random() < 0.04:  # black and white
            rgb = rgb @ np.full((3, 3), 1 / 3)
        if rng.random() < 0.5:
            rgb = rgb[:, ::-1]
        rgb = 255 * rgb + 255 * noise * rng.standard_normal(rgb.shape)
        return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _buildings(canvas):
    """Paint houses along a street, a meadow or water."""
    canvas.sky(0.4)
    ground = canvas.between(-0.9, -0.3)
    if canvas.chance(0.15):
        canvas.mountain_range(ground, canvas.between(0.2, 0.6), canvas.colour(_ROCKS))
    if canvas.chance(0.2):
        canvas.water(ground, canvas.colour(_WATERS))
    else:
        street = canvas.colour(((0.4, 0.4, 0.42), (0.55, 0.52, 0.48), _MEADOWS[0]))
        canvas.paint(canvas.under(ground), canvas.shade(street, 0.2 * canvas.fractal()))
    if canvas.chance(0.3):  # a facade that fills most of the image
        canvas.block(
            canvas.between(-2, -0.6),
            canvas.between(0.5, 2),
            -2,
            canvas.between(0.4, 1.8),
            canvas.colour(_WALLS),
        )
    for i in range(canvas.rng.integers(1, 7)):
        wide = canvas.between(0.35, 0.9)
        reach = 0.9 if i else 0.4  # keep the first building inside the image
        left = canvas.between(-reach, reach) - wide / 2
        high = ground + canvas.between(0.5, 1.5)
        canvas.block(left, left + wide, ground - 0.02, high, canvas.colour(_WALLS))
        if canvas.chance(0.3):  # a roof
            slope = np.abs(canvas.u - left - wide / 2) / wide
            roof = canvas.band(left, left + wide) * canvas.band(
                high, high + canvas.between(0.1, 0.4) * (1 - 2 * slope), canvas.v
            )
            canvas.paint(roof, canvas.colour(_WALLS) * 0.7)
    if canvas.chance(0.35):
        canvas.trees(
            ground - 0.15, canvas.between(0.1, 0.5), canvas.colour(_LEAVES), width=0.3
        )


def _forest(canvas):
    """Paint the edge or the inside of a forest."""
    canvas.sky(0.3)
    leaves = canvas.colour(_LEAVES)
    ground = canvas.between(-0.9, -0.1)
    if canvas.chance(0.35):  # the edge of a forest, seen from outside
        for step in range(canvas.rng.integers(1, 4)):
            canvas.trees(
                ground + 0.25 * (1 - step),
                canvas.between(0.3, 0.9),
                canvas.mist(leaves, 0.25 - 0.1 * step),
                width=canvas.between(0.12, 0.35),
            )
    else:
        gaps = canvas.fractal(5) + 0.35 * canvas.v
        cover = np.clip(5 * (canvas.between(0.05, 0.7) - gaps), 0, 1)
        grain = 0.5 * canvas.texture(8) + 0.5 * canvas.texture(18)
        canvas.paint(cover, canvas.shade(leaves, grain))
        bark = canvas.colour(((0.2, 0.15, 0.1), (0.35, 0.3, 0.25), (0.75, 0.73, 0.7)))
        canvas.trunks(canvas.rng.integers(2, 12), bark, ground, 1.5)
    floor = canvas.colour(_MEADOWS + _LEAVES)
    level = ground + canvas.skyline(0.05)
    canvas.paint(canvas.under(level), canvas.shade(floor, 0.4 * canvas.fractal(6)))
    if canvas.chance(0.15):
        canvas.water(ground - 0.2, canvas.colour(_WATERS), swell=0.05)


def _glacier(canvas):
    """Paint an ice cliff, a glacier tongue, an ice field or icebergs."""
    canvas.sky(0.6)
    ice = canvas.colour(_ICES, spread=0.03)
    level = canvas.between(-0.7, 0.0)
    if canvas.chance(0.75):
        canvas.mountain_range(
            level,
            canvas.between(0.4, 1.2),
            canvas.mist(canvas.colour(_ROCKS), 0.2),
            snow=canvas.between(0.0, 0.9),
        )
    kind = canvas.rng.integers(3)
    if kind == 0:  # an ice cliff above water
        top = level + canvas.between(0.2, 0.6) + canvas.skyline(0.06, knots=40)
        cracks = 0.25 * canvas.texture(24, 3) + 0.1 * canvas.texture(12)
        canvas.paint(canvas.under(top), canvas.shade(ice, cracks))
        canvas.water(level, canvas.colour(_WATERS), swell=0.08)
        floes = canvas.under(level) * (
            canvas.texture(10, 20) > canvas.between(0.2, 0.8)
        )
        canvas.paint(0.9 * floes, ice)
    elif kind == 1:  # a glacier tongue between rocks
        slope = canvas.colour(_ROCKS)
        canvas.paint(
            canvas.under(level + 0.2), canvas.shade(slope, 0.35 * canvas.fractal(5))
        )
        depth = np.clip(level + 0.4 - canvas.v, 0, None)
        bend = canvas.between(-0.5, 0.5)
        middle = canvas.u - canvas.between(-0.5, 0.5) - bend * depth**2
        half = canvas.between(0.1, 0.4) + canvas.between(0.4, 1.0) * depth
        stripes = 0.15 * np.sin(middle / (half + 0.05) * canvas.between(6, 18))
        cracks = 0.12 * np.sin(depth * canvas.between(20, 50) + 3 * canvas.texture(5))
        tongue = canvas.band(-half, half, middle + 0.1 * canvas.texture(8))
        canvas.paint(
            tongue * canvas.under(level + 0.4 + 0.1 * canvas.texture(8)),
            canvas.shade(ice, stripes, cracks),
        )
    else:  # an ice field, or drifting icebergs
        if canvas.chance(0.5):
            canvas.water(level + 0.1, canvas.colour(_WATERS), swell=0.06)
            for _ in range(canvas.rng.integers(1, 4)):
                canvas.iceberg(level, ice)
        else:
            cracks = 0.2 * np.abs(canvas.fractal(7)) + 0.1 * canvas.texture(16)
            canvas.paint(
                canvas.under(level + 0.2 + canvas.skyline(0.06)),
                canvas.shade(ice, -cracks),
            )


def _mountain(canvas):
    """Paint mountain ranges with a varying foreground."""
    canvas.sky(0.5)
    base = canvas.between(-0.8, -0.2)
    rock = canvas.colour(_ROCKS)
    snow = canvas.between(0.2, 0.9) if canvas.chance(0.45) else None
    n_ranges = canvas.rng.integers(1, 4)
    for step in range(n_ranges):
        # Paint the ranges from the farthest, which is the highest and haziest, to the
        # nearest.
        depth = (n_ranges - step) / n_ranges
        canvas.mountain_range(
            base,
            canvas.between(0.7, 1.4) * depth,
            canvas.mist(rock, 0.4 * depth - 0.1),
            roughness=canvas.between(0.02, 0.08),
            snow=snow,
        )
    foreground = canvas.rng.random()
    if foreground < 0.3:
        canvas.water(base, canvas.colour(_WATERS), swell=0.06)
    elif foreground < 0.55:
        canvas.trees(base - 0.2, canvas.between(0.15, 0.5), canvas.colour(_LEAVES))
    else:
        meadow = canvas.shade(canvas.colour(_MEADOWS), 0.3 * canvas.fractal(4))
        canvas.paint(canvas.under(base + canvas.skyline(0.05)), meadow)


def _sea(canvas):
    """Paint the sea, possibly with land, a boat, a beach or a cliff."""
    canvas.sky(0.5)
    horizon = canvas.between(-0.4, 0.5)
    if canvas.chance(0.35):  # land in sight
        canvas.mountain_range(
            horizon, canvas.between(0.1, 0.6), canvas.mist(canvas.colour(_ROCKS), 0.4)
        )
    canvas.water(horizon, canvas.colour(_WATERS))
    if canvas.chance(0.2):  # a boat
        x, y = canvas.between(-0.8, 0.8), horizon - canvas.between(0.0, 0.3)
        hull = canvas.band(x - 0.15, x + 0.15) * canvas.band(
            y - 0.05, y + 0.02, canvas.v
        )
        sail = canvas.band(y, y + 0.35 - 3 * np.abs(canvas.u - x), canvas.v)
        canvas.paint(hull, canvas.colour((_BLACK, _WHITE)))
        canvas.paint(sail, canvas.colour((_WHITE, _WALLS[1])))
    if canvas.chance(0.35):  # a beach
        edge = horizon - canvas.between(0.3, 0.9) + canvas.between(-0.6, 0.6) * canvas.u
        edge = edge + 0.06 * canvas.texture(6)
        canvas.paint(canvas.under(edge + 0.08), _WHITE)
        sand = canvas.colour((_SAND, _ROCKS[0], _ROCKS[2]))
        canvas.paint(canvas.under(edge), canvas.shade(sand, 0.15 * canvas.fractal(6)))
    elif canvas.chance(0.3):  # a cliff on one side
        edge = canvas.between(0.2, 0.9) + 0.1 * canvas.texture(8)
        cliff = canvas.band(edge, 4) * canvas.under(canvas.between(0.2, 0.9))
        rock = canvas.shade(canvas.colour(_ROCKS), 0.3 * canvas.fractal(6))
        canvas.paint(cliff, rock)


# The functions that paint the classes, in the same order as _CLASSES.
_PAINTERS = (_buildings, _forest, _glacier, _mountain, _sea)
