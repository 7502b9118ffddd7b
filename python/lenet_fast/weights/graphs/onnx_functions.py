"""Functions that an ONNX model brings itself, put in the place of their calls; newer exporters write layers so.

A function may call others, each twice, so that a short file stands for nodes without end: they are counted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from ...budget import charge
from ...errors import refuse
from ...extras import needs

#: Domain, name and overload, by which a function is called.
_Key: TypeAlias = tuple[str, str, str]

_DEEPEST = 64  # calls inside calls
_BYTES = 2  # of a node, which has some thirty, in the time of one visit


def inlined(model: Any) -> Any:
    """The model without functions of its own; refused before they are put in place if they make too many nodes."""
    if not len(model.functions):
        return model
    charge("visits", _Sizes(model.functions).of(model.graph.node, ()) // _BYTES)
    return needs("onnx.inliner", "onnx", "reading ONNX models with functions").inline_local_functions(model)


class _Sizes:
    """Bytes of nodes with everything that they call, each function looked at once."""

    def __init__(self, functions: Sequence[Any]) -> None:
        self._bodies = {_key(function.domain, function.name, function): function.node for function in functions}
        self._known: dict[_Key, int] = {}

    def of(self, nodes: Sequence[Any], callers: tuple[_Key, ...]) -> int:
        """Of some nodes, of the function that was called last."""
        own = sum(int(node.ByteSize()) + self._called(node, callers) for node in nodes)
        branches = [attribute.g.node for node in nodes for attribute in node.attribute if attribute.HasField("g")]
        return own + sum(self.of(branch, callers) for branch in branches)

    def _called(self, node: Any, callers: tuple[_Key, ...]) -> int:
        key = _key(node.domain, node.op_type, node)
        if key in callers or len(callers) > _DEEPEST:
            refuse(node.name, "functions that end", f"{node.op_type!r}, which calls itself", "export without it")
        if key in self._bodies and key not in self._known:
            charge("visits", len(self._bodies[key]))
            self._known[key] = self.of(self._bodies[key], (*callers, key))
        return self._known.get(key, 0)


def _key(domain: str, name: str, owner: Any) -> _Key:
    return domain, name, getattr(owner, "overload", "")  # which older versions of the package do not have
