"""What a file says of its network beside the weights, and whether a network goes with it.

The layers of a pickled module, the operators in TorchScript's code and in the graph beside a TensorFlow checkpoint, the
settings in a checkpoint's dictionary or in a config.json: each reader notes the words that it finds, one table makes
them ours, and one check holds them against the network that the user names. Operators say which layers there are, and
not in which order they compute; settings are the trainer's own words for a network, as the keywords of `load` are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, TypeAlias

from ..errors import OpenQuestionError, refuse
from ..network import Conv5x5, Network, Subsample2x2
from ..operations import ACTIVATIONS

#: The way out where a layer or an operator has other windows.
WINDOWS = "only 5x5 convolutions with stride 1 and 2x2 pooling with stride 2 are supported"
_MOST_CURVES = 16
_CLOSE = 1e-6  # of a slope, which may have been a float32 on its way

#: Words of the field, in small letters and without what stands between them -> ours.
_CURVES = {
    "relu": "relu", "rectify": "relu", "rectifier": "relu", "tanh": "tanh", "hyperbolictangent": "tanh",
    "tansig": "tanh", "scaledtanh": "scaled_tanh", "lecuntanh": "scaled_tanh", "sigmoid": "sigmoid",
    "logistic": "sigmoid", "logsig": "sigmoid", "leakyrelu": "leaky_relu", "lrelu": "leaky_relu",
}  # fmt: skip
_POOLINGS = {
    **dict.fromkeys(("max", "maxpool", "maxpool2d", "maxpooling", "maxpooling2d", "maxpool2dwithindices"), "max"),
    **dict.fromkeys(("average", "avg", "mean", "averagepool", "avgpool", "avgpool2d", "averagepool2d"), "average"),
    **dict.fromkeys(("averagepooling", "averagepooling2d", "avgpooling", "avgpooling2d", "meanpool"), "average"),
    **dict.fromkeys(("meanpooling", "meanpool2d"), "average"),
    **dict.fromkeys(("trainable", "subsampling", "subsample"), "trainable"),
}
#: Only where somebody names a setting: a layer of these names is something else.
_NAMED_CURVES = {"identity": "identity", "linear": "identity", "none": "identity"}
#: Of the last layer, whose outputs are what they are.
_OF_OUTPUTS = ("softmax", "logsoftmax")
#: Activations that the family does not have.
_OTHERS = frozenset(
    "elu selu celu gelu silu swish mish prelu rrelu relu6 glu hardtanh hardswish hardsigmoid hardshrink softshrink "
    "tanhshrink softplus softsign logsigmoid threshold maxout crelu".split()
)
_IF_WRONG = ", or, if that is wrong, the tensors alone to lenet_fast.from_state_dict"
_POOLING_WORDS = "average (avg, mean), max or trainable"
#: What an operator may be a part of, with multiplications and additions around it.
_PARTS = {"tanh": "scaled_tanh", "average": "trainable"}


class Curve(NamedTuple):
    """An activation and its slope below zero; None where that is not said, or there is none."""

    kind: str
    slope: float | None = None

    def __str__(self) -> str:
        return self.kind if self.slope is None else f"{self.kind} of slope {self.slope:.7g}"


#: Some activations, or some poolings.
Words: TypeAlias = "Sequence[Curve] | Sequence[str]"


@dataclass
class Said:
    """What one place of a file says.

    Parameters
    ----------
    where
        The place, for messages: "in its modules".
    is_declared
        Whether somebody named settings of the network; else these are operators, of which it may be made in any order.
    curves, poolings
        Activations and poolings.
    paddings
        Of the convolutions, in no order.
    slope
        Of leaky relu, where it is said apart.
    """

    where: str
    is_declared: bool = False
    curves: set[Curve] = field(default_factory=set)
    poolings: set[str] = field(default_factory=set)
    paddings: set[int] = field(default_factory=set)
    slope: float | None = None

    def __bool__(self) -> bool:
        return bool(self.curves or self.poolings or self.paddings or self.slope is not None)

    def note(self, word: str, slope: float | None = None) -> None:
        """An operator or a layer by its name there; refused if it is an activation that there is none of here."""
        plain = _plain(word)
        if plain in _OTHERS:
            refuse(word, ACTIVATIONS, f"{word} {self.where}", "it is not supported")
        if plain in _CURVES:
            self._add(Curve(_CURVES[plain], slope))
        elif plain in _POOLINGS and "pool" in plain:  # a mean is many things
            self.poolings.add(_POOLINGS[plain])

    def declare(self, what: str, word: str, slope: float | None = None) -> None:
        """A word for `what`, "activation" or "pooling"; refused if it is unknown."""
        plain = _plain(word)
        if what == "pooling" and plain in _POOLINGS:
            self.poolings.add(_POOLINGS[plain])
        elif what == "activation" and plain in (_CURVES | _NAMED_CURVES):
            self._add(Curve((_CURVES | _NAMED_CURVES)[plain], slope))
        elif plain not in _OF_OUTPUTS:
            wanted = ACTIVATIONS if what == "activation" else _POOLING_WORDS
            refuse(what, wanted, f"{word!r:.60} {self.where}", "it is not supported")

    def _add(self, curve: Curve) -> None:
        """One more activation, of which a slope that is said replaces one that is not."""
        slope = curve.slope if curve.kind == "leaky_relu" else None
        if slope is not None and not 0 <= slope <= 1:
            refuse(curve.kind, "a slope from 0 to 1", f"{slope:g} {self.where}", "it is not supported")
        if slope is not None:
            self.curves -= {Curve(curve.kind)}
        if slope is not None or not any(other.kind == curve.kind for other in self.curves):
            self.curves.add(Curve(curve.kind, slope))
        if len(self.curves) > _MOST_CURVES:
            refuse("activation", "those of one network", f"more than {_MOST_CURVES} {self.where}", "save it alone")

    @property
    def activations(self) -> list[Curve]:
        """All activations, each with its slope where that is said anywhere."""
        found = {c._replace(slope=self.slope) if c == Curve("leaky_relu") else c for c in self.curves}
        return sorted(found, key=str)

    def pairs(self) -> list[tuple[int, int]]:
        """How two convolutions may pad, if each padding is that of one; none where nothing is said."""
        few = sorted(self.paddings) if len(self.paddings) <= 2 else []
        return [(a, b) for a in few for b in few if {a, b} == self.paddings]

    def __str__(self) -> str:
        """All of it, in words."""
        told = [*map(str, self.activations), *(f"{pooling} pooling" for pooling in sorted(self.poolings))]
        told += [f"padding {' and '.join(map(str, sorted(self.paddings)))}"] if self.paddings else []
        told += [] if self.slope is None else [f"slope {self.slope:.7g}"]
        return ", ".join(told) + f" {self.where}"


def _plain(word: str) -> str:
    """A word without its module and what stands between its letters."""
    return re.sub(r"[^a-z0-9]", "", word[:80].rpartition(".")[2].lower())


# --- against what the user says ---


def said_of(network: Network) -> Said:
    """What a network says of itself."""
    layers = [layer for layer in network.layers if getattr(layer, "activation", "identity") != "identity"]
    said = Said("in the network", is_declared=True)
    said.curves = {Curve(layer.activation, layer.slope) for layer in layers}  # type: ignore[union-attr]
    said.poolings = {layer.pooling for layer in network.layers if isinstance(layer, Subsample2x2)}
    said.paddings = {layer.padding for layer in network.layers if isinstance(layer, Conv5x5)}
    return said


def check(said: Said, network: Network, name: str, settled: Collection[str]) -> None:
    """Refuse a network, called `name`, that has nothing of what a file says, or not all, unless the user settled that.

    `settled` are the keywords that the user passed: "activation", "pooling".
    """
    own = said_of(network)
    strange = [curve for curve in said.activations if not _has(said, own.curves, curve)]
    missing = [word for word in sorted(said.poolings) if not {word, _whole_of(said, word)} & own.poolings]
    rows: tuple[tuple[str, Words, Words, Words], ...] = (
        ("activation", said.activations, strange, own.activations),
        ("pooling", sorted(said.poolings), missing, sorted(own.poolings)),
    )
    for what, words, absent, present in rows:
        if absent and len(absent) == len(words):
            wanted = f"a network whose {what} is {_either(words)}, as {said.where}"
            way_out = f"pass {keywords(what, words[0])}{_IF_WRONG}"
            refuse("network", wanted, f"{name} with {_either(present) or 'none'}", way_out)
        if absent and what not in settled:
            _ask_which(said, what, words)


def _ask_which(said: Said, what: str, words: Words) -> NoReturn:
    wanted, found = f"to know which {what} the layers have", f"{_either(words, 'and')} {said.where}"
    way_out = f"pass {' or '.join(keywords(what, word) for word in words)}, or a lenet_fast.Network"
    raise OpenQuestionError(what, wanted, found, way_out, keyword=what)


def _whole_of(said: Said, word: str) -> str:
    """What an operator may be a part of."""
    return "" if said.is_declared else _PARTS.get(word, "")


def _has(said: Said, own: Iterable[Curve], curve: Curve) -> bool:
    """Whether an activation is among a network's."""
    if curve.kind == "identity":
        return not list(own)
    return any(
        other.kind in (curve.kind, _whole_of(said, curve.kind))
        and (curve.slope is None or other.slope is None or math.isclose(curve.slope, other.slope, rel_tol=_CLOSE))
        for other in own
    )


def check_padding(said: Said, network: Network) -> None:
    """Refuse a network whose convolutions pad otherwise than a file says."""
    own = said_of(network).paddings
    if said.paddings and own and own != said.paddings:
        wanted = f"a network whose padding is {_either(sorted(said.paddings), 'and')}, as {said.where}"
        pairs = " or ".join(f"padding={pair}" for pair in said.pairs())
        refuse("padding", wanted, _either(sorted(own), "and"), f"pass {pairs}{_IF_WRONG}" if pairs else "")


def keywords(what: str, word: Curve | str) -> str:
    """How a user says a word of a file to `load`."""
    if isinstance(word, Curve):
        return f"activation={word.kind!r}" + (f", slope={word.slope:.7g}" if word.slope is not None else "")
    return f"{what}={word!r}"


def _either(words: Iterable[object], joint: str = "or") -> str:
    return f" {joint} ".join(map(str, words))
