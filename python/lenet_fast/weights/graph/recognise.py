"""A row of elementary operations -> layers of the family, with their weights and what happens to the pixels first.

Factors and shifts that stand alone in a graph (batch normalisation, the slope and amplitude of a squashing function, a
subsampling's coefficient and bias) belong to the layer in front of them where that has no activation yet, and otherwise
wait until a layer behind them can take them. All of it in float64, rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import network as family
from ...budget import charge
from ...errors import refuse
from ...images import Preprocess
from ...network import RBF, Conv5x5, Network, Subsample2x2
from ...operations import AMPLITUDE, SLOPE, Affine, Array, Conv, Curve, Dense, Distances, Operation, Pool, Softmax
from ..cost import afford
from .trace import Step, Trace

_ONE = Affine(np.array(1.0), np.array(0.0))
_TO_COME = "scaled tanh, amplitude to come"
_CLOSE = 1e-6  # of the paper's constants, as float32 has them
_FOR_BYTES = 1 / 20  # a factor of pixels that is not larger is meant for 0..255
_FAINT = 1 / 10  # kernels that are not longer, as vectors: initialisations begin with 0.12 to 1, and training adds


@dataclass
class _Layer:
    """A layer while its neighbours still join it."""

    operation: Operation
    where: str
    tensors: tuple[str, ...]
    after: list[Affine] = field(default_factory=list)  # between it and its activation
    activation: str = "identity"
    slope: float | None = None  # of leaky relu

    def affine(self) -> Affine:
        total = _ONE
        for affine in self.after:
            total = total.then(affine)
        return total


@dataclass(frozen=True)
class Recognised:
    """A network with its weights by name, the scaling in the graph, and where each tensor came from.

    `is_faint` says that pixels of 0..1 would hardly count: converters (TFLite's, ONNX simplifiers) multiply the first
    kernels by the factor of the scaling before them, and leave no other trace of it.
    """

    network: Network
    weights: dict[str, Array]
    preprocess: Preprocess
    sources: dict[str, str]
    is_faint: bool = False


def recognise(trace: Trace) -> Recognised:
    """Make a network of what a graph computes; WeightsError names the operation that is not of the family."""
    pixels, steps = _leading(trace.steps)
    layers, waiting, head = _layers(steps)
    if not any(isinstance(layer.operation, Conv) for layer in layers):
        where = steps[0].where if steps else "graph"
        refuse(where, "at least one 5x5 convolution", "none", "it is not of the LeNet family: use a general runtime")
    last = layers[-1]
    is_negated = isinstance(last.operation, Distances) and bool(np.all(waiting.scale == -1)) and not waiting.shift.any()
    if waiting is not _ONE and not is_negated:
        refuse(last.where, "an activation as the last operation", "a factor or shift behind it", "leave it out")
    if isinstance(last.operation, Distances):
        head = "rbf"
    _check_decision(trace, last, smallest_wins=head == "rbf" and not is_negated)
    return _assembled(trace, layers, pixels, head)


def _check_decision(trace: Trace, last: _Layer, *, smallest_wins: bool) -> None:
    """A graph that ends in labels must take those that ours takes: of distances the smallest, of others the largest."""
    if smallest_wins and trace.decision == "argmax":
        refuse(last.where, "an argmin of RBF distances", "an argmax", "use argmin, or negate the distances")
    if not smallest_wins and trace.decision == "argmin":
        refuse(last.where, "RBF distances before an argmin", "scores", "use argmax")


def _leading(steps: Sequence[Step]) -> tuple[Affine, list[Step]]:
    """What happens to the pixels, and the rest."""
    total, rest = _ONE, list(steps)
    while rest and isinstance(rest[0].operation, Affine):
        total = total.then(rest.pop(0).operation)  # type: ignore[arg-type]
    return total, rest


def _layers(steps: Sequence[Step]) -> tuple[list[_Layer], Affine, str]:
    """Layers, what still has to happen to the last one's output, and the head."""
    layers: list[_Layer] = []
    waiting, head = _ONE, "scores"
    for i, step in enumerate(steps):
        operation, where = step.operation, step.where
        if head == "softmax":
            refuse(where, "softmax as the last operation", "another behind it", "leave it out")
        match operation:
            case Affine():
                waiting = _scaled(layers, operation, waiting, step)
            case Curve():
                following = steps[i + 1].operation if i + 1 < len(steps) else None
                if _is_squashed(layers[-1], waiting, operation, following):
                    layers[-1].activation, waiting = _TO_COME, _ONE
                    continue
                if waiting is not _ONE:
                    wanted = "a factor or shift that a layer can take"
                    found = "one (batch normalisation, perhaps with negative factors) between max pooling and an activation, or between two activations"  # noqa: E501
                    refuse(where, wanted, found, "put batch normalisation right behind the convolution")
                _activate(layers, operation, following, where)
            case Softmax():
                if isinstance(layers[-1].operation, Distances) and waiting is _ONE:
                    refuse(where, "a softmax of negated distances", "one of distances", "negate them first")
                head = "softmax"
            case Pool("average") if waiting.shift.any() or waiting.scale.ndim:  # trainable subsampling computes the two
                layers.append(_Layer(operation, where, step.tensors, [waiting]))
                waiting = _ONE
            case _:
                operation, waiting = _joined(operation, waiting, layers, step)
                layers.append(_Layer(operation, where, step.tensors))
    return layers, waiting, head


def _scaled(layers: list[_Layer], affine: Affine, waiting: Affine, step: Step) -> Affine:
    """Let an affine join a layer before it, or wait; returns what waits then."""
    taker = _taker(layers, affine)
    if taker and waiting is _ONE:
        taker.after.append(affine)
        taker.tensors += step.tensors
        return _ONE
    if layers[-1].activation == _TO_COME:
        layers[-1].activation = "scaled_tanh"
        return _ONE
    return waiting.then(affine)


def _taker(layers: list[_Layer], affine: Affine) -> _Layer | None:
    """The layer that an affine behind the last one can join, before that one's activation; None if there is none."""
    layer = layers[-1]
    if layer.operation == Pool("max") and layer.activation == "identity" and np.all(affine.scale > 0):
        layer = layers[-2] if len(layers) > 1 else layer  # the larger one stays the larger one
        if not isinstance(layer.operation, Conv):
            return None
    takes = isinstance(layer.operation, (Conv, Dense)) or layer.operation == Pool("average")
    return layer if takes and layer.activation == "identity" else None


def _is_squashed(layer: _Layer, waiting: Affine, curve: Curve, following: Operation | None) -> bool:
    """Whether this is the paper's squashing function behind a layer that takes no factor: the slope has waited."""
    is_scaled = curve.kind == "tanh" and isinstance(following, Affine) and _is_factor(following, AMPLITUDE)
    return (
        is_scaled and layer.activation == "identity" and layer.operation == Pool("max") and _is_factor(waiting, SLOPE)
    )


def _activate(layers: list[_Layer], curve: Curve, following: Operation | None, where: str) -> None:
    layer = layers[-1]
    if layer.activation == "relu" == curve.kind:
        return
    if layer.activation != "identity" or isinstance(layer.operation, Distances):
        found = f"{curve.kind} behind {layer.activation}"
        refuse(where, "one activation per layer", found, "two in a row are not supported")
    layer.activation = curve.kind
    if curve.kind == "leaky_relu":
        layer.slope = float(str(np.float32(curve.slope)))  # the shortest number that is the file's float32
    if curve.kind == "tanh" and isinstance(following, Affine) and _is_factor(following, AMPLITUDE):
        unsloped = Affine(np.array(1 / SLOPE), np.array(0.0))
        layer.activation = "identity"
        taker = _taker(layers, unsloped)
        if taker is None:
            found = "an amplitude of 1.7159 behind a tanh of another slope"
            refuse(where, "the paper's squashing function, 1.7159 tanh(2x/3)", found, "use that, or a plain tanh")
        layer.activation = _TO_COME
        if taker.after and _is_factor(taker.after[-1], SLOPE):
            taker.after.pop()
        else:
            taker.after.append(unsloped)


def _is_factor(affine: Affine, factor: float) -> bool:
    return affine.scale.ndim == 0 and not affine.shift.any() and abs(float(affine.scale) - factor) < _CLOSE


def _joined(operation: Operation, waiting: Affine, layers: list[_Layer], step: Step) -> tuple[Operation, Affine]:
    """The next layer with what waited for it, if it can take that; for pooling it may go on waiting."""
    if waiting is _ONE:
        return operation, _ONE
    match operation:
        case Pool(kind) if kind == "average" or bool(np.all(waiting.scale > 0)):
            return operation, waiting
        case Conv(weight, bias, padding) if not padding or not waiting.shift.any():
            maps = weight.shape[1]
            scale, shift = (np.broadcast_to(v, (maps,))[None, :, None, None] for v in (waiting.scale, waiting.shift))
            charge("values", weight.size)
            return Conv(weight * scale, bias + (weight * shift).sum((1, 2, 3)), padding), _ONE
        case Dense(weight, bias):
            maps = waiting.scale.size if waiting.scale.ndim else max(1, waiting.shift.size)
            each = weight.shape[1] // maps
            scale, shift = (np.repeat(np.broadcast_to(v, (maps,)), each) for v in (waiting.scale, waiting.shift))
            charge("values", 2 * weight.size)
            return Dense(weight * scale, bias + weight @ shift), _ONE
    wanted = "a factor or shift (batch normalisation) that the next layer can take"
    why = "which pads with zeros" if isinstance(operation, Conv) else "which cannot take it"
    way_out = "put batch normalisation before the activation"
    return refuse(layers[-1].where, wanted, f"one before {step.where!r}, {why}", way_out)


def _assembled(trace: Trace, layers: list[_Layer], pixels: Affine, head: str) -> Recognised:
    made: list[Any] = []
    tensors: list[list[Array]] = []
    for layer in layers:
        affine = layer.affine()
        match layer.operation:
            case Conv(weight, bias, padding):
                weight, bias = _folded(weight, bias, affine)
                made.append(Conv5x5(len(weight), layer.activation, padding, _table(weight), layer.slope))
                tensors.append([weight, bias])
            case Dense(weight, bias):
                weight, bias = _folded(weight, bias, affine)
                made.append(family.Dense(len(weight), layer.activation, layer.slope))
                tensors.append([weight, bias])
            case Pool(kind):
                trainable = bool(layer.after)
                made.append(Subsample2x2("trainable" if trainable else kind, layer.activation, layer.slope))
                tensors.append([affine.scale / 4, affine.shift] if trainable else [])
            case Distances(codes):
                made.append(RBF(len(codes)))
                tensors.append([codes])
    assert trace.maps is not None
    network = Network(trace.image_maps, tuple(made), head)
    afford(network)
    if network.classes < 2 and (choice := trace.decision or "softmax" * (head == "softmax")):
        found = f"a{'n' * (choice != 'softmax')} {choice} of one output, which is the same whatever the image"
        refuse(layers[-1].where, f"two classes or more before {choice}", found, "end the graph at its scores")
    weights, sources = {}, {}
    for layer, figures, values in zip(layers, network.figures, tensors, strict=True):
        for i, ((name, shape), value) in enumerate(zip(figures.parameters.items(), values, strict=True)):
            weights[name] = np.broadcast_to(value, shape).astype(np.float32, copy=False)
            one_each = len(layer.tensors) == len(values)
            sources[name] = layer.tensors[i] if one_each else ", ".join(layer.tensors) or layer.where
    return Recognised(network, weights, preprocess_of(trace, pixels), sources, _is_faint(tensors[0], pixels))


def _is_faint(first: Sequence[Array], pixels: Affine) -> bool:
    """Whether even the longest of the first kernels, with what scaling is left before it, is one for pixels 0..255."""
    if not first or first[0].ndim != 4:
        return False
    kernels = first[0]
    charge("values", kernels.size)
    factors = np.broadcast_to(pixels.scale, kernels.shape[1:2])[:, None, None]
    return bool(np.sqrt(np.square(kernels * factors).sum((1, 2, 3))).max() <= _FAINT)


def _folded(weight: Array, bias: Array, affine: Affine) -> tuple[Array, Array]:
    if affine is _ONE:
        return weight, bias
    scale = np.broadcast_to(affine.scale, bias.shape)
    charge("values", weight.size)
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias * scale + affine.shift


def _table(weight: Array) -> tuple[tuple[int, ...], ...] | None:
    """The connection table of a kernel tensor in which whole kernels are zero."""
    connected = np.asarray(weight.any((2, 3)))
    if connected.all() or not connected.any(axis=1).all():
        return None
    return tuple(tuple(map(int, np.flatnonzero(row))) for row in connected)


def preprocess_of(trace: Trace, pixels: Affine) -> Preprocess:
    """The scaling in the graph, and what uint8 pixels stand for, as far as the graph tells.

    A small factor is meant for pixels 0..255; one near 1 may follow any scaling, and says nothing.
    """
    background = trace.background or 0.0
    scale, shift = (tuple(map(float, np.atleast_1d(v))) for v in (pixels.scale, pixels.shift))
    if trace.uint8:
        return Preprocess(scale, shift, background, white=255.0)
    if pixels is _ONE:
        return Preprocess(background=background, white=None)
    return Preprocess(scale, shift, background, white=255.0 if max(map(abs, scale)) <= _FOR_BYTES else None)
