"""The networks of the family that have names."""

from __future__ import annotations

from .network import RBF, Conv5x5, Dense, Network, Subsample2x2

#: Which S2 maps feed each C3 map (Table I of the 1998 paper): neighbours wrap round.
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def _lenet5_1998() -> Network:
    squash = "scaled_tanh"
    layers = (
        Conv5x5(6, squash),
        Subsample2x2("trainable", squash),
        Conv5x5(16, squash, connections=C3_TABLE),
        Subsample2x2("trainable", squash),
        Conv5x5(120, squash),
        Dense(84, squash),
        RBF(10),
    )
    return Network((1, 32, 32), layers, "rbf")


def _modern(channels: int, activation: str, pooling: str, head: str) -> Network:
    layers = (
        Conv5x5(6, activation),
        Subsample2x2(pooling),
        Conv5x5(16, activation),
        Subsample2x2(pooling),
        Dense(120, activation),
        Dense(84, activation),
        Dense(10),
    )
    return Network((channels, 32, 32), layers, head)


def networks() -> dict[str, Network]:
    """Return the named networks of the family.

    `lenet5-1998` is the paper's; `lenet5-tanh-average` the 62,006-parameter Keras variant for 3x32x32 images;
    `lenet5-relu-max` the usual PyTorch variant for 1x32x32.

    Examples
    --------
    >>> sorted(lenet_fast.networks())
    ['lenet5-1998', 'lenet5-relu-max', 'lenet5-tanh-average']
    """
    return {
        "lenet5-1998": _lenet5_1998(),
        "lenet5-tanh-average": _modern(3, "tanh", "average", "softmax"),
        "lenet5-relu-max": _modern(1, "relu", "max", "scores"),
    }
