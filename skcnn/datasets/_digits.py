"""Load the handwritten digits that are installed with scikit-learn."""

import numpy as np
from sklearn import datasets
from sklearn.utils import Bunch


def load_digits(*, return_X_y=False):
    """Load scikit-learn's handwritten digits as images.

    These are the 1,797 images of 8 x 8 pixels that
    :func:`sklearn.datasets.load_digits` returns, in the same order, but as uint8 and
    with a channel axis. They are installed with scikit-learn, so nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return `(images, target)` instead of a Bunch.

    Returns
    -------
    digits : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (1797, 8, 8, 1), dtype uint8
            The images, with values from 0 (background) to 255 (ink).
        target : ndarray of shape (1797,), dtype intp
            The digit shown in each image, 0 to 9.
        target_names : ndarray of shape (10,), dtype str
            The names of the classes, "0" to "9".
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        Only returned if `return_X_y` is True.

    See Also
    --------
    make_scenes : Generate any number of colour images of any size.
    load_image_folder : Load your own images.

    Notes
    -----
    Each value in scikit-learn's data is a number from 0 to 16, the count of inked
    pixels in a block of 4 x 4 pixels. This function multiplies these counts by 255 / 16
    and rounds them, so that the images span the full 8-bit range. ``np.rint(images *
    (16 / 255))`` recovers the counts.

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998. https://doi.org/10.24432/C50P49

    Examples
    --------
    >>> from skcnn.datasets import load_digits
    >>> digits = load_digits()
    >>> digits.images.shape, digits.images.dtype
    ((1797, 8, 8, 1), dtype('uint8'))
    >>> digits.target[:5]
    array([0, 1, 2, 3, 4])
    """
    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    target = digits.target.astype(np.intp, copy=False)
    if return_X_y:
        return images, target
    return Bunch(
        images=images,
        target=target,
        target_names=digits.target_names.astype(str),
        DESCR=(
            "1797 handwritten digits of 8 x 8 pixels, 1 channel (grayscale), uint8 "
            "from 0 to 255:\nthe counts of scikit-learn (0 to 16), multiplied by "
            "255 / 16 and rounded.\n\n" + digits.DESCR
        ),
    )
