"""A model as the fewest elementary operations, since a peer runs at its best.

Every constant that can move into a neighbour's weights does: slope and amplitude of the squashing function, coefficient
and bias of a trainable subsampling, which becomes a 2x2 convolution of single maps with stride 2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...model import Model
from ...operations import Affine, Conv, Dense, Distances, Flatten, Operation, Pool, plain


def folded(model: Model) -> list[Operation]:
    """The fewest operations: an `Affine` joins the weights of a neighbour wherever it can."""
    operations: list[Operation] = []
    waiting: Affine | None = None  # what still has to happen to the last output
    for operation in plain(model):
        if isinstance(operation, Affine):
            waiting = waiting.then(operation) if waiting else operation
            if operations and (joined := _behind(operations[-1], waiting)):
                operations[-1], waiting = joined, None
            continue
        if waiting and not _commutes(operation, waiting):
            if joined := _before(operation, waiting):
                operation = joined
            else:
                operations.append(waiting)
            waiting = None
        operations.append(operation)
    return operations + ([waiting] if waiting else [])


def _commutes(operation: Operation, affine: Affine) -> bool:
    """Whether the affine may as well come behind."""
    if isinstance(operation, Flatten):
        return affine.scale.ndim == 0 and affine.shift.ndim == 0
    return isinstance(operation, Pool) and (operation.kind == "average" or bool(np.all(affine.scale > 0)))


def _behind(operation: Operation, affine: Affine) -> Operation | None:
    """One operation for the two, the affine last."""
    if isinstance(operation, (Conv, Dense)):
        scale = np.broadcast_to(affine.scale, operation.bias.shape)
        weight = operation.weight * scale.reshape(-1, *[1] * (operation.weight.ndim - 1))
        return replace(operation, weight=weight, bias=operation.bias * scale + affine.shift)
    if operation == Pool("average") and affine.scale.ndim:
        weight = np.broadcast_to(affine.scale[:, None, None, None] / 4, (len(affine.scale), 1, 2, 2))
        return Conv(weight, affine.shift, stride=2, groups=len(affine.scale))
    return None


def _before(operation: Operation, affine: Affine) -> Operation | None:
    """One operation for the two, the affine first, where it is a plain factor."""
    if affine.scale.ndim or affine.shift.any():
        return None
    if isinstance(operation, (Conv, Dense)):
        return replace(operation, weight=operation.weight * affine.scale)
    if isinstance(operation, Distances):
        return replace(operation, amplitude=operation.amplitude * float(affine.scale))
    return None
