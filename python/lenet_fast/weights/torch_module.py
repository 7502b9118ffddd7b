"""Live PyTorch modules: traced by torch.export, whose operators of ATen are followed like those of any other graph."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..errors import WeightsError
from .source import Source
from .trace import Flow, Trace, refuse

Value: TypeAlias = Any  # a Flow, a tensor, a number or None

_CURVES = {
    "relu": "relu",
    "relu_": "relu",
    "tanh": "tanh",
    "tanh_": "tanh",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
}
_IDENTITIES = (
    "dropout", "dropout_", "feature_dropout", "alpha_dropout", "contiguous", "clone",
    "detach", "alias", "to", "_to_copy", "identity", "lift_fresh_copy",
)  # fmt: skip


def read_module(module: Any, example: Any = None) -> tuple[Source, Any]:
    """Return what a module computes, and the example image that it was traced with."""
    import torch

    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"module: wanted a torch.nn.Module, found {type(module).__name__}; from_state_dict reads mappings"
        )
    still = copy.deepcopy(module).eval().cpu()
    still = still.float() if any(p.dtype in (torch.float16, torch.bfloat16) for p in still.parameters()) else still
    example = _example(still) if example is None else torch.as_tensor(example).cpu()[:1]
    try:
        exported = torch.export.export(still, (example,))
    except Exception as error:  # whatever a module's own code and the tracer raise
        first = str(error).strip().split("\n")[0][:300]
        raise WeightsError(
            f"{type(module).__name__}: wanted a module that torch.export can trace, found one that it cannot "
            f"({first}); pass "
            "example=, one image as the module takes it, or save its state dict and load that with network="
        ) from error
    walk = _Walk(torch, exported)
    walk.follow(tuple(example.shape))
    return Source("PyTorch module", trace=walk.trace), example


def _example(module: Any) -> Any:
    """One image of zeros of the size that the module takes: 28 or 32."""
    import torch

    first = next((m for m in module.modules() if isinstance(m, torch.nn.Conv2d)), None)
    if first is None:
        refuse(
            type(module).__name__,
            "at least one 5x5 convolution",
            "no nn.Conv2d",
            "if it convolves with functions, pass example=, one image of the right size",
        )
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
        refuse(
            type(module).__name__,
            "a module that takes images of 28x28 or of 32x32",
            "one that takes both" if fitting else "one that takes neither",
            "pass example=, one image of the right size",
        )
    return fitting[0]


class _Walk:
    """The nodes of an exported program, in the order of computation."""

    def __init__(self, torch: Any, exported: Any) -> None:
        self.torch, self.exported = torch, exported
        self.trace = Trace()
        self.values: dict[str, Value] = {}
        self.names: dict[int, str] = {}

    def follow(self, shape: tuple[int, ...]) -> None:
        """Trace everything from the image to the output."""
        signature = self.exported.graph_signature
        stored = {**self.exported.state_dict, **self.exported.constants}
        owners = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.trace.batch = shape[0]
        for node in self.exported.graph.nodes:
            if node.op == "placeholder" and node.name in owners:
                self.values[node.name] = stored[owners[node.name]].detach()
                self.names[id(self.values[node.name])] = owners[node.name]
            elif node.op == "placeholder":
                self.values[node.name] = self.trace.image((1, *shape[1:]), node.name)
            elif node.op == "call_function":
                self.values[node.name] = self._call(node)

    def _value(self, argument: Any) -> Value:
        if isinstance(argument, self.torch.fx.Node):
            return self.values[argument.name]
        if isinstance(argument, (list, tuple)):
            return [self._value(item) for item in argument]
        return argument

    def _call(self, node: Any) -> Value:
        arguments = [self._value(a) for a in node.args]
        keywords = {key: self._value(value) for key, value in node.kwargs.items()}
        op = getattr(node.target, "_opname", None) or getattr(node.target, "__name__", str(node.target))
        flows = [a for a in arguments if isinstance(a, Flow)]
        if op == "getitem":
            return arguments[0] if isinstance(arguments[0], Flow) else arguments[0][arguments[1]]
        if not flows and not any(isinstance(i, Flow) for a in arguments if isinstance(a, list) for i in a):
            with self.torch.no_grad():
                return node.target(*arguments, **keywords)
        where = str(node.name)
        if not flows:
            refuse(
                where,
                "layers in one row",
                f"{op}, which joins branches",
                "residual and branching graphs are not supported",
            )
        if op in _IDENTITIES:
            return flows[0]
        if op in _CURVES:
            return self.trace.curve(flows[0], _CURVES[op], where)
        method: Callable[..., Value] | None = getattr(self, f"_op_{op}", None)
        if method is None:
            refuse(
                where,
                "an operation of the LeNet family",
                str(op),
                "use a general runtime, or export the part that is a LeNet",
            )
        if len(flows) > 1 and not (op == "mul" and flows[0] is flows[1]):
            refuse(
                where,
                "layers in one row",
                f"{op}, which joins branches",
                "residual and branching graphs are not supported",
            )
        return method(arguments, keywords, where)

    def _array(self, value: Any) -> Any:
        return value.cpu().double().numpy() if isinstance(value, self.torch.Tensor) else value

    def _tensors(self, values: Sequence[Any]) -> tuple[str, ...]:
        return tuple(self.names[id(v)] for v in values if id(v) in self.names)

    def _op_conv2d(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        x, weight, bias, stride, padding, dilation, groups = _filled(a, (None, None, None, [1, 1], [0, 0], [1, 1], 1))
        rows = _pair(padding) if not isinstance(padding, str) else None
        pads = (
            (*rows, *rows)
            if rows
            else ((2, 2, 2, 2) if padding == "same" and tuple(weight.shape[2:]) == (5, 5) else (0, 0, 0, 0))
        )
        return self.trace.conv(
            x, self._array(weight), self._array(bias), where, pads=pads, strides=_pair(stride),
            dilations=_pair(dilation), groups=groups, tensors=self._tensors([weight, bias]),
        )  # fmt: skip

    def _op_linear(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        x, weight, bias = _filled(a, (None, None, None))
        return self.trace.dense(x, self._array(weight), self._array(bias), where, self._tensors([weight, bias]))

    def _op_matmul(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        if not isinstance(a[0], Flow):
            refuse(where, "images times weights", "weights times images", "transpose the product")
        return self.trace.dense(a[0], self._array(a[1]).T, None, where, self._tensors(a[1:]))

    _op_mm = _op_matmul

    def _op_addmm(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.dense(a[1], self._array(a[2]).T, self._array(a[0]), where, self._tensors([a[2], a[0]]))

    def _pool(self, kind: str, a: list[Any], where: str, ceil_at: int) -> Flow:
        window = _pair(a[1])
        strides = _pair(a[2]) if len(a) > 2 and a[2] not in ([], None) else window
        pads = _pair(a[3]) if len(a) > 3 else (0, 0)
        ceil = bool(a[ceil_at]) if len(a) > ceil_at else False
        if kind == "max" and len(a) > 4 and _pair(a[4]) != (1, 1):
            refuse(where, "no dilation", f"{a[4]}", "dilated pooling is not supported")
        return self.trace.pool(a[0], kind, where, window=window, strides=strides, pads=(*pads, *pads), ceil=ceil)

    def _op_max_pool2d(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self._pool("max", a, where, 5)

    _op_max_pool2d_with_indices = _op_max_pool2d

    def _op_avg_pool2d(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        if len(a) > 6 and a[6] not in (None, 4):
            refuse(where, "a mean of four values", f"a divisor of {a[6]}", "leave divisor_override out")
        return self._pool("average", a, where, 4)

    def _adaptive(self, kind: str, a: list[Any], where: str) -> Flow:
        size, wanted = a[0].shape[-2:], _pair(a[1])
        if tuple(wanted) == tuple(size):
            return a[0]  # type: ignore[no-any-return]
        if any(n != 2 * m for n, m in zip(size, wanted, strict=True)):
            refuse(
                where,
                "2x2 windows with stride 2",
                f"adaptive pooling of {size} to {wanted}",
                "global and adaptive pooling are not supported",
            )
        return self.trace.pool(a[0], kind, where)

    def _op_adaptive_avg_pool2d(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self._adaptive("average", a, where)

    def _op_adaptive_max_pool2d(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self._adaptive("max", a, where)

    def _op_batch_norm(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        x, gamma, beta, mean, variance, training, _, epsilon = a[:8]
        if mean is None or training:
            refuse(
                where,
                "batch normalisation with stored statistics",
                "one that computes them",
                "track_running_stats=True",
            )
        scale = (1.0 if gamma is None else self._array(gamma)) / np.sqrt(self._array(variance) + epsilon)
        shift = (0.0 if beta is None else self._array(beta)) - self._array(mean) * scale
        axes = (-1, *[1] * (len(x.shape) - 2))
        return self.trace.affine(
            x, scale.reshape(axes), shift.reshape(axes), where, self._tensors([gamma, beta, mean, variance])
        )

    def _op_add(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        flow, other = self._pair_of(a)
        return self.trace.affine(flow, 1.0, other * k.get("alpha", 1), where, self._tensors(a))

    _op_add_ = _op_add

    def _op_sub(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        flow, other = self._pair_of(a)
        other = other * k.get("alpha", 1)
        if math.prod(np.broadcast_shapes(flow.shape, other.shape)) > flow.index.size:
            return self.trace.difference(flow, other, where)
        sign = 1.0 if a[0] is flow else -1.0
        return self.trace.affine(flow, sign, -sign * other, where, self._tensors(a))

    def _op_rsub(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self._op_sub([a[1], a[0]], k, where)

    def _op_mul(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        if a[0] is a[1]:
            return self._op_pow([a[0], 2], k, where)
        flow, other = self._pair_of(a)
        return self.trace.affine(flow, other, 0.0, where, self._tensors(a))

    _op_mul_ = _op_mul

    def _op_div(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        if not isinstance(a[0], Flow) or k.get("rounding_mode"):
            refuse(where, "a division of the maps by a number", "another division", "this is no LeNet")
        return self.trace.affine(a[0], 1 / np.asarray(self._array(a[1]), np.float64), 0.0, where, self._tensors(a))

    def _op_neg(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.affine(a[0], -1.0, 0.0, where)

    def _op_pow(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        flow = a[0]
        if not isinstance(flow, Flow) or flow.codes is None or flow.squared or a[1] != 2:
            refuse(where, "an operation of the LeNet family", "a power", "use a general runtime for this network")
        return Flow(flow.index, flow.stage, flow.fill, flow.codes, squared=True)

    def _op_square(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self._op_pow([a[0], 2], k, where)

    def _op_sum(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        axes = [axis % a[0].index.ndim for axis in (a[1] if len(a) > 1 else k.get("dim", []))]
        return self.trace.distances(a[0], axes, where)

    def _op_mean(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.mean(a[0], a[1], bool(a[2]) if len(a) > 2 else False, where)

    def _pair_of(self, a: list[Any]) -> tuple[Flow, Any]:
        flow, other = (a[0], a[1]) if isinstance(a[0], Flow) else (a[1], a[0])
        return flow, np.asarray(self._array(other), np.float64)

    def _op_softmax(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.softmax(a[0], a[1], where)

    _op__softmax = _op_log_softmax = _op__log_softmax = _op_softmax

    def _op_argmax(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.decide(a[0], "argmax", where)

    def _op_argmin(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.decide(a[0], "argmin", where)

    def _op_view(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self.trace.reshape(a[0], a[1], where)

    _op_reshape = _op__unsafe_view = _op_view

    def _op_flatten(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        x, start, end = _filled(a, (None, 0, -1))
        shape, last = list(x.shape), end % len(x.shape)
        return self.trace.reshape(x, [*shape[:start], math.prod(shape[start : last + 1]), *shape[last + 1 :]], where)

    def _op_squeeze(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        axes = np.atleast_1d(a[1]).tolist() if len(a) > 1 else range(a[0].index.ndim)
        axes = tuple(axis for axis in axes if a[0].shape[axis] == 1)
        return a[0].rearranged(a[0].index.squeeze(axes))  # type: ignore[no-any-return]

    def _op_unsqueeze(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return a[0].rearranged(np.expand_dims(a[0].index, a[1]))  # type: ignore[no-any-return]

    def _op_permute(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return a[0].rearranged(a[0].index.transpose(a[1]))  # type: ignore[no-any-return]

    def _op_transpose(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return a[0].rearranged(a[0].index.swapaxes(a[1], a[2]))  # type: ignore[no-any-return]

    def _op_pad(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        x, pads, mode, value = _filled(a, (None, [], "constant", None))
        if mode != "constant":
            refuse(where, "padding with a constant", str(mode), "pad with zeros")
        widths = [(0, 0)] * (x.index.ndim - len(pads) // 2) + [
            (pads[i], pads[i + 1]) for i in range(len(pads) - 2, -1, -2)
        ]
        return self.trace.pad(x, widths, float(value or 0.0), where)

    def _op_constant_pad_nd(self, a: list[Any], k: dict[str, Any], where: str) -> Flow:
        return self._op_pad([a[0], a[1], "constant", a[2] if len(a) > 2 else 0.0], k, where)


def _filled(arguments: Sequence[Any], defaults: Sequence[Any]) -> list[Any]:
    return [*arguments, *defaults[len(arguments) :]]


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (list, tuple)):
        return (int(value[0]), int(value[-1]))
    return int(value), int(value)
