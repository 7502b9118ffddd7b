"""A trace to which canonical operators are applied one by one, as the walker does, for the tests of the graph core."""

from __future__ import annotations

import numpy as np
from lenet_fast.weights.graph.flow import Flow
from lenet_fast.weights.graph.operators import OPERATORS, Call
from lenet_fast.weights.graph.trace import Trace as Row


class Trace(Row):
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
