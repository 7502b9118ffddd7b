"""What a reader found, and what the user says of it -> a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._core import chosen_isa, num_threads
from ..errors import ArgumentError, OpenQuestionError, WeightsError, inside, refuse
from ..images import Preprocess
from ..model import Model
from ..network import Network
from ..networks import Template, networks, template_named
from ..preprocess import scaling
from ..tensors import Floats, checked
from . import restoring
from .cost import afford
from .description import KEY
from .graph.recognise import recognise
from .mapping.answers import Answers
from .mapping.assign import assign
from .mapping.fit import fitted, names_that_fit
from .mapping.foreign import refuse_foreign
from .mapping.relevant import relevant
from .source import Modules, Source, Tensors


@dataclass(frozen=True)
class Wishes:
    """What the user says beside the file.

    Parameters
    ----------
    network
        A name, a `Network`, or None.
    preprocess
        A name of `Preprocess.named`, a `Preprocess`, or None.
    variations
        Fields of the named network that are otherwise: activation, pooling, padding, ...
    answers
        Orders that shapes do not tell.
    """

    network: str | Network | None = None
    preprocess: str | Preprocess | None = None
    variations: Mapping[str, Any] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)


@dataclass(frozen=True)
class Parts:
    """What a model is made of, in memory of its own: the file's bytes may go before the model's plan is made.

    Parameters
    ----------
    network, weights
        As they are in a `Model`.
    beside
        Its other arguments, as the file has them.
    format, sources
        As in `Imported`.
    scaling
        Instead of the file's, where the user named one that goes before it.
    check
        Images and scores that were saved with a model, and that it must give before its scaling is another.
    """

    network: Network
    weights: Mapping[str, Floats]
    beside: Mapping[str, Any]
    format: str
    sources: Mapping[str, str]
    scaling: Preprocess
    check: tuple[NDArray[Any], NDArray[Any]] | None = None

    def model(self) -> Model:
        """Make the model; WeightsError if it does not give the scores that were saved with it."""
        if self.check is None:
            return Model(self.network, self.weights, **{**self.beside, "preprocess": self.scaling})
        model = Model(self.network, self.weights, **self.beside)
        restoring.run_check(model, *self.check)
        return model if self.scaling == model.preprocess else model.replace(preprocess=self.scaling)


@dataclass(frozen=True)
class Imported:
    """A model, the format it came in, and the name that each of its tensors had there."""

    model: Model
    format: str
    sources: Mapping[str, str]


def build(source: Source, wishes: Wishes, name: str) -> Imported:
    """Make the model; WeightsError, of the file `name`, says what does not fit or is not told."""
    return imported(parts_of(source, wishes, name), name)


def parts_of(source: Source, wishes: Wishes, name: str) -> Parts:
    """Find what the model is made of, which takes nothing from the source that is not copied."""
    chosen_isa(), num_threads()  # what the environment asks for and there is not is no fault of the file
    preprocess = scaling(wishes.preprocess)
    _check_arguments(wishes)
    with _of_the_file(name):
        if source.trace is not None:
            return _from_graph(source, wishes, preprocess)
        if KEY in source.metadata:
            return _restored(source, wishes, preprocess)
        return _from_tensors(source, wishes, preprocess)


def imported(parts: Parts, name: str) -> Imported:
    """Make the model of its parts."""
    with _of_the_file(name):
        return Imported(parts.model(), parts.format, parts.sources)


@contextmanager
def _of_the_file(name: str) -> Iterator[None]:
    """What does not fit is the file's fault, also where an argument of `Model` came out of it."""
    with inside(name, "a network that can be computed"):
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused as such
                yield
        except ArgumentError as error:
            raise WeightsError(error.argument, error.wanted, error.found, error.way_out) from error


def _check_arguments(wishes: Wishes) -> None:
    """What the caller says wrongly is no fault of the file."""
    if isinstance(wishes.network, str):
        template_named(wishes.network).varied(**wishes.variations).network()
    elif wishes.network is not None and not isinstance(wishes.network, Network):
        raise TypeError(f"network: wanted a name or a lenet_fast.Network, found {wishes.network!r}")
    elif wishes.network is not None and wishes.variations:
        raise ArgumentError("network", "variations of a named network", "them beside a lenet_fast.Network")


def _restored(source: Source, wishes: Wishes, preprocess: Preprocess | None) -> Parts:
    """A file that `Model.save` wrote."""
    tensors = dict(source.tensors)
    network, beside, check = restoring.parts_from(tensors, source.metadata)
    _check_wishes(wishes, network)
    weights = checked(network, tensors)
    own = _one_scaling(preprocess, beside["preprocess"])
    return Parts(network, weights, beside, source.format, {name: name for name in weights}, own, check)


def _from_graph(source: Source, wishes: Wishes, preprocess: Preprocess | None) -> Parts:
    assert source.trace is not None
    found = recognise(source.trace)
    _check_wishes(wishes, found.network)
    beside = restoring.parts_beside_network(source.metadata)
    own = _one_scaling(preprocess, beside.get("preprocess") or found.preprocess)
    weights = checked(found.network, found.weights)
    return Parts(found.network, weights, beside, source.format, found.sources, own)


def _check_wishes(wishes: Wishes, found: Network) -> None:
    """Refuse what contradicts a file that says everything."""
    for keyword, value in {**wishes.variations, **vars(wishes.answers)}.items():
        if value is not None:
            way_out = f"leave {keyword} out"
            refuse(keyword, "weights that leave it open", "a file that says everything", way_out)
    if isinstance(wishes.network, str):
        fits = _kinds(networks()[wishes.network]) == _kinds(found)
    else:
        fits = wishes.network in (None, found)
    if not fits:
        way_out = "leave network out, the file says everything"
        refuse("network", "the network that was passed", f"another in the file ({found})", way_out)


def _kinds(network: Network) -> list[tuple[Any, ...]]:
    """Layers without their sizes."""
    return [(type(x), getattr(x, "activation", ""), getattr(x, "pooling", "")) for x in network.layers]


def _one_scaling(wish: Preprocess | None, own: Preprocess) -> Preprocess:
    """The scaling that the user names, then the file's own; refused if the file's own already takes raw pixels."""
    if wish is None or wish == own:
        return own
    if own.white is not None:
        way_out = "leave preprocess out, the file says everything"
        refuse("preprocess", "one scaling of the pixels", f"one in the file too ({own})", way_out)
    channels = max(map(len, (wish.scale, wish.shift, own.scale, own.shift)))
    scale, shift = (np.broadcast_to(v, channels) for v in (wish.scale, wish.shift))
    behind, added = (np.broadcast_to(v, channels) for v in (own.scale, own.shift))
    return replace(wish, scale=tuple(scale * behind), shift=tuple(shift * behind + added))


def _from_tensors(source: Source, wishes: Wishes, preprocess: Preprocess | None) -> Parts:
    tensors = relevant(source.tensors)
    if not tensors:
        refuse("", "weights", _what_instead(source), "save the trained network's weights")
    refuse_foreign(tensors)
    if wishes.network is None:
        _ask_for_network(source, tensors)
    network = _network(source, wishes, tensors)
    afford(network)
    found, sources = assign(source, network, wishes.answers)
    own = preprocess or Preprocess(white=None)
    return Parts(network, checked(network, found), {}, source.format, sources, own)


def _ask_for_network(source: Source, tensors: Tensors) -> NoReturn:
    fits = names_that_fit(source)
    way_out = f"pass network={' or '.join(map(repr, fits))}, or try them all with 'lenet-fast verify'"
    if not fits:
        way_out = "none of the named networks has these shapes: pass a lenet_fast.Network, or export the model to ONNX"
    wanted = f"a network, since weights alone ({source.format}) do not say activation, pooling and padding"
    refuse("", wanted, _shapes(tensors), way_out)


def _shapes(tensors: Tensors) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in list(tensors.items())[:12])


def _network(source: Source, wishes: Wishes, tensors: Tensors) -> Network:
    """The network that the user means, a named one with the sizes that the weights have."""
    if isinstance(wishes.network, Network):
        return wishes.network
    assert wishes.network is not None
    template = template_named(wishes.network).varied(**wishes.variations)
    chosen = {key: getattr(template, key) for key in wishes.variations}
    if source.modules:
        _check_modules(source.modules, template, wishes.network)
        if "padding" not in chosen and len(source.modules.paddings) >= 2:
            chosen["padding"] = tuple(source.modules.paddings[:2])
    fits = fitted(template, tensors, chosen)
    if not fits:
        _refuse_network(source, wishes.network, template, tensors)
    _check_padding(fits, chosen, scaling(wishes.preprocess))
    return fits[0].network()


def _refuse_network(source: Source, name: str, template: Template, tensors: Tensors) -> NoReturn:
    others = ", ".join(fit for fit in names_that_fit(source) if fit != name)
    bad = [f"{n} {a.shape}" for n, a in tensors.items() if a.ndim == 4 and 5 not in a.shape]
    only = f"; only 5x5 kernels are supported, found {bad[0]}" if bad else ""
    shapes = ", ".join(f"{n} {s}" for n, s in template.network().parameters.items() if len(s) > 1)
    way_out = f"these fit: {others}" if others else "none of the named networks fits"
    refuse("network", f"the shapes of {name} ({shapes})", f"{_shapes(tensors)}{only}", way_out)


def _check_modules(modules: Modules, template: Template, name: str) -> None:
    """Refuse a name that contradicts the layers in the file."""
    for what, found, wanted in (
        ("activation", modules.activations, {template.activation, template.conv_activation}),
        ("pooling", modules.poolings, {template.pooling}),
    ):
        if found and not found & wanted:
            kinds = sorted(found)
            one = f"a network whose {what} is {' or '.join(kinds)}, as the modules in the file"
            refuse("network", one, f"{name!r} with {getattr(template, what)}", f"pass {what}={kinds[0]!r}")


def _check_padding(fits: list[Template], chosen: Mapping[str, Any], preprocess: Preprocess | None) -> None:
    """Ask where 28x28 images padded by the first convolution and 32x32 images fit, and the border would differ."""
    sides = {fit.side for fit in fits if fit.channels == 1}
    if "padding" in chosen or len(sides) < 2 or preprocess is None or fits[0].table or not any(preprocess.shift):
        return
    wanted = "to know whether the network pads images of 28x28 with zeros after scaling"
    found = "weights that fit that and images of 32x32 alike"
    way_out = "pass padding=2 for the first (Conv2d(..., padding=2)), padding=0 for the second"
    raise OpenQuestionError("padding", wanted, found, way_out, keyword="padding")


def _what_instead(source: Source) -> str:
    if not source.tensors:
        return f"no arrays in this {source.format} file"
    return "only " + ", ".join(f"{n} {a.dtype} {a.shape}" for n, a in list(source.tensors.items())[:4])
