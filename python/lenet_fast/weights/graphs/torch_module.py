"""Live PyTorch modules: exported by torch.export, whose operators are ATen's. What does not depend on the image, torch
computes itself.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import WeightsError, brief, refuse, whole
from ...extras import needs
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.walker import follow
from ..source import Source


def checked_module(module: Any) -> Any:
    """The caller's module; TypeError if it is none."""
    torch = needs("torch", "torch", "reading PyTorch modules")
    if not isinstance(module, torch.nn.Module):
        found = type(module).__name__
        raise TypeError(f"module: wanted a torch.nn.Module, found {found}; from_state_dict reads mappings")
    return module


def read_module(module: Any, example: Any = None) -> tuple[Source, Any]:
    """Return what a module computes, and the example image that it was exported with."""
    import torch

    still = _copied(module).eval().cpu()
    still = still.float() if any(p.dtype in (torch.float16, torch.bfloat16) for p in still.parameters()) else still
    example = _example(still) if example is None else torch.as_tensor(example).cpu()[:1]
    try:
        exported = torch.export.export(still, (example,))
    except Exception as error:  # whatever a module's own code and the tracer raise
        found = f"one that it cannot ({brief(error)})"
        way_out = "pass example=, one image as the module takes it, or save its state dict and load that with network="
        raise WeightsError("", "a module that torch.export can trace", found, way_out) from error
    with whole("a module of the LeNet family"):
        graph = _Parser(torch, exported, tuple(example.shape)).graph()
    return Source("PyTorch module", trace=follow(graph)), example


def _copied(module: Any) -> Any:
    try:
        return copy.deepcopy(module)
    except Exception as error:  # of a tensor that is computed anew from others
        found = f"one that cannot be ({brief(error)})"
        way_out = (
            "make pruning and weight normalisation permanent (prune.remove, remove_weight_norm), or export to ONNX"
        )
        raise WeightsError("", "a module that can be copied", found, way_out) from error


def _example(module: Any) -> Any:
    """One image of zeros of the size that the module takes: 28 or 32."""
    import torch

    first = next((m for m in module.modules() if isinstance(m, torch.nn.Conv2d)), None)
    if first is None:
        way_out = "if it convolves with functions, pass example=, one image of the right size"
        refuse("", "at least one 5x5 convolution", "no nn.Conv2d", way_out)
    fitting = []
    for side in (28, 32):
        image = torch.zeros(1, first.in_channels, side, side, dtype=first.weight.dtype)
        try:
            with torch.no_grad():
                module(image)
        except Exception:  # the module's own complaint about the size
            continue
        fitting.append(image)
    if len(fitting) != 1:
        found = "one that takes both" if fitting else "one that takes neither"
        wanted, way_out = (
            "a module that takes images of 28x28 or of 32x32",
            "pass example=, one image of the right size",
        )
        refuse("", wanted, found, way_out)
    return fitting[0]


# --- parsing ---


@dataclass(frozen=True)
class _Settings:
    """A call's arguments, positional ones by number and others by name."""

    arguments: list[Any]
    keywords: dict[str, Any]
    dimensions: int  # of its first argument

    def get(self, place: int, default: Any = None) -> Any:
        return self.arguments[place] if place < len(self.arguments) else default


class _Parser:
    """From the nodes of an exported program, in the order of computation, to a graph of entries."""

    def __init__(self, torch: Any, exported: Any, shape: tuple[int, ...]) -> None:
        self.torch, self.exported, self.shape = torch, exported, shape
        self.known: dict[str, Any] = {}  # what does not depend on the image: node -> tensor or number
        self.names: dict[int, str] = {}  # tensor, by identity -> the module's name for it
        self.constants: dict[Hashable, Constant] = {}
        self.entries: list[Entry] = []
        self.images: list[Image] = []

    def graph(self) -> Graph:
        """All nodes."""
        outputs: list[Hashable] = []
        owners = self._owners()
        for node in self.exported.graph.nodes:
            if node.op == "placeholder" and node.name in owners:
                self.known[node.name] = tensor = owners[node.name][1].detach()
                self.names[id(tensor)] = owners[node.name][0]
            elif node.op == "placeholder":
                self.images.append(Image(node.name, node.name, [(self.shape[0], *self.shape[1:])]))
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                outputs = [item.name for item in self._nodes_in(node.args)]
        if len(self.images) != 1:
            refuse("inputs", "one input, the image", f"{len(self.images)}", "export the network alone")
        return Graph("PyTorch", self.images[0], self.entries, TABLE, self.constants, outputs)

    def _owners(self) -> dict[str, tuple[str, Any]]:
        """Placeholder -> name and tensor of the parameter, buffer or constant behind it."""
        signature = self.exported.graph_signature
        stored = {**self.exported.state_dict, **self.exported.constants}
        owners = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        return {place: (name, stored[name]) for place, name in owners.items()}

    def _nodes_in(self, value: Any) -> Iterator[Any]:
        if isinstance(value, self.torch.fx.Node):
            yield value
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from self._nodes_in(item)

    def _value(self, argument: Any) -> Any:
        """An argument with what is known in it; nodes that depend on the image stay."""
        if isinstance(argument, self.torch.fx.Node):
            return self.known.get(argument.name, argument)
        if isinstance(argument, (list, tuple)):
            return [self._value(item) for item in argument]
        return argument

    def _call(self, node: Any) -> None:
        arguments = [self._value(a) for a in node.args]
        keywords = {key: self._value(value) for key, value in node.kwargs.items()}
        moving = list(self._nodes_in([*arguments, *keywords.values()]))
        if not moving:
            with self.torch.no_grad():
                self.known[node.name] = node.target(*arguments, **keywords)
            return
        kind = str(getattr(node.target, "_opname", None) or getattr(node.target, "__name__", node.target))
        places = _INPUTS.get(kind, (0,)) if kind in TABLE else ()
        inputs = tuple(self._key(node.name, place, arguments) for place in places) or tuple(n.name for n in moving)
        meta = moving[0].meta.get("val")
        settings = _Settings(arguments, keywords, getattr(meta, "ndim", 0))
        self.entries.append(Entry(kind, str(node.name), inputs, node.name, settings))

    def _key(self, name: str, place: int, arguments: Sequence[Any]) -> Hashable:
        """The key of one argument: of the node that computes it, or of a constant."""
        argument = arguments[place] if place < len(arguments) else None
        if isinstance(argument, self.torch.fx.Node):
            return str(argument.name)
        key = (name, place)
        array = argument.cpu().double().numpy() if isinstance(argument, self.torch.Tensor) else argument
        self.constants[key] = Constant.of(self.names.get(id(argument), ""), array)
        return key


#: Which arguments are the inputs of the canonical operator, where it is not the first alone.
_INPUTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys("add add_ sub sub_ mul mul_ div div_ matmul mm".split(), (0, 1)),
    "rsub": (1, 0),
    "conv2d": (0, 1, 2),
    "linear": (0, 1, 2),
    "prelu": (0, 1),
    "addmm": (1, 2, 0),
    "batch_norm": (0, 1, 2, 3, 4),
}


# --- operators ---


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (list, tuple)):
        return (int(value[0]), int(value[-1]))
    return int(value), int(value)


def _conv(entry: Entry) -> Node:
    s: _Settings = entry.settings
    padding = s.get(4, [0, 0])
    if isinstance(padding, str):
        pads: Any = "same_upper" if padding == "same" else (0, 0, 0, 0)
    else:
        pads = (*_pair(padding), *_pair(padding))
    strides, dilations = _pair(s.get(3, 1)), _pair(s.get(5, 1))
    return Node("conv", pads=pads, strides=strides, dilations=dilations, groups=s.get(6, 1))


def _pool(kind: str, ceil_at: int) -> Translation:
    def translate(entry: Entry) -> Node:
        s: _Settings = entry.settings
        window = _pair(s.get(1))
        strides = _pair(s.get(2)) if s.get(2) not in ([], None) else window
        pads, dilations = _pair(s.get(3, 0)), _pair(s.get(4, 1)) if kind == "max" else (1, 1)
        if kind == "average" and s.get(6) not in (None, 4):
            refuse(entry.where, "a mean of four values", f"a divisor of {s.get(6)}", "leave divisor_override out")
        ceil = bool(s.get(ceil_at, False))
        return Node(
            "pool", kind=kind, window=window, strides=strides, pads=(*pads, *pads), dilations=dilations, ceil=ceil
        )

    return translate


def _adaptive(kind: str) -> Translation:
    return lambda entry: Node("adaptive_pool", kind=kind, size=_pair(entry.settings.get(1)))


def _batch_norm(entry: Entry) -> Node:
    return Node("batch_norm", epsilon=entry.settings.get(7), training=bool(entry.settings.get(5)))


def _with_factor(op: str) -> Translation:
    return lambda entry: Node(op, factor=entry.settings.keywords.get("alpha", 1))


def _div(entry: Entry) -> Node:
    if entry.settings.keywords.get("rounding_mode"):
        refuse(entry.where, "a division of the maps by a number", "another division", "this is no LeNet")
    return Node("divide")


def _pow(entry: Entry) -> Node:
    exponent = entry.settings.get(1)
    return Node("power", exponent=exponent if isinstance(exponent, (int, float)) else 0)


def _leaky_relu(entry: Entry) -> Node:
    s: _Settings = entry.settings
    return Node("curve", kind="leaky_relu", slope=float(s.get(1, s.keywords.get("negative_slope", 0.01))))


def _reduced(op: str) -> Translation:
    def translate(entry: Entry) -> Node:
        s: _Settings = entry.settings
        axes, keep = s.get(1, s.keywords.get("dim")), s.get(2, s.keywords.get("keepdim", False))
        axes = [axes] if isinstance(axes, int) else axes
        return Node(op, axes=axes or None, keep=bool(keep))

    return translate


def _flatten(entry: Entry) -> Node:
    return Node("flatten", start=entry.settings.get(1, 0), end=entry.settings.get(2, -1))


def _squeeze(entry: Entry) -> Node:
    axes = entry.settings.get(1)
    axes = [axes] if isinstance(axes, int) else axes
    return Node("squeeze", axes=axes, lenient=axes is not None)


def _pad(entry: Entry) -> Node:
    """Widths lie from the last axis to the first that has any."""
    s: _Settings = entry.settings
    is_general = entry.kind == "pad"
    pads, mode, value = s.get(1, []), s.get(2, "constant") if is_general else "constant", s.get(3 if is_general else 2)
    widths = [(pads[i], pads[i + 1]) for i in range(len(pads) - 2, -1, -2)]
    return Node(
        "pad", widths=[(0, 0)] * (s.dimensions - len(widths)) + widths, value=float(value or 0.0), mode=str(mode)
    )


def _item(entry: Entry) -> Node:
    if entry.settings.get(1) != 0:
        refuse(entry.where, "the first of several outputs", f"number {entry.settings.get(1)}", "leave the others out")
    return Node("identity")


def _sized(op: str, name: str, place: int = 1) -> Translation:
    """An operator whose one setting is an argument."""
    return lambda entry: Node(op, **{name: entry.settings.get(place)})


_VIEWS = ("view", "reshape", "_unsafe_view")
_IDENTITIES = (
    "dropout dropout_ feature_dropout alpha_dropout contiguous clone detach alias to _to_copy identity lift_fresh_copy"
).split()

TABLE: dict[str, Translation] = {
    "conv2d": _conv,
    "max_pool2d": _pool("max", 5),
    "max_pool2d_with_indices": _pool("max", 5),
    "avg_pool2d": _pool("average", 4),
    "adaptive_avg_pool2d": _adaptive("average"),
    "adaptive_max_pool2d": _adaptive("max"),
    "mean": _reduced("mean"),
    "sum": _reduced("sum"),
    "linear": always("dense"),
    "addmm": always("dense", axes="IO"),
    "matmul": always("matmul"),
    "mm": always("matmul"),
    "batch_norm": _batch_norm,
    **dict.fromkeys(("add", "add_"), _with_factor("add")),
    **dict.fromkeys(("sub", "sub_", "rsub"), _with_factor("subtract")),
    **dict.fromkeys(("mul", "mul_"), always("multiply")),
    **dict.fromkeys(("div", "div_"), _div),
    "neg": always("negate"),
    "pow": _pow,
    "square": always("square"),
    **dict.fromkeys(("tanh", "tanh_"), always("curve", kind="tanh")),
    **dict.fromkeys(("sigmoid", "sigmoid_"), always("curve", kind="sigmoid")),
    **dict.fromkeys(("relu", "relu_"), always("curve", kind="relu")),
    **dict.fromkeys(("leaky_relu", "leaky_relu_"), _leaky_relu),
    "prelu": always("curve", kind="leaky_relu", slope=None),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _sized("softmax", "axis")),
    "argmax": always("label", kind="argmax"),
    "argmin": always("label", kind="argmin"),
    **dict.fromkeys(_VIEWS, _sized("reshape", "shape")),
    "flatten": _flatten,
    "squeeze": _squeeze,
    "unsqueeze": lambda entry: Node("unsqueeze", axes=[entry.settings.get(1)]),
    "permute": _sized("transpose", "axes"),
    "transpose": lambda entry: Node("swap_axes", one=entry.settings.get(1), other=entry.settings.get(2)),
    "pad": _pad,
    "constant_pad_nd": _pad,
    "getitem": _item,
    **dict.fromkeys(_IDENTITIES, always("identity")),
}
