"""A trace to which canonical operators are applied one by one, as the walker does, and the values that NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import WeightsError
from lenet_fast.weights.graph import trace
from lenet_fast.weights.graph.flow import Flow
from lenet_fast.weights.graph.operators import OPERATORS, Call

#: Begins anew for every test of the graph core.
RANDOM = np.random.default_rng(12)
NONE = (0, 0)


class Trace(trace.Trace):
    """Every operator as a method: flow, its other inputs, its name in the file, its attributes."""

    def apply(self, op, flow, *constants, where, tensors=(), **attributes):
        values = [v if v is None or isinstance(v, Flow) else np.asarray(v) for v in (flow, *constants)]
        call = Call(op, where, tuple(values), ("", *tensors))
        return OPERATORS[op].flow(self, call, **attributes)

    def conv(self, flow, weight, bias, where, *, tensors=(), **attributes):
        return self.apply("conv", flow, weight, bias, where=where, tensors=tensors, **attributes)

    def pool(self, flow, kind, where, **attributes):
        return self.apply("pool", flow, where=where, kind=kind, **attributes)

    def affine(self, flow, scale, shift, where):
        return self.apply("affine", flow, where=where, scale=scale, shift=shift)

    def curve(self, flow, kind, where, **attributes):
        return self.apply("curve", flow, where=where, kind=kind, **attributes)

    def dense(self, flow, weight, bias, where, tensors=()):
        return self.apply("dense", flow, weight, bias, where=where, tensors=tensors)

    def reshape(self, flow, shape, where):
        return self.apply("reshape", flow, where=where, shape=shape)

    def pad(self, flow, widths, value, where):
        return self.apply("pad", flow, where=where, widths=widths, value=value)

    def mean(self, flow, axes, keep, where):
        return self.apply("mean", flow, where=where, axes=axes, keep=keep)

    def difference(self, flow, codes, where, tensors=()):
        return self.apply("subtract", flow, codes, where=where, tensors=tensors)

    def distances(self, flow, axes, where):
        return self.apply("sum", flow, where=where, axes=axes)

    def softmax(self, flow, axis, where):
        return self.apply("softmax", flow, where=where, axis=axis)

    def decide(self, flow, kind, where):
        return self.apply("label", flow, where=where, kind=kind)


def normal(*shape):
    return RANDOM.normal(size=shape)


def outputs(trace, x):
    """What the operations that were traced compute for images (n, channels, rows, columns)."""
    return reference.run_operations([step.operation for step in trace.steps], x)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def refused(action, *words):
    with pytest.raises(WeightsError) as caught:
        action()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def last_to_first(array):
    return np.moveaxis(array, -1, 1)


def first_to_last(array):
    return np.moveaxis(array, 1, -1)


class Row:
    """A trace that goes on from its last flow, and the values that NumPy itself computes beside it."""

    def __init__(self, shape=(1, 1, 8, 8), batch=1):
        self.trace = Trace(batch) if batch > 1 else Trace()
        self.flow = self.trace.image(shape)
        self.x = RANDOM.random((3, *shape[1:]))
        self.values = self.x

    def moved(self, move):
        """`move` takes an array with its batch axis first."""
        self.flow = self.flow.rearranged(move(self.flow.index))
        self.values = np.concatenate([move(self.values[i : i + 1]) for i in range(3)])
        return self

    def conv(self, maps=3, padding=0, **options):
        weight, bias = normal(maps, self.flow.shape[-3], 5, 5), normal(maps)
        self.flow = self.trace.conv(self.flow, weight, bias, "conv", pads=[padding] * 4, **options)
        self.values = reference.conv5x5(self.values, weight, bias, padding=padding)
        return self

    def affine(self, scale, shift=0.0):
        self.flow = self.trace.affine(self.flow, scale, shift, "affine")
        self.values = self.values * scale + shift
        return self

    def curve(self, kind):
        self.flow = self.trace.curve(self.flow, kind, "curve")
        self.values = reference.activate(kind, self.values)
        return self

    def pool(self, kind="max", **options):
        self.flow = self.trace.pool(self.flow, kind, "pool", **options)
        self.values = reference.subsample2x2(self.values, kind)
        return self

    def pad(self, *widths, value=0.0):
        self.flow = self.trace.pad(self.flow, widths, value, "pad")
        self.values = np.pad(self.values, [(0, 0), *widths[1:]], constant_values=value)
        return self

    def dense(self, units=4):
        weight, bias = normal(units, self.flow.index.size), normal(units)
        self.flow = self.trace.dense(self.flow, weight, bias, "full")
        self.values = self.values.reshape(3, -1) @ weight.T + bias
        return self

    def agrees(self, images=None):
        """The operations compute what NumPy computed; `images` where the graph has its channels elsewhere."""
        close(outputs(self.trace, self.x if images is None else images), self.values)
        return self


MOVES = {
    "flattened": lambda v: v.reshape(1, -1),
    "flattened, maps last": lambda v: v.transpose(0, 2, 3, 1).reshape(1, -1),
    "columns before rows": lambda v: v.swapaxes(2, 3),
    "mirrored": lambda v: v[..., ::-1],
    "rows joined": lambda v: v.reshape(1, 3, 16),
    "without a batch axis": lambda v: v[0].ravel()[None],
    "mixed": lambda v: v.reshape(1, 16, 3).swapaxes(1, 2),
    "a part of them": lambda v: v[:, :, 1:, ::2],
}
