"""Warnings that point to a line of the user's code, not to a line of a library."""

import os
import sys
import warnings

import joblib
import sklearn

_SKCNN = os.path.dirname(os.path.dirname(__file__))
# A search calls `fit` through scikit-learn and joblib, so skip their frames, too.
_LIBRARIES = (_SKCNN, *(os.path.dirname(m.__file__) for m in (sklearn, joblib)))
_STANDARD_LIBRARY = os.path.dirname(os.__file__)


def warn_user(message, category=UserWarning):
    """Issue a warning that points to the innermost line of the user's own code.

    Frames of skcnn, scikit-learn, joblib and the standard library are skipped. A fixed
    ``stacklevel`` cannot do this, because the number of frames between the user's line
    and the warning depends on the decorators, pipelines and searches in between.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    level, frame = 1, sys._getframe()
    while frame is not None and _is_library(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    # In a worker process, all frames belong to libraries. Report the caller instead.
    warnings.warn(message, category, stacklevel=2 if frame is None else level)


def _is_library(filename):
    if "-packages" in filename:  # site-packages is inside the standard library
        return any(filename.startswith(folder + os.sep) for folder in _LIBRARIES)
    return filename.startswith((_SKCNN + os.sep, _STANDARD_LIBRARY + os.sep, "<frozen"))
