"""The networks of the family that have names, and their variations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from .errors import ArgumentError, shown
from .network import RBF, Conv5x5, Dense, Layer, Network, Subsample2x2, sloped, whole_number, word

#: Which S2 maps feed each C3 map (Table I of the 1998 paper): neighbours wrap round.
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """What the named networks have in common: two stages of convolution and subsampling, then full connections.

    Parameters
    ----------
    channels, side
        Of the image.
    maps, units
        Of the two convolutions, and of the full connections before the output.
    activation, pooling
        One for all layers, "trainable" subsampling squashing too.
    slope
        Of "leaky_relu" below zero; None for other activations.
    padding
        Of the two convolutions.
    table
        Whether C3 has the paper's connection table.
    conv_activation
        Of the convolutions, where it is not that of the other layers.
    c5
        Whether the first full connection is written as a convolution.
    """

    channels: int = 1
    side: int = 32
    maps: tuple[int, int] = (6, 16)
    units: tuple[int, ...] = (120, 84)
    classes: int = 10
    activation: str = "relu"
    pooling: str = "max"
    padding: tuple[int, int] = (0, 0)
    head: str = "scores"
    table: bool = False
    conv_activation: str | None = None
    c5: bool = False
    slope: float | None = None

    def network(self) -> Network:
        """Return the network, every size settled."""
        sloped(self.activation, self.slope)  # refuses one that goes with no layer
        layers: list[Layer] = []
        pooled = self.activation if self.pooling == "trainable" else "identity"
        for i, (maps, padding) in enumerate(zip(self.maps, self.padding, strict=True)):
            connections = C3_TABLE if self.table and i == 1 else None
            activation = self.conv_activation or self.activation
            layers.append(Conv5x5(maps, activation, padding, connections, self._slope_of(activation)))
            layers.append(Subsample2x2(self.pooling, pooled, self._slope_of(pooled)))
        units = list(self.units)
        if self.c5:
            layers.append(Conv5x5(units.pop(0), self.activation, slope=self.slope))
        layers += [Dense(n, self.activation, self.slope) for n in units]
        layers.append(RBF(self.classes) if self.head == "rbf" else Dense(self.classes))
        return Network((self.channels, self.side, self.side), tuple(layers), self.head)

    def _slope_of(self, activation: str) -> float | None:
        return self.slope if activation == self.activation else None

    def varied(self, **overrides: Any) -> Template:
        """Return the template with other values for some fields; ValueError names a field that there is not."""
        known = [f.name for f in fields(self)]
        if unknown := sorted(set(overrides) - set(known)):
            raise ArgumentError("network", f"variations of {', '.join(known)}", f"{unknown[0]!r}")
        for name in ("activation", "pooling"):
            if name in overrides:
                overrides[name] = word(name, overrides[name])
        if "padding" in overrides:
            overrides["padding"] = _paddings(overrides["padding"])
        if "activation" in overrides:
            overrides.setdefault("conv_activation", None)
        return replace(self, **overrides)


def _paddings(value: Any) -> tuple[int, int]:
    """The padding of both convolutions: a number is the first one's, and then the second has none."""
    wanted = "a whole number, or one for each of the two convolutions"
    if isinstance(value, str):
        way_out = "'same' is 2 around a 5x5 convolution and 'valid' is 0"
        raise TypeError(f"padding: wanted {wanted}, found {shown(value)}; {way_out}")
    if not isinstance(value, (tuple, list)):
        return whole_number("padding", value), 0
    if len(value) != 2:
        raise ValueError(f"padding: wanted {wanted}, found {len(value)} in {shown(value)}; pass (2, 0), for example")
    return whole_number("padding", value[0]), whole_number("padding", value[1])


TEMPLATES = {
    "lenet1": Template(side=28, maps=(4, 12), units=(), activation="scaled_tanh", pooling="trainable"),
    "lenet4": Template(maps=(4, 16), units=(120,), activation="scaled_tanh", pooling="trainable"),
    "lenet5-1998": Template(activation="scaled_tanh", pooling="trainable", head="rbf", table=True, c5=True),
    "lenet5-tanh-average": Template(channels=3, activation="tanh", pooling="average", head="softmax"),
    "lenet5-relu-max": Template(),
    "lenet5-sigmoid-average": Template(side=28, activation="sigmoid", pooling="average", padding=(2, 0)),
    "caffe-20-50-500": Template(
        side=28, maps=(20, 50), units=(500,), conv_activation="identity", head="softmax"
    ),
}  # fmt: skip


def networks() -> dict[str, Network]:
    """Return the named networks of the family.

    `lenet5-1998` is the paper's; `lenet5-tanh-average` the 62,006-parameter Keras variant for 3x32x32 images;
    `lenet5-relu-max` the usual PyTorch variant for 1x32x32; `lenet5-sigmoid-average` the textbooks' for 28x28 with
    padding 2; `caffe-20-50-500` the one that came with Caffe. `lenet1` and `lenet4` have the sizes that the paper gives
    for them, with full connections between their maps. Named to `lenet_fast.load`, all but `lenet5-1998` take other
    sizes from the weights.

    Examples
    --------
    >>> sorted(lenet_fast.networks())[-3:]
    ['lenet5-relu-max', 'lenet5-sigmoid-average', 'lenet5-tanh-average']
    """
    return {name: template.network() for name, template in TEMPLATES.items()}


def template_named(name: str, names: Sequence[str] = tuple(TEMPLATES)) -> Template:
    """Return the template of a named network; ValueError lists the names."""
    if name not in names:
        raise ArgumentError("network", f"one of {', '.join(names)} or a lenet_fast.Network", f"{name!r}")
    return TEMPLATES[name]
