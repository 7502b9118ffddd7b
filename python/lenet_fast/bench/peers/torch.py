"""PyTorch: eager, as frozen TorchScript, and compiled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ...model import Model
from ...operations import Affine, Array, Conv, Curve, Dense, Distances, Flatten, Operation, Pool, Softmax
from ...tensors import Floats
from . import Way, writings


class _Distances(nn.Module):
    def __init__(self, distances: Distances) -> None:
        super().__init__()
        self.product, self.square = (_module(dense) for dense in distances.expanded())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(x) + self.square(x * x)  # type: ignore[no-any-return]


class _Affine(nn.Module):
    def __init__(self, affine: Affine) -> None:
        super().__init__()
        self.scale, self.shift = (_tensor(v.reshape(-1, 1, 1) if v.ndim else v) for v in (affine.scale, affine.shift))
        self.shifts = bool(affine.shift.any())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.shift if self.shifts else x * self.scale


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(values, np.float32))


def _module(operation: Operation) -> nn.Module:
    match operation:
        case Conv(weight, bias, padding, stride, groups):
            maps, inputs, size = len(weight), weight.shape[1] * groups, weight.shape[2]
            return _with(nn.Conv2d(inputs, maps, size, stride, padding, groups=groups), weight, bias)
        case Dense(weight, bias):
            return _with(nn.Linear(weight.shape[1], weight.shape[0]), weight, bias)
        case Pool(kind):
            return nn.AvgPool2d(2) if kind == "average" else nn.MaxPool2d(2)
        case Curve("leaky_relu", slope):
            return nn.LeakyReLU(slope)
        case Curve(kind):
            return {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}[kind]()
        case Affine():
            return _Affine(operation)
        case Flatten():
            return nn.Flatten()
        case Distances():
            return _Distances(operation)
        case Softmax():
            return nn.Softmax(dim=1)


def _with(module: Any, weight: Array, bias: Array) -> nn.Module:
    module.weight.data, module.bias.data = _tensor(weight), _tensor(bias)
    return module  # type: ignore[no-any-return]


def _network(operations: Sequence[Operation]) -> nn.Module:
    return nn.Sequential(*map(_module, operations)).eval().requires_grad_(False)


def _way(name: str, module: Callable[[torch.Tensor], torch.Tensor]) -> Way:
    def run(images: torch.Tensor) -> Floats:
        with torch.inference_mode():
            return module(images).numpy()

    return Way(name, run, torch.from_numpy)


def ways(model: Model, threads: int, batch: int) -> Iterator[Way]:
    """Eager and TorchScript in both writings; compiled, which takes seconds each time, in the one with less to do."""
    torch.set_num_threads(threads)
    example = torch.zeros(batch, *model.network.input)
    modules = {name: _network(operations) for name, operations in writings(model)}
    for name, module in modules.items():
        yield _way(f"eager, {name}", module)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # TorchScript says of itself that it is deprecated
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, example)))  # type: ignore[no-untyped-call]
        yield _way(f"TorchScript, {name}", frozen)
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler uses TorchScript
        compiled = torch.compile(list(modules.values())[-1], dynamic=False)
    yield _way("compiled", compiled)
