"""What a reader found, and what the user says of it -> a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._core import chosen_isa, num_threads
from ..errors import ArgumentError, OpenQuestionError, WeightsError, inside, refuse
from ..images import Preprocess
from ..model import Model
from ..network import Conv5x5, Network
from ..networks import Template, template_named
from ..preprocess import scaling
from ..tensors import Floats, checked
from . import restoring
from .cost import afford
from .description import KEY
from .graph.recognise import recognise
from .mapping.answers import Answers
from .mapping.assign import assign
from .mapping.fit import names_that_fit
from .mapping.fixed_point import as_fractions
from .mapping.foreign import refuse_foreign
from .mapping.relevant import relevant
from .naming import fits_of, named, shapes, with_slope
from .said import check, check_padding, said_of
from .scaling import one_scaling, refuse_faint
from .source import Source, Tensors

#: What a user settles who passes a whole network.
_SETTLED = ("activation", "pooling")


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
        _check_variations(template_named(wishes.network), wishes.variations)
    elif wishes.network is None:
        apart = {"activation": "leaky_relu"} if "slope" in wishes.variations else {}
        _check_variations(Template(), {**apart, **wishes.variations})
    elif not isinstance(wishes.network, Network):
        raise TypeError(f"network: wanted a name or a lenet_fast.Network, found {wishes.network!r}")
    elif wishes.variations:
        raise ArgumentError("network", "variations of a named network", "them beside a lenet_fast.Network")


def _check_variations(template: Template, variations: Mapping[str, Any]) -> None:
    """Whether a named network can be varied so; a slope that is not passed may stand in the file."""
    activation = variations.get("activation")
    is_leaky = isinstance(activation, str) and activation == "leaky_relu"
    template.varied(**{**({"slope": 0.01} if is_leaky else {}), **variations}).network()


def _restored(source: Source, wishes: Wishes, preprocess: Preprocess | None) -> Parts:
    """A file that `Model.save` wrote."""
    tensors = dict(source.tensors)
    network, beside, check = restoring.parts_from(tensors, source.metadata)
    _check_wishes(wishes, network)
    weights = checked(network, tensors)
    own = one_scaling(preprocess, beside["preprocess"])
    return Parts(network, weights, beside, source.format, {name: name for name in weights}, own, check)


def _from_graph(source: Source, wishes: Wishes, preprocess: Preprocess | None) -> Parts:
    assert source.trace is not None
    found = recognise(source.trace)
    for said in source.said:
        check(said, found.network, "the layers in the file", ())
    _check_wishes(wishes, found.network)
    beside = restoring.parts_beside_network(source.metadata)
    own = one_scaling(preprocess, beside.get("preprocess") or found.preprocess)
    if found.is_faint and found.preprocess.white is None and "preprocess" not in beside:
        refuse_faint(preprocess)
    weights = checked(found.network, found.weights)
    return Parts(found.network, weights, beside, source.format, found.sources, own)


def _check_wishes(wishes: Wishes, found: Network) -> None:
    """Refuse what contradicts a file that says everything, and answers to what it does not ask."""
    for keyword, value in vars(wishes.answers).items():
        if value is not None:
            refuse(keyword, "weights that leave it open", "a file that says everything", f"leave {keyword} out")
    if isinstance(wishes.network, Network):
        fits = wishes.network == found
    elif wishes.network is not None:
        template = with_slope(template_named(wishes.network).varied(**wishes.variations), [said_of(found)])
        fits = _kinds(template.network()) == _kinds(found)
    else:
        fits = True
    if not fits:
        way_out = "leave network out, the file says everything"
        refuse("network", "the network that was passed", f"another in the file ({found})", way_out)
    _check_keywords(wishes.variations, found)


def _kinds(network: Network) -> list[tuple[Any, ...]]:
    """Layers without their sizes."""
    return [(type(x), *(getattr(x, key, None) for key in ("activation", "slope", "pooling"))) for x in network.layers]


def _check_keywords(variations: Mapping[str, Any], found: Network) -> None:
    """Refuse a keyword that says otherwise than the network in a file."""
    own, paddings = said_of(found), [layer.padding for layer in found.layers if isinstance(layer, Conv5x5)]
    of_file: dict[str, Collection[Any]] = {
        "activation": {curve.kind for curve in own.curves} or {"identity"},
        "slope": {curve.slope for curve in own.curves},
        "pooling": own.poolings,
        "padding": [tuple((*paddings, 0)[:2])],
    }
    passed = {**variations, **({"padding": _pair(variations["padding"])} if "padding" in variations else {})}
    for keyword, value in passed.items():
        if value not in of_file[keyword]:
            told = " or ".join(map(str, of_file[keyword])) or "none"
            found_there = f"{told} in a file that says everything"
            refuse(keyword, f"what is passed, {value}", found_there, f"leave {keyword} out")


def _pair(padding: int | Sequence[int]) -> tuple[int, ...]:
    """Of both convolutions, where one number is that of the first."""
    return (padding, 0) if isinstance(padding, int) else tuple(padding)


def _from_tensors(source: Source, wishes: Wishes, preprocess: Preprocess | None) -> Parts:
    tensors = relevant(source.tensors)
    if not tensors:
        refuse("", "weights", _what_instead(source), "save the trained network's weights")
    refuse_foreign(tensors)
    network = _network(source, wishes, tensors)
    afford(network)
    found, sources = assign(as_fractions(source, wishes.answers.fraction_bits), network, wishes.answers)
    own = preprocess or Preprocess(white=None)
    return Parts(network, checked(network, found), {}, source.format, sources, own)


def _network(source: Source, wishes: Wishes, tensors: Tensors) -> Network:
    """The network that the user means, a named one with the sizes that the weights have and with what the file says."""
    if isinstance(wishes.network, Network):
        return _agreed(source, wishes.network, "the lenet_fast.Network", _SETTLED)
    name, variations = wishes.network, wishes.variations
    if name is None:
        name, variations = named(source, variations, tensors)
    template = with_slope(template_named(name).varied(**variations), source.said)
    for said in source.said:
        check(said, template.network(), repr(name), variations)
    chosen = {key: getattr(template, key) for key in variations}
    fits = fits_of(template, tensors, chosen, source.said)
    if not fits:
        _refuse_network(source, name, template, tensors)
    if not any(said.paddings for said in source.said):
        _check_padding(fits, chosen, scaling(wishes.preprocess))
    return _agreed(source, fits[0].network(), repr(name), _SETTLED)


def _agreed(source: Source, network: Network, name: str, settled: Collection[str]) -> Network:
    """The network, if it goes with what the file says."""
    for said in source.said:
        check(said, network, name, settled)
        check_padding(said, network)
    return network


def _refuse_network(source: Source, name: str, template: Template, tensors: Tensors) -> NoReturn:
    others = ", ".join(fit for fit in names_that_fit(source) if fit != name)
    bad = [f"{n} {a.shape}" for n, a in tensors.items() if a.ndim == 4 and 5 not in a.shape]
    only = f"; only 5x5 kernels are supported, found {bad[0]}" if bad else ""
    wanted = ", ".join(f"{n} {s}" for n, s in template.network().parameters.items() if len(s) > 1)
    wanted = f"the shapes of {name} ({wanted}" + (")" if template.table else ", or of other maps and units)")
    way_out = f"these fit: {others}" if others else "none of the named networks fits: pass a lenet_fast.Network"
    refuse("network", wanted, f"{shapes(tensors)}{only}", way_out)


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
