"""Operators that end a graph: probabilities and labels."""

from __future__ import annotations

from dataclasses import replace

from ....errors import refuse
from ....operations import Softmax
from ..flow import Flow
from ..trace import Trace
from .call import Call, Operator


def softmax(trace: Trace, call: Call, *, axis: int = -1, has_batch: bool = True) -> Flow:
    """Over all classes; its logarithm orders them alike. `has_batch`: axes are counted with the batch axis."""
    flow = call.flow()
    if not has_batch:
        axis = 1 if flow.index.ndim == 2 else axis + (axis >= 0)
    trace.take(flow, call.where)
    if trace.maps is None:
        refuse(call.where, "a convolution first", "a softmax of pixels", "this is no LeNet")
    if flow.shape[axis] != flow.index.size:
        found = f"one over axis {axis} of {flow.shape}"
        refuse(call.where, "a softmax over the classes", found, "use the last axis")
    return replace(trace.emit(Softmax(), call.where), index=flow.index)


def label(trace: Trace, call: Call, *, kind: str, best: bool = True) -> Flow:
    """The label: "argmax" or "argmin" of what comes; `best` is whether only the best one is asked for."""
    flow = call.flow()
    trace.take(flow, call.where)
    if not best:
        found = "several labels, or scores too"
        refuse(call.where, "the label of the largest score", found, f"leave {call.kind} out")
    trace.decision = kind
    return flow.rearranged(flow.index.ravel()[:1])


def best(trace: Trace, call: Call, *, kind: str) -> Flow:
    """The label where input 1 says that one is wanted: the beginning of a sorted list of one."""
    return label(trace, Call(call.kind, call.where, (call.flow(),)), kind=kind, best=call.numbers(1) == [1])


OPERATORS = {"softmax": Operator(softmax), "label": Operator(label), "best": Operator(best)}
