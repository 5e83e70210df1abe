"""Real images that scikit-learn brings along."""

import numpy as np
from sklearn import datasets
from sklearn.utils import Bunch


def load_digits(*, return_X_y=False):
    """Load scikit-learn's handwritten digits as images.

    The same 1,797 digits of 8 x 8 pixels as :func:`sklearn.datasets.load_digits`, in
    the same order, as uint8 with a channel axis. They are installed with scikit-learn,
    so nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(images, target)` instead of a Bunch.

    Returns
    -------
    digits : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (1797, 8, 8, 1)
            The images as uint8, 0 (paper) to 255 (ink).
        target : ndarray of shape (1797,)
            The digit, 0 to 9.
        target_names : ndarray of shape (10,)
            Names of the classes, "0" to "9".
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        If `return_X_y` is True.

    See Also
    --------
    make_scenes : Generated images in colour, of any number and size.
    load_image_folder : Load images of your own.

    Notes
    -----
    scikit-learn stores the number of inked pixels in each field of 4 x 4, 0 to 16.
    Here they are multiplied by 255 / 16 and rounded, so that digits span the range that
    images of 8 bits have; ``np.rint(images * (16 / 255))`` gives the counts back.

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
            "from 0 to 255:\nscikit-learn's counts from 0 to 16, times 255 / 16, "
            "rounded.\n\n" + digits.DESCR
        ),
    )
