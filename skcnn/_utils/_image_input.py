"""Checks of the argument `X` of estimators that take images."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ._validation import (
    as_image_array,
    check_image_shape,
    infer_image_shape,
    shape_advice,
)


class ImageInputMixin:
    """Mixin for estimators with a parameter `image_shape` that take images as `X`."""

    def _check_images(self, X, *, reset):
        """Check X and return it as an array, without copying it if possible.

        If `reset` is True, set `n_features_in_`, `feature_names_in_` and
        `image_shape_`. Otherwise, check that X matches these attributes.
        """
        X = as_image_array(X)
        ndim = getattr(X, "ndim", None)
        if ndim is None or ndim <= 2:
            # scikit-learn checks flattened images and their column names.
            X = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=True)
        else:
            X = check_array(
                X,
                dtype="numeric",
                allow_nd=True,
                estimator=self,
                input_name="X",
            )
            if reset:
                vars(self).pop("feature_names_in_", None)
        shape = infer_image_shape(X, check_image_shape(self.image_shape))
        if reset:
            self.image_shape_ = shape
            self.n_features_in_ = int(np.prod(shape))
        elif shape != self.image_shape_:
            raise ValueError(
                f"X has images of shape {shape} (height, width, channels), but "
                f"{type(self).__name__} was fitted with images of shape "
                f"{self.image_shape_}. {shape_advice(shape, self.image_shape_)}"
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # These tags allow flattened images and grayscale images without a channel axis.
        # There is no tag for four dimensions.
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags
