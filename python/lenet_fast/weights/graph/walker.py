"""The one walk over a graph, whatever file it comes from.

Only what an output depends on is looked at. Operators on constants are computed by NumPy, those on the image's values
become operations of the trace, and a graph in which two ways meet is refused. Where the file leaves the size of images
open, the first size that all of the graph fits is taken, and if none does, the sentence is that of the one that came
furthest. Whatever a damaged graph makes Python or NumPy raise on the way becomes a WeightsError here.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from ...budget import charge
from ...errors import OverBudgetError, WeightsError, brief, refuse
from ...operations import Affine, Conv, Pool
from .flow import Flow
from .node import Entry, Graph, Key, Node, Value
from .operators import OPERATORS, Call
from .operators.call import BRANCHES
from .trace import Trace

#: Entries of a graph; a LeNet has some dozens.
MOST_ENTRIES = 4096
#: Sides of images to try where a file leaves them open.
SIDES = (28, 32)
#: Of an operator, and of as many of the image's values as NumPy moves in the time of one visit.
_VISITS, _MOVED = 20, 64


def follow(graph: Graph) -> Trace:
    """Trace a graph; WeightsError says what in it is not of the family, or contradicts itself."""
    check_count(len(graph.entries))
    furthest = -1
    wrong = WeightsError("", "an image of some size", "none to try", f"the {graph.format} file is damaged")
    for shape in graph.image.shapes:
        walk = _Walk(graph, shape)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                walk.all()
            return walk.trace
        except OverBudgetError:
            raise
        except WeightsError as error:
            found_wrong = error
        except MemoryError:
            raise
        except Exception as error:
            found_wrong = contradiction(graph.format, error)
            found_wrong.__cause__ = error
        if len(walk.trace.steps) > furthest:
            furthest, wrong = len(walk.trace.steps), found_wrong
    raise wrong


def check_count(operators: int) -> None:
    """Refuse as many operators as no LeNet has."""
    if operators > MOST_ENTRIES:
        refuse("", "a LeNet of some dozen layers", f"{operators:,} operators", "it is another network")


def contradiction(form: str, error: Exception) -> WeightsError:
    """The error for whatever a graph that cannot be true makes Python raise."""
    return WeightsError("", f"a valid {form} graph", f"a contradiction in it ({brief(error)})")


class _Walk:
    """One pass over the entries, for images of one shape."""

    def __init__(self, graph: Graph, shape: tuple[int, ...]) -> None:
        self.graph, self.shape = graph, shape
        self.trace = Trace(batch=max(1, shape[0]), uint8=graph.image.is_uint8)
        self.values: dict[Key, Value] = {}
        self.names: dict[Key, str] = {}  # of constants, in the file

    def all(self) -> None:
        """Trace everything that the outputs depend on."""
        image = self.graph.image
        self.values[image.key] = self.trace.image(self.shape, image.name)
        for entry in self.graph.live():
            self._entry(entry)
        outputs = self.graph.outputs
        if outputs is not None and not any(isinstance(self.values.get(key), Flow) for key in outputs):
            refuse("outputs", "an output that depends on the image", "none", "the graph is damaged")
        if self.graph.must_end_in_scores:
            _check_ends(self.trace)

    def _value(self, key: Key, entry: Entry) -> Value:
        if key not in self.values:
            constant = self.graph.constants.get(key)
            if constant is None:
                self._refuse_key(key, entry)
            array = constant.load()
            self.values[key], self.names[key] = None if array is None else np.asarray(array), constant.name
        return self.values[key]

    def _refuse_key(self, key: Key, entry: Entry) -> NoReturn:
        """A value that is not there when it is read."""
        wanted = "inputs computed before"
        for other in self.graph.entries:
            if key in (other.output, *other.others):
                found = f"{key!r}, which {other.where} computes behind it"
                refuse(entry.where, wanted, found, "sort the operators so that each one follows those that it reads")
        refuse(entry.where, wanted, f"{key!r}, which nothing computes", "the file is damaged")

    def _entry(self, entry: Entry) -> None:
        """One operator of the file, which may be several canonical ones."""
        charge("visits", _VISITS + len(entry.inputs))
        values = tuple(self._value(key, entry) for key in entry.inputs)
        names = tuple(self.names.get(key, "") for key in entry.inputs)
        own, is_same = "", True  # the name of the file's tensor, and whether this is that tensor in another form
        for node in self._nodes(entry, values):
            constants = [(None, "") if c is None else (np.asarray(c.load()), c.name) for c in node.constants]
            values, names = (*values, *(a for a, _ in constants)), (*names, *(name for _, name in constants))
            own = own or next(filter(None, names), "")
            values = (self._applied(node, Call(entry.typed or entry.kind, entry.where, values, names)),)
            names = ("",)
            is_same = is_same and OPERATORS[node.op].keeps_name
        self.values[entry.output] = values[0]
        self.names[entry.output] = own if is_same and own else entry.where

    def _nodes(self, entry: Entry, values: tuple[Value, ...]) -> Sequence[Node]:
        translate = self.graph.table.get(entry.kind)
        if translate is None:
            _refuse_unknown(entry.typed or entry.kind, entry.where, values)
        nodes = translate(entry)
        return [nodes] if isinstance(nodes, Node) else nodes

    def _applied(self, node: Node, call: Call) -> Value:
        operator = OPERATORS[node.op]
        if any(isinstance(value, Flow) for value in call.values):
            if operator.flow is None:
                _refuse_unknown(call.kind, call.where, call.values)
            charge("visits", sum(value.index.size for value in call.values if isinstance(value, Flow)) // _MOVED)
            return operator.flow(self.trace, call, **node.attributes)
        if operator.fold is None:
            _refuse_unknown(call.kind, call.where, call.values)
        read = sum(value.size for value in call.values if isinstance(value, np.ndarray))
        charge("visits", read // _MOVED)
        charge("values", operator.size(call, **node.attributes) if operator.size else read)
        return np.asarray(operator.fold(call, **node.attributes))


def _refuse_unknown(kind: str, where: str, values: tuple[Value, ...]) -> NoReturn:
    """An operator that the family does not have: on constants, of several branches, or at all."""
    flows = sum(isinstance(value, Flow) for value in values)
    if not flows:
        found, way_out = f"constants computed by {kind}", "fold constants when exporting"
        refuse(where, "constants that are stored or moved", found, way_out)
    if flows > 1:
        refuse(where, "layers in one row", f"{kind}, which joins branches", BRANCHES)
    refuse(where, "an operation of the LeNet family", kind, "use a general runtime for this network")


def _check_ends(trace: Trace) -> None:
    first = next((step for step in trace.steps if not isinstance(step.operation, Affine)), None)
    if first is None or not isinstance(first.operation, (Conv, Pool)):
        found = "none" if first is None else type(first.operation).__name__.lower()
        refuse(first.where if first else "graph", "a convolution as the first layer", found, "this is no LeNet")
    if trace.maps and trace.maps[1:] != (1, 1):
        found, way_out = f"maps of {trace.maps[1]}x{trace.maps[2]}", "the file is truncated, or this is no LeNet"
        refuse(trace.steps[-1].where, "scores as the end of the graph", found, way_out)
