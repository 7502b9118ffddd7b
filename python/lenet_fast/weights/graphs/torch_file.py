"""PyTorch files: weights, and whatever else they say.

A whole module that is a Sequential of torch.nn's layers is a graph: layers in the order in which they compute, with all
of their settings. Any other module has its order in its class's code, which is not in the file; so it gives its tensors
and what its layers say (`torch_layers`), as TorchScript gives what its code calls (`torch_code`), and a checkpoint the
settings in its dictionary (`settings`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...budget import charge
from ...errors import OverBudgetError, WeightsError, whole
from .. import settings
from ..arrays import pickled_arrays, pytorch, torch_code, torch_layers
from ..arrays.pickled import Call
from ..files import Archive, File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.trace import Trace
from ..graph.walker import MOST_ENTRIES, SIDES, follow
from ..mapping.relevant import relevant
from ..source import TORCH, Source

_DEEPEST = 8  # of Sequentials inside each other
#: Attributes of a module that change what it computes.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def read_archive(file: File, archive: Archive) -> Source:
    """Read a zip archive: a state dict, a checkpoint, a whole module or TorchScript."""
    with whole("a PyTorch archive"):
        if any("/code/" in name for name in archive.names):
            tensors = pytorch.opened(archive).tensors()
            return Source("TorchScript", tensors, TORCH, said=[torch_code.said_in(archive)])
        return _read(file, pytorch.opened(archive))


def read_legacy(file: File) -> Source:
    """Read a file of the older layout."""
    with whole("a PyTorch file"):
        return _read(file, pytorch.opened_legacy(file))


def _read(file: File, saved: pytorch.Saved) -> Source:
    said = [settings.said_in(saved.tree, "in its dictionary"), *settings.beside(file)]
    trace = _trace(saved)
    if trace is not None:
        return Source("PyTorch module", trace=trace, said=said)
    return Source("PyTorch", saved.tensors(), TORCH, said=[torch_layers.said_in(saved.tree), *said])


# --- a Sequential as a graph ---


@dataclass(frozen=True)
class _Settings:
    """A layer's attributes, and its arrays by name."""

    name: str
    state: Mapping[Any, Any]
    arrays: Mapping[str, NDArray[Any] | None]

    def get(self, key: str, default: Any = None) -> Any:
        return self.state.get(key, default)

    def constants(self, *names: str) -> list[Constant | None]:
        """The arrays of these names; None for those that the layer does not have."""
        arrays = [(name, self.arrays.get(name)) for name in names]
        return [None if array is None else Constant.of(f"{self.name}.{name}", array) for name, array in arrays]


def _trace(saved: pytorch.Saved) -> Trace | None:
    """What a Sequential computes, if a file holds just one, of layers that are known, and one size of images fits."""
    module = _sequential(saved)
    layers = [] if module is None else _layers(module, "", saved.tensor, 0)
    kernels = [s.arrays.get("weight") for kind, s in layers or () if kind == "Conv2d"]
    if not layers or not kernels or kernels[0] is None or kernels[0].ndim != 4:
        return None
    entries = [Entry(kind, s.name, (n,), n + 1, s) for n, (kind, s) in enumerate(layers)]
    found = []
    for side in SIDES:
        image = Image(0, "input", [(1, kernels[0].shape[1], side, side)])
        try:
            found.append(follow(Graph("PyTorch", image, entries, TABLE, must_end_in_scores=True)))
        except OverBudgetError:
            raise
        except WeightsError:
            continue
    return found[0] if len(found) == 1 else None


def _sequential(saved: pytorch.Saved) -> Call | None:
    """The module in a file, or in a checkpoint's dictionary that holds one and no other weights."""
    tree = saved.tree
    if isinstance(tree, dict):
        modules = [value for value in tree.values() if isinstance(value, Call) and _is_module(value)]
        if len(modules) != 1:
            return None
        others = {key: value for key, value in tree.items() if value is not modules[0]}
        if relevant(pickled_arrays.named(others, saved.tensor)):
            return None
        tree = modules[0]
    is_one = isinstance(tree, Call) and tree.path == f"{torch_layers.MODULES}container.Sequential"
    return tree if is_one else None


def _is_module(value: Call) -> bool:
    return isinstance(value.state, dict) and "_modules" in value.state


def _layers(
    module: Call, name: str, tensor: Callable[[Any], NDArray[Any] | None], depth: int
) -> list[tuple[str, _Settings]] | None:
    """The layers of a Sequential in order, those of Sequentials in it too; None if one of them is not known."""
    state = module.state
    if depth > _DEEPEST or not isinstance(state, dict) or _is_hooked(state):
        return None
    found: list[tuple[str, _Settings]] = []
    for key, child in _items(state.get("_modules")).items():
        charge("visits", 20)
        path = child.path if isinstance(child, Call) else ""
        kind, where = path.removeprefix(torch_layers.MODULES).rpartition(".")[2], f"{name}.{key}".strip(".")
        if kind == "Sequential" and path.startswith(torch_layers.MODULES):
            inside = _layers(child, where, tensor, depth + 1)
        else:
            is_known = path.startswith(torch_layers.MODULES) and kind in TABLE
            own = _settings(child, where, tensor) if is_known else None
            inside = None if own is None else [(kind, own)]
        if inside is None or len(found) + len(inside) > MOST_ENTRIES:
            return None
        found += inside
    return found


def _settings(layer: Call, name: str, tensor: Callable[[Any], NDArray[Any] | None]) -> _Settings | None:
    """A layer's own; None where it does something beside."""
    state = layer.state
    if not isinstance(state, dict) or "forward" in state or _is_hooked(state):
        return None
    if _items(state.get("_modules")) or state.get("padding_mode", "zeros") != "zeros":
        return None
    stored = {**_items(state.get("_parameters")), **_items(state.get("_buffers"))}
    arrays = {key: None if value is None else tensor(value) for key, value in stored.items()}
    is_whole = all(arrays[key] is not None for key, value in stored.items() if value is not None)
    return _Settings(name, state, arrays) if is_whole else None


def _is_hooked(state: Mapping[Any, Any]) -> bool:
    """Whether functions are called before or behind a module's own; they are kept under numbers."""
    kept = [state.get(name) for name in _HOOKS]
    return any(any(True for _ in pickled_arrays.children(hooks)) for hooks in kept if isinstance(hooks, (dict, Call)))


def _items(value: Any) -> dict[str, Any]:
    """What a dictionary in a pickle holds under names; whatever else may be a key is not hashed."""
    pairs = pickled_arrays.children(value) if isinstance(value, (dict, Call)) else ()
    return {key: item for key, item in pairs if isinstance(key, str)}


# --- layers ---


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (list, tuple)):
        one, other = value
        return int(one), int(other)
    return int(value), int(value)


def _conv(entry: Entry) -> Node:
    s: _Settings = entry.settings
    padding = s.get("padding", 0)
    if isinstance(padding, str):
        pads: Any = "same_upper" if padding == "same" else (0, 0, 0, 0)
    else:
        pads = (*_pair(padding), *_pair(padding))
    windows = {"strides": _pair(s.get("stride", 1)), "dilations": _pair(s.get("dilation", 1))}
    return Node("conv", *s.constants("weight", "bias"), pads=pads, groups=int(s.get("groups", 1)), **windows)


def _pool(entry: Entry) -> Node:
    s: _Settings = entry.settings
    window = _pair(s.get("kernel_size"))
    strides = window if s.get("stride") is None else _pair(s.get("stride"))
    pads, dilations = _pair(s.get("padding", 0)), _pair(s.get("dilation", 1))
    if s.get("divisor_override") not in (None, 4) or s.get("return_indices"):
        raise ValueError("a mean of another divisor, or indices beside the largest values")
    kind, ceil = "max" if entry.kind.startswith("Max") else "average", bool(s.get("ceil_mode", False))
    return Node("pool", kind=kind, window=window, strides=strides, pads=(*pads, *pads), dilations=dilations, ceil=ceil)


def _batch_norm(entry: Entry) -> Node:
    s: _Settings = entry.settings
    constants = s.constants("weight", "bias", "running_mean", "running_var")
    return Node("batch_norm", *constants, epsilon=s.get("eps", 1e-5), training=None in constants[2:])


def _leaky_relu(entry: Entry) -> Node:
    return Node("curve", kind="leaky_relu", slope=torch_layers.slope_of(entry.settings.state))


def _prelu(entry: Entry) -> Node:
    return Node("curve", *entry.settings.constants("weight"), kind="leaky_relu", slope=None)


def _flatten(entry: Entry) -> Node:
    return Node("flatten", start=int(entry.settings.get("start_dim", 1)), end=int(entry.settings.get("end_dim", -1)))


def _softmax(entry: Entry) -> Node:
    axis = entry.settings.get("dim")
    return Node("softmax", axis=1 if axis is None else int(axis))


def _zero_padding(entry: Entry) -> Node:
    left, right, top, bottom = map(int, entry.settings.get("padding"))
    return Node("pad", widths=[(0, 0), (0, 0), (top, bottom), (left, right)], value=0.0, mode="constant")


_IDENTITIES = "Identity Dropout Dropout1d Dropout2d AlphaDropout FeatureAlphaDropout".split()

TABLE: dict[str, Translation] = {
    "Conv2d": _conv,
    "MaxPool2d": _pool,
    "AvgPool2d": _pool,
    "AdaptiveAvgPool2d": lambda e: Node("adaptive_pool", kind="average", size=_pair(e.settings.get("output_size"))),
    "AdaptiveMaxPool2d": lambda e: Node("adaptive_pool", kind="max", size=_pair(e.settings.get("output_size"))),
    "Linear": lambda e: Node("dense", *e.settings.constants("weight", "bias")),
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "ReLU": always("curve", kind="relu"),
    "Tanh": always("curve", kind="tanh"),
    "Sigmoid": always("curve", kind="sigmoid"),
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Flatten": _flatten,
    "ZeroPad2d": _zero_padding,
    **dict.fromkeys(_IDENTITIES, always("identity")),
}
