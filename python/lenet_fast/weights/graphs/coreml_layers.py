"""The layers of Core ML's neural networks, as canonical operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import refuse
from ..graph.node import Constant, Entry, Node, Translation, always
from .coreml_schema import Message, weights

_POOLINGS = {0: "max", 1: "average", 2: "L2"}
_ARE_CHANNELS_LAST = {0: False, 1: True}
_SAME = {0: "same_upper", 1: "same_lower"}
_CURVES = {"ReLU": "relu", "tanh": "tanh", "sigmoid": "sigmoid"}
_UNARY = dict(enumerate(("SQRT", "RSQRT", "INVERSE", "POWER", "EXP", "LOG", "ABS", "THRESHOLD")))
_EPSILON = 1e-5  # of batch normalisation, where none is given


def _pair(many: Sequence[int], default: int) -> tuple[int, int]:
    """Rows and columns, where they are given."""
    if len(many) not in (0, 2):
        raise ValueError(f"{len(many)} values for two axes")
    return (many[0], many[1]) if many else (default, default)


def _border(given: Message | None) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    edges = [] if given is None else given.borderAmounts
    if len(edges) not in (0, 2):
        raise ValueError(f"{len(edges)} borders of two axes")
    rows, columns = ((edge.startEdgeSize, edge.endEdgeSize) for edge in edges) if edges else ((0, 0), (0, 0))
    return rows[0], columns[0], rows[1], columns[1]


def _pads(entry: Entry) -> tuple[int, ...] | str:
    """The padding of a convolution or a pooling."""
    p: Message = entry.settings
    if (p.valid is None) == (p.same is None):
        refuse(entry.where, "padding that is valid or same", "none or both", "the file is damaged")
    return _border(p.valid.paddingAmounts) if p.same is None else _SAME[p.same.asymmetryMode]


def _biases(where: str, p: Message, outputs: int) -> list[Constant]:
    return [weights(f"{where}.bias", p.bias, (outputs,))] if p.hasBias else []


def _convolution(entry: Entry) -> Node:
    p: Message = entry.settings
    if p.isDeconvolution:
        refuse(entry.where, "a convolution", "a transposed one", "this is no LeNet")
    kernel = _pair(p.kernelSize, 3)
    kernels = weights(f"{entry.where}.weight", p.weights, (p.outputChannels, p.kernelChannels, *kernel))
    return Node(
        "conv", kernels, *_biases(entry.where, p, p.outputChannels), pads=_pads(entry), strides=_pair(p.stride, 1),
        dilations=_pair(p.dilationFactor, 1), groups=p.nGroups or 1,
    )  # fmt: skip


def _inner_product(entry: Entry) -> Node:
    p: Message = entry.settings
    return _connected(entry.where, p, p.outputChannels, p.inputChannels)


def _batched_product(entry: Entry) -> Node:
    """A product with weights of its own, which lie as those of a full connection do."""
    p: Message = entry.settings
    if p.transposeA or p.transposeB:
        refuse(entry.where, "a plain product", "a transposed one", "export without it")
    return _connected(entry.where, p, p.weightMatrixSecondDimension, p.weightMatrixFirstDimension)


def _connected(where: str, p: Message, outputs: int, inputs: int) -> Node:
    if p.int8DynamicQuantize:
        refuse(where, "floating-point values", "values quantised on their way", "export the float model")
    rows = weights(f"{where}.weight", p.weights, (outputs, inputs))
    return Node("inner_product", rows, *_biases(where, p, outputs))


def _pooling(entry: Entry) -> Node:
    p: Message = entry.settings
    kind = _POOLINGS[p.type]
    if kind == "L2":
        refuse(entry.where, "average or max pooling", "L2 pooling", "it is not supported")
    if p.globalPooling:
        return Node("pool", kind=kind, window=None, strides=None)
    window, strides = _pair(p.kernelSize, 3), _pair(p.stride, 1)
    if p.includeLastPixel is None:
        return Node("pool", kind=kind, window=window, strides=strides, pads=_pads(entry))
    sides = _pair(p.includeLastPixel.paddingAmounts, 0)
    return Node("pool", kind=kind, window=window, strides=strides, pads=(*sides, *sides), ceil=True)


def _leaky(slope: float) -> Node:
    return Node("curve", kind="leaky_relu", slope=slope) if slope else Node("curve", kind="relu")


def _activation(entry: Entry) -> Node | list[Node]:
    kinds = entry.settings.present()
    kind = kinds[0] if len(kinds) == 1 else " and ".join(kinds) or "none"
    if kind in _CURVES:
        return Node("curve", kind=_CURVES[kind])
    p: Any = getattr(entry.settings, kind, None)
    match kind:
        case "linear":
            return Node("affine", scale=p.alpha, shift=p.beta)
        case "scaledTanh":
            return [Node("affine", scale=p.beta), Node("curve", kind="tanh"), Node("affine", scale=p.alpha)]
        case "leakyReLU":
            return _leaky(p.alpha)
        case "thresholdedReLU" if not p.alpha:
            return Node("curve", kind="relu")
        case "PReLU":
            slopes = p.alpha.floatValue.size if p.alpha is not None else 0
            return Node("curve", weights(f"{entry.where}.alpha", p.alpha, (slopes,)), kind="leaky_relu", slope=None)
    return Node("other_curve", found=f"activation {kind}")


def _unary(entry: Entry) -> list[Node]:
    """A function of x times `scale`, which is 1 where it is 0, plus `shift`."""
    p: Message = entry.settings
    kind, scale = _UNARY[p.type], p.scale or 1.0
    before = [] if (scale, p.shift) == (1, 0) else [Node("affine", scale=scale, shift=p.shift)]
    if kind == "THRESHOLD":
        return [*before, Node("clip", low=p.alpha)]
    if kind != "POWER":
        return [*before, Node("other_curve", found=f"unary {kind}")]
    return [*before, Node("identity") if p.alpha == 1 else Node("power", exponent=p.alpha)]


def _softmax_along(entry: Entry) -> Node:
    return Node("softmax", axis=entry.settings.axis)


def _per_channel(where: str, given: Message | None, sizes: Sequence[int]) -> Constant:
    """Values in a shape that broadcasts: one size is that of the channels."""
    return weights(where, given, (*sizes, 1, 1) if len(sizes) == 1 else sizes)


def _scale(entry: Entry) -> list[Node]:
    p: Message = entry.settings
    nodes = [Node("multiply", _per_channel(f"{entry.where}.scale", p.scale, p.shapeScale))]
    if p.hasBias:
        nodes.append(Node("add", _per_channel(f"{entry.where}.bias", p.bias, p.shapeBias)))
    return nodes


def _bias(entry: Entry) -> Node:
    return Node("add", _per_channel(f"{entry.where}.bias", entry.settings.bias, entry.settings.shape))


def _batch_norm(entry: Entry) -> Node:
    p: Message = entry.settings
    if p.computeMeanVar:
        return Node("batch_norm", training=True)
    parts = {"gamma": p.gamma, "beta": p.beta, "mean": p.mean, "variance": p.variance}
    constants = [weights(f"{entry.where}.{name}", part, (p.channels,)) for name, part in parts.items()]
    return Node("batch_norm", *constants, epsilon=p.epsilon or _EPSILON, axis=-3)


def _with_alpha(op: str, attribute: str) -> Translation:
    """An operation with another input, or with a number where there is none."""

    def translate(entry: Entry) -> Node:
        return Node(op) if len(entry.inputs) > 1 else Node("affine", **{attribute: entry.settings.alpha})

    return translate


def _flatten(entry: Entry) -> list[Node]:
    """Channels, rows and columns into one axis, in this order or with the channels last, and two axes of one value."""
    moved = [Node("move_axis", source=-3, destination=-1)] * _ARE_CHANNELS_LAST[entry.settings.mode]
    return [*moved, Node("flatten", start=-3), Node("unsqueeze", axes=(-2, -1))]


def _reshape(entry: Entry) -> list[Node]:
    """Another shape of channels, rows and columns; with the channels last, they are so before and after."""
    p: Message = entry.settings
    *sequence, channels, rows, columns = p.targetShape
    if sequence not in ([], [1]):
        refuse(entry.where, "a reshape of one image", f"one into {sequence}", "save the model for single images")
    if not _ARE_CHANNELS_LAST[p.mode]:
        return [Node("reshape", shape=(1, channels, rows, columns))]
    back, there = Node("move_axis", source=-1, destination=-3), Node("move_axis", source=-3, destination=-1)
    return [there, Node("reshape", shape=(1, rows, columns, channels)), back]


def _permute(entry: Entry) -> Node:
    axes = list(entry.settings.axis) or [0, 1, 2, 3]
    if axes[0] != 0:
        refuse(entry.where, "images moved by channel, row and column", f"order {axes}", "leave the sequence axis first")
    return Node("transpose", axes=axes)


def _transpose(entry: Entry) -> Node:
    return Node("transpose", axes=entry.settings.axes)


def _reshape_static(entry: Entry) -> Node:
    return Node("reshape", shape=entry.settings.targetShape)


def _reshape_same_rank(entry: Entry) -> Node:
    return Node("reshape", shape=entry.settings.targetShape, zeros="first")


def _squeeze(entry: Entry) -> Node:
    p: Message = entry.settings
    return Node("squeeze") if p.squeezeAll else Node("squeeze", axes=p.axes)


def _expand(entry: Entry) -> Node:
    return Node("unsqueeze", axes=entry.settings.axes)


def _rows(entry: Entry) -> Node:
    return Node("rows", axis=entry.settings.axis)


def _padding(entry: Entry) -> Node:
    p: Message = entry.settings
    if p.constant is None:
        refuse(entry.where, "padding with a constant", " and ".join(p.present()), "pad with zeros")
    top, left, bottom, right = _border(p.paddingAmounts)
    return Node("pad", widths=[(0, 0), (0, 0), (top, bottom), (left, right)], value=p.constant.value)


def _constant_pad(entry: Entry) -> Node:
    p: Message = entry.settings
    if p.padToGivenOutputSizeMode:
        refuse(entry.where, "padding by widths", "padding to a size", "pad by widths")
    return Node("pad", widths=list(zip(p.padAmounts[::2], p.padAmounts[1::2], strict=True)), value=p.value)


def _clip(entry: Entry) -> Node:
    return Node("clip", low=entry.settings.minVal, high=entry.settings.maxVal)


def _reduce_along(op: str, **attributes: Any) -> Translation:
    def translate(entry: Entry) -> Node:
        p: Message = entry.settings
        axes = None if p.reduceAll else p.axes
        return Node(op, axes=axes, keep=p.keepDims, **attributes)

    return translate


def _preprocessing(entry: Entry) -> Node:
    scale, shift = entry.settings
    return Node("affine", scale=scale, shift=shift)


TABLE: dict[str, Translation] = {
    "preprocessing": _preprocessing,
    "as declared": always("squeeze", axes=(0,)),
    "along channels": always("unsqueeze", axes=(-2, -1)),
    "convolution": _convolution,
    "innerProduct": _inner_product,
    "batchedMatmul": _batched_product,
    "pooling": _pooling,
    "activation": _activation,
    "tanh": always("curve", kind="tanh"),
    "clip": _clip,
    "unary": _unary,
    "softmax": always("softmax", axis=-3),
    "softmaxND": _softmax_along,
    "argMax": always("label", kind="argmax"),
    "argMin": always("label", kind="argmin"),
    "batchnorm": _batch_norm,
    "scale": _scale,
    "bias": _bias,
    "add": _with_alpha("add", "shift"),
    "multiply": _with_alpha("multiply", "scale"),
    "addBroadcastable": always("add"),
    "subtractBroadcastable": always("subtract"),
    "multiplyBroadcastable": always("multiply"),
    "divideBroadcastable": always("divide"),
    "powBroadcastable": always("power"),
    "maxBroadcastable": always("maximum"),
    "flatten": _flatten,
    "reshape": _reshape,
    "reshapeStatic": _reshape_static,
    "rankPreservingReshape": _reshape_same_rank,
    "permute": _permute,
    "transpose": _transpose,
    "squeeze": _squeeze,
    "expandDims": _expand,
    "flattenTo2D": _rows,
    "padding": _padding,
    "constantPad": _constant_pad,
    "reduceSum": _reduce_along("sum"),
    "reduceSumSquare": _reduce_along("sum", squares=True),
    "reduceMean": _reduce_along("mean"),
    "copy": always("identity"),
}
