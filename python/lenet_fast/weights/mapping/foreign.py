"""Arrays that are no weights of the family: told for what they are before anything is fitted to them."""

from __future__ import annotations

from itertools import permutations

from ...budget import charge
from ...errors import refuse
from ..source import Tensors
from .roles import is_normalisation, stem

#: Pixels of an image of MNIST's or CIFAR-10's size.
_PIXELS = (784, 1024, 3072)
#: Values of a 5x5 kernel over one map, or over three: the axis of the first kernels where they are stored flat.
_FLAT = {25, 75}
#: What a graph says of batch normalisation and arrays do not.
GRAPH_WANTED = "a file without a graph does not say whether it comes before or after the activation: export the model to ONNX, or use lenet_fast.from_torch or from_keras"  # noqa: E501


def refuse_foreign(tensors: Tensors) -> None:
    """Refuse a perceptron, a data set and normalisation by their names; WeightsError says what they are."""
    if not any(_is_kernel(array.shape) for array in tensors.values()):
        _refuse_perceptron(tensors)
        _refuse_data_set(tensors)
    refuse_normalisation(tensors)


def _is_kernel(shape: tuple[int, ...]) -> bool:
    """Whether it is one of 5x5 kernels, or of the first ones stored flat."""
    return (len(shape) == 4 and 5 in shape) or (len(shape) == 2 and not _FLAT.isdisjoint(shape))


def _refuse_perceptron(tensors: Tensors) -> None:
    """Full connections alone, the first of them of whole images."""
    charge("visits", len(tensors))
    matrices = {name: array.shape for name, array in tensors.items() if array.ndim > 1}
    shapes = list(matrices.values())
    if len(shapes) < 2 or any(len(shape) > 2 for shape in shapes):
        return
    for name, shape in matrices.items():
        ways = [(units, pixels) for units, pixels in permutations(shape) if pixels in _PIXELS]
        others = [other for other in matrices if other != name]
        for units, pixels in ways:
            axis = shape.index(pixels)  # of the inputs: the next connection has as many there as this one has outputs
            if any(matrices[other][axis] == units for other in others):
                found = f"full connections alone, of {pixels} pixels at once ({', '.join(map(str, shapes[:6]))})"
                refuse(name, "a LeNet, which begins with 5x5 convolutions", found, "use a general runtime for it")


def _refuse_data_set(tensors: Tensors) -> None:
    for name, array in tensors.items():
        if (array.ndim >= 3 and len(array) >= 500 and array.shape[1:3] in ((28, 28), (32, 32))) or (
            array.ndim == 2 and len(array) >= 500 and array.shape[1] in _PIXELS
        ):
            refuse(name, "weights", f"{array.shape}, images of a data set", "this is no model")


def refuse_normalisation(tensors: Tensors) -> None:
    """Refuse vectors that are called normalisation; the bias of a kernel may have any name that the kernel has."""
    suspects = [name for name in filter(is_normalisation, tensors) if tensors[name].squeeze().ndim <= 1]
    if not suspects:
        return
    kernels = {stem(name) for name, array in tensors.items() if array.squeeze().ndim > 1}
    for name in suspects:
        if stem(name) not in kernels:
            refuse(name, "weights of convolutions and full connections", "batch normalisation", GRAPH_WANTED)
