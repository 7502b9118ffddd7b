"""The network of weights without a graph: what the user names, what the file says, and what the shapes allow.

A named network, with its variations, is the user's word for activation and pooling; where the file says otherwise, that
is refused. Where the user names none, keywords and settings in the file may say enough that only one is left; operators
never do, for they do not say in which order layers compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from ..errors import OpenQuestionError, WeightsError, refuse
from ..networks import TEMPLATES, Template
from .mapping.fit import fills, fitted, names_that_fit
from .said import Curve, Said, check
from .source import Source, Tensors

_NONE_FITS = "none of the named networks has these shapes: pass a lenet_fast.Network, or export the model to ONNX"
_CHOICES = {"activation": "'relu', 'tanh', ...", "pooling": "'max' or 'average'"}


def fits_of(template: Template, tensors: Tensors, chosen: Mapping[str, Any], said: Sequence[Said]) -> list[Template]:
    """The template with the sizes that the weights have, and the padding that the file says, where it does."""
    pairs = next((one.pairs() for one in said if one.paddings), [])
    if "padding" in chosen or not pairs:
        return fitted(template, tensors, chosen)
    fits = [fit for pair in pairs for fit in fitted(template, tensors, {**chosen, "padding": pair})]
    if len({fit.padding for fit in fits}) > 1:
        ways = " or ".join(f"padding={fit.padding}" for fit in fits)
        wanted, found = "to know which convolution pads", f"both {next(one.where for one in said if one.paddings)}"
        raise OpenQuestionError("padding", wanted, found, f"pass {ways}", keyword="padding")
    return fits


def with_slope(template: Template, said: Sequence[Said]) -> Template:
    """The template, whose leaky relu has the slope that the file says where the user says none."""
    if template.activation != "leaky_relu" or template.slope is not None:
        return template
    found = {c.slope for one in said for c in one.activations if c.kind == "leaky_relu" and c.slope is not None}
    found |= {one.slope for one in said if one.slope is not None}
    if len(found) != 1:
        told = " and ".join(f"{slope:.7g}" for slope in sorted(found)) or "nothing that tells"
        way_out = "pass slope= (PyTorch takes 0.01, Keras 0.3)"
        raise OpenQuestionError("slope", "to know the slope of leaky relu below zero", told, way_out, keyword="slope")
    return replace(template, slope=found.pop())


def named(source: Source, variations: Mapping[str, Any], tensors: Tensors) -> tuple[str, dict[str, Any]]:
    """The named network, and its variations, that keywords and settings leave; WeightsError asks for what is open."""
    settled = _settled(source.said, variations)
    if not settled:
        _ask_for_network(source, tensors, ("activation", "pooling"))
    for what in ("activation", "pooling"):
        if what not in settled:
            _ask(source, tensors, what, settled)
    names = list(_names(source, tensors, settled))
    if len(names) != 1:
        told = _words(settled)
        found = f"{told}, which {'several of them' if names else 'none of the named networks'} can have"
        way_out = f"pass {_ways(names)}" if names else _NONE_FITS
        refuse("network", "one named network of these shapes", f"{found} ({shapes(tensors)})", way_out)
    return names[0]


def _settled(said: Sequence[Said], variations: Mapping[str, Any]) -> dict[str, Any]:
    """What keywords and settings say, and what operators add to that; nothing if these alone say anything.

    An operator tanh is not taken, which may be a part of scaled tanh.
    """
    settled = dict(variations)
    for is_declared in (True, False):
        places = [one for one in said if one.is_declared == is_declared]
        if is_declared or {"activation", "pooling"} & set(settled):
            kinds = {curve.kind for one in places for curve in one.activations}
            if "activation" not in settled and len(kinds) == 1 and (is_declared or kinds != {"tanh"}):
                settled["activation"] = kinds.pop()
            poolings = {pooling for one in places for pooling in one.poolings}
            if "pooling" not in settled and len(poolings) == 1:
                settled["pooling"] = poolings.pop()
    if settled.get("activation") == "leaky_relu" and "slope" not in settled:
        settled["slope"] = with_slope(Template(activation="leaky_relu"), said).slope
    return settled if {"activation", "pooling"} & set(settled) else {}


def _names(source: Source, tensors: Tensors, settled: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Named networks that fit, each once: those that differ in sizes or in the head alone compute the same scores.

    Where some have the sizes of their papers, these are meant; otherwise those with one activation for all layers.
    """
    found = list(_fitting(source, tensors, settled))
    own = [one for one in found if (one[2].maps, one[2].units) == (TEMPLATES[one[0]].maps, TEMPLATES[one[0]].units)]
    seen: set[Template] = set()
    for name, way, fit in own or [one for one in found if one[2].conv_activation is None] or found:
        head = "rbf" if fit.head == "rbf" else "scores"
        same = replace(fit, head=head, side=0, padding=(0, 0), channels=0)
        if same not in seen:
            seen.add(same)
            yield name, way


def _fitting(
    source: Source, tensors: Tensors, settled: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], Template]]:
    """Name, variations and sizes of all that the weights can be, the nearest to what is settled first."""
    ways = [(_far(TEMPLATES[name], way), name, way) for name in TEMPLATES for way in _ways_of(TEMPLATES[name], settled)]
    for _, name, way in sorted(ways, key=lambda one: one[0]):
        template = TEMPLATES[name].varied(**way)
        fits = fits_of(template, tensors, {key: getattr(template, key) for key in way}, source.said)
        if fits and fills(source, fits[0].network()):
            yield name, way, fits[0]


def _ways_of(template: Template, settled: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Variations that make a named network what is settled; with the convolutions' own activation, and without."""
    own = {key: value for key, value in settled.items() if key != "activation"}
    if template.conv_activation is not None and template.activation == settled["activation"]:
        yield own
    yield dict(settled)


def _far(template: Template, way: Mapping[str, Any]) -> int:
    return sum(getattr(template, key) != value for key, value in way.items())


# --- questions ---


def _ask(source: Source, tensors: Tensors, what: str, settled: Mapping[str, Any]) -> NoReturn:
    """What neither the user nor the file says, while something is said."""
    if any(_said_of(one, what) for one in source.said if not one.is_declared):
        _ask_for_network(source, tensors, ())
    told = [str(one) for one in source.said if one] or [_words(settled)]
    fits = names_that_fit(source)
    names = f", or network={' or '.join(map(repr, fits))}" if fits else ""
    wanted = f"{what} as well, which weights alone ({source.format}) do not say"
    if any(_said_of(one, what) for one in source.said):
        wanted = f"to know which {what} the layers have"
    way_out = f"pass {what}={_CHOICES[what]}{names}"
    raise OpenQuestionError(what, wanted, f"only {'; '.join(told)}", way_out, keyword=what)


def _ask_for_network(source: Source, tensors: Tensors, open_: Sequence[str]) -> NoReturn:
    """Nothing is settled, or only what is not in `open_`; tells what operators there are, and the names that agree."""
    operators = [one for one in source.said if one and not one.is_declared]
    if not operators:
        fits = names_that_fit(source)
        way_out = f"pass network={' or '.join(map(repr, fits))}, or try them all with 'lenet-fast verify'"
        wanted = f"a network, since weights alone ({source.format}) do not say activation, pooling and padding"
        refuse("", wanted, shapes(tensors), way_out if fits else _NONE_FITS)
    unsaid = [what for what in open_ if not any(_said_of(one, what) for one in operators)]
    wanted = f"a network, since a {source.format} file does not say in which order its layers compute"
    wanted += f", and this one not {' and '.join(unsaid)}" if unsaid else ""
    ways = list(_agreeing(source, operators))
    way_out = f"pass {_ways(ways)}" if ways else _NONE_FITS
    refuse("", wanted, "; ".join(map(str, operators)), way_out)


def _said_of(said: Said, what: str) -> Sequence[Curve] | Sequence[str]:
    return said.activations if what == "activation" else sorted(said.poolings)


def _agreeing(source: Source, operators: Sequence[Said]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named networks of these shapes as they are, if they agree with what is said; else varied until they do."""
    fits = names_that_fit(source)
    agreeing = [name for name in fits if all(_goes(one, TEMPLATES[name]) for one in operators)]
    yield from ((name, {}) for name in agreeing)
    if agreeing:
        return
    way: dict[str, Any] = {}
    for one in operators:
        for curve in one.activations[:1]:
            way |= {"activation": curve.kind, **({"slope": curve.slope} if curve.slope is not None else {})}
        for pooling in sorted(one.poolings)[:1]:
            way["pooling"] = pooling
    yield from ((name, way) for name in sorted(fits, key=lambda name: _far(TEMPLATES[name], way))[:1])


def _goes(said: Said, template: Template) -> bool:
    try:
        check(said, template.network(), "", ())
    except WeightsError:
        return False
    return True


def _ways(names: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """How to pass them, with the variations that are none of the named network's own."""
    told = []
    for name, way in names:
        own = {k: v for k, v in way.items() if k == "activation" or getattr(TEMPLATES[name], k) != v}
        told.append(f"network={name!r}" + "".join(f", {key}={value!r}" for key, value in own.items()))
    return " or ".join(told)


def _words(settled: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settled.items())


def shapes(tensors: Tensors) -> str:
    """The names and shapes of tensors, for a sentence."""
    return ", ".join(f"{name} {array.shape}" for name, array in list(tensors.items())[:12])
