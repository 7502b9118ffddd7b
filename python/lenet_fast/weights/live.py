"""Models out of live objects of other frameworks, compared with the object itself where it can be run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..budget import Budget, spending
from ..errors import WeightsError, brief, inside
from ..images import Preprocess
from ..model import Model
from ..network import Network
from .build import Wishes, build
from .checking.outputs import Expected, agreement
from .graph.recognise import recognise
from .mapping.answers import Answers
from .source import TORCH, UNKNOWN, Source

_IMAGES = 8


def from_torch(
    module: Any, example: Any = None, *, preprocess: str | Preprocess | None = None, budget: Budget | None = None
) -> Model:
    """Make a model of a PyTorch module: what `module.eval()` computes.

    Parameters
    ----------
    module
        A torch.nn.Module of the LeNet family; it is not changed.
    example
        One image as the module takes it, (1, channels, height, width); zeros of 28x28 or 32x32 where only one fits.
    preprocess, budget
        How training scaled the pixels, and the most that the model may take, as for `lenet_fast.load`.

    Raises
    ------
    WeightsError
        If the module is not of the family, or computes other outputs than the model made of it.

    Examples
    --------
    >>> model = lenet_fast.from_torch(module, preprocess="mnist")  # doctest: +SKIP
    """
    from .graphs.torch_module import checked_module, read_module

    name = type(checked_module(module)).__name__
    with spending(budget):
        with inside(name, "a module of the LeNet family"):
            source, example = read_module(module, example)
        model = build(source, Wishes(preprocess=preprocess), name).model
    return _compared(model, module, source, lambda images: _torch_outputs(module, example, images))


def _torch_outputs(module: Any, example: Any, images: Any) -> Any:
    import copy

    import torch

    still = copy.deepcopy(module).eval().cpu()
    with torch.no_grad():
        outputs = [still(torch.from_numpy(image).to(example.dtype).reshape(example.shape)) for image in images]
    return torch.cat([o.reshape(1, -1) for o in outputs]).double().numpy()


def from_keras(model: Any, *, preprocess: str | Preprocess | None = None, budget: Budget | None = None) -> Model:
    """Make a model of a live Keras model, of Keras 2 or 3 and any backend: what `model.predict` computes.

    Parameters
    ----------
    model
        A Sequential or Functional keras.Model of the LeNet family.
    preprocess
        How training scaled the pixels, as for `lenet_fast.load`; not wanted where the model scales them itself.
    budget
        The most that the model may take, as for `lenet_fast.load`.

    Raises
    ------
    WeightsError
        If the model is not of the family, or computes other outputs than ours.

    Examples
    --------
    >>> model = lenet_fast.from_keras(keras_model, preprocess="unit")  # doctest: +SKIP
    """
    from .graphs.keras import read_model

    if not hasattr(model, "to_json") or not hasattr(model, "layers"):
        raise TypeError(f"model: wanted a keras.Model, found {type(model).__name__}")
    name = type(model).__name__
    with spending(budget):
        with inside(name, "a model of the LeNet family"):
            source = read_model(model)
        made = build(source, Wishes(preprocess=preprocess), name).model
    shape = model.input_shape[1:]
    return _compared(
        made, model, source, lambda images: np.asarray(model.predict(_keras_layout(images, shape), verbose=0))
    )


def _keras_layout(images: Any, shape: tuple[int, ...]) -> Any:
    last = len(shape) == 3 and shape[0] != images.shape[1]
    return (images.transpose(0, 2, 3, 1) if last else images).reshape(
        len(images), *(n or s for n, s in zip(shape, images.shape[-2:] * 2, strict=False))
    )


def _compared(model: Model, original: Any, source: Source, outputs: Any) -> Model:
    """The model, if the original gives the same outputs for a few images."""
    assert source.trace is not None
    side = source.trace.margin
    maps, height, width = model.network.input
    random = np.random.default_rng(1998)
    images = random.random((_IMAGES, maps, height - 2 * side, width - 2 * side), np.float32)
    if source.trace.decision:
        return model
    bare = Model(model.network, model.weights, preprocess=recognise(source.trace).preprocess)
    white = bare.preprocess.white or 1.0
    shown = images * np.float32(white)
    expected = Expected.of(outputs(shown), len(shown))
    expected.check(bare.network.classes)
    error, close = agreement(bare, shown, expected, bare.scores(shown))
    if not close:
        found = f"others (off by {error:.1e} of their spread)"
        way_out = "export it to ONNX and load that"
        raise WeightsError("", "the outputs of the original", found, way_out, type(original).__name__)
    return model


def from_onnx(model: Any, *, preprocess: str | Preprocess | None = None, budget: Budget | None = None) -> Model:
    """Make a model of an onnx.ModelProto; as `lenet_fast.load` does of its file.

    Examples
    --------
    >>> model = lenet_fast.from_onnx(onnx.load("lenet.onnx"))  # doctest: +SKIP
    """
    from .graphs.onnx import read_model

    if not hasattr(model, "graph") or not hasattr(model, "opset_import"):
        raise TypeError(f"model: wanted an onnx.ModelProto, found {type(model).__name__}")
    with spending(budget):
        with inside("ModelProto"):
            source = read_model(model)
        return build(source, Wishes(preprocess=preprocess), "ModelProto").model


def from_state_dict(
    mapping: Mapping[str, Any],
    network: str | Network,
    *,
    preprocess: str | Preprocess | None = None,
    activation: str | None = None,
    pooling: str | None = None,
    padding: int | tuple[int, int] | None = None,
    slope: float | None = None,
    flatten: str | None = None,
    coefficients: str | None = None,
    compact: str | None = None,
    kernels: str | None = None,
    dense: str | None = None,
    budget: Budget | None = None,
) -> Model:
    """Make a model of named arrays: a PyTorch state dict, or NumPy arrays from anywhere.

    Parameters
    ----------
    mapping
        Name -> array or torch.Tensor.
    network
        A name of `lenet_fast.networks()`, whose sizes follow the arrays, or a `Network`.
    preprocess, activation, pooling, padding, slope, flatten, coefficients, compact, kernels, dense, budget
        As for `lenet_fast.load`.

    Raises
    ------
    WeightsError
        If the arrays are not this network's, or read in two ways.

    Examples
    --------
    >>> digits = lenet_fast.pretrained("digits")
    >>> lenet_fast.from_state_dict(digits.weights, "lenet5-1998", preprocess="lecun")
    <lenet_fast.Model 1x32x32 -> 10 classes, 60,000 trainable parameters>
    """
    if not isinstance(mapping, Mapping):
        raise TypeError(f"mapping: wanted names and arrays, found {type(mapping).__name__}; pass module.state_dict()")
    tensors = {str(name): _as_array(str(name), value) for name, value in mapping.items()}
    layout = TORCH if any(hasattr(value, "detach") for value in mapping.values()) else UNKNOWN
    given = {"activation": activation, "pooling": pooling, "padding": padding, "slope": slope}
    variations = {key: value for key, value in given.items() if value is not None}
    wishes = Wishes(network, preprocess, variations, Answers(flatten, coefficients, compact, kernels, dense))
    with spending(budget):
        return build(Source("state dict", tensors, layout), wishes, "state dict").model


def _as_array(name: str, value: Any) -> Any:
    """A NumPy array of a tensor of any framework, on any device."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return value.numpy()
    try:
        return np.asarray(value)
    except Exception as error:
        raise TypeError(f"{name}: wanted an array, found {type(value).__name__} ({brief(error)})") from error
