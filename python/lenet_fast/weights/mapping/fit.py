"""Which networks some arrays can be the weights of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any

from ...budget import charge
from ...errors import OpenQuestionError, OverBudgetError, WeightsError, refuse
from ...network import RBF, Network
from ...networks import TEMPLATES, Template
from ..source import Source, Tensors
from .answers import Answers
from .assign import assign
from .axes import Shape
from .compact import without_gaps
from .pieces import whole_or_pieces
from .places import places
from .relevant import relevant
from .sizes import sizes_of

#: Sides of the image and paddings of the two convolutions that are usual.
_SIZES = tuple(product((28, 32), ((0, 0), (2, 0), (2, 2))))
_CHANNELS = (1, 3)
_MOST_CLASSES = 1024
_VISITS = 100  # to make a network and look at its kernels


def names_that_fit(source: Source) -> list[str]:
    """The named networks that these arrays can be the weights of, whatever is still open.

    First those whose own maps and units they have. Then the others, one name for each kind of layers; if some have
    their own sizes, only what is usual at any: one activation for all layers, and subsampling without coefficients.
    """
    tensors = relevant(source.tensors)
    own: dict[str, Template] = {}
    others: dict[str, Template] = {}
    for name, template in TEMPLATES.items():
        for one in _possible(source, template, tensors):
            (own if (one.maps, one.units) == (template.maps, template.units) else others)[name] = one
    named = dict(own)
    for name, one in others.items():
        is_usual = one.conv_activation is None and one.pooling != "trainable"
        if (is_usual or not own) and not any(_kind(one) == _kind(other) for other in named.values()):
            named[name] = one
    return list(named)


def _possible(source: Source, template: Template, tensors: Tensors) -> list[Template]:
    """The template with these arrays' sizes, if they fill it; as it is where only the sizes are open."""
    try:
        return [one for one in fitted(template, tensors, {})[:1] if fills(source, one.network())]
    except OverBudgetError:
        raise
    except WeightsError:
        return [template]


def fills(source: Source, network: Network) -> bool:
    """Whether the arrays are the network's, whatever the answers to what they leave open."""
    answers = Answers("CHW", "sum", "ascending", "OIHW", "OI")
    for _ in fields(answers):
        try:
            assign(source, network, answers)
        except OpenQuestionError as question:
            answers = replace(answers, **{question.keyword: question.choices[0]})
        except OverBudgetError:
            raise
        except WeightsError:
            return False
        else:
            return True
    return False


def _kind(template: Template) -> Template:
    """What is left of a template without sizes."""
    return replace(template, channels=0, side=0, maps=(0, 0), units=(), classes=0, padding=(0, 0), head="")


def fitted(template: Template, tensors: Tensors, chosen: Mapping[str, Any]) -> list[Template]:
    """The template with the sizes that the arrays have: channels, maps, units, classes, and image and padding.

    None if it does not fit; `chosen` are fields that the user has settled. Images that the template itself has come
    first. Maps and units are the template's own where it has a connection table, and where not every array finds its
    place. Refused if every array finds one in two networks that differ in more than the image.
    """
    readings = whole_or_pieces(tensors)
    free = [
        one
        for reading in readings
        for one in _fitting(_free_sizes(template, reading, chosen), template, chosen, reading)
    ]
    _check_sizes(free)
    own = (one for reading in readings for one in _fitting(_own_sizes(template, reading), template, chosen, reading))
    return list(dict.fromkeys(free or own))


def _fitting(
    sizes: Iterable[dict[str, Any]], template: Template, chosen: Mapping[str, Any], tensors: Tensors
) -> Iterator[Template]:
    shapes = _shapes(tensors)
    for some in sizes:
        one = replace(template, **{**some, **chosen})
        if _fits(one, tensors, shapes):
            yield one


def _shapes(tensors: Tensors) -> set[Shape]:
    """The shapes that there are, in ascending order, with axes of one and without."""
    shapes = {tuple(sorted(array.squeeze().shape)) for array in tensors.values()}
    return shapes | {tuple(sorted(array.shape)) for array in tensors.values()}


def _free_sizes(template: Template, tensors: Tensors, chosen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The sizes that take every array, for every usual image."""
    if template.table:
        return
    sides = {n: _last_side({**image, **chosen}) for n, image in enumerate(_images(template))}
    found = sizes_of(tensors, set(sides.values()))
    for n, image in enumerate(_images(template)):
        for sizes in found.get(sides[n], ()):
            *units, classes = sizes.outputs
            if sizes.channels in _CHANNELS and 1 < classes <= _MOST_CLASSES:
                of_network = {"channels": sizes.channels, "maps": sizes.maps, "units": tuple(units)}
                yield {**image, **of_network, "classes": classes}


def _last_side(image: Mapping[str, Any]) -> int:
    """Of the maps that the first full connection reads."""
    side = int(image["side"])
    for padding in image["padding"]:
        side = (side + 2 * padding - 4) // 2
    return side


def _check_sizes(fits: Sequence[Template]) -> None:
    """Refuse to choose where the arrays, all of them, are those of two networks."""
    sizes = list(dict.fromkeys((one.channels, one.maps, one.units, one.classes) for one in fits))
    if len(sizes) > 1:
        found = " and ".join("-".join(map(str, (c, *maps, *units, n))) for c, maps, units, n in sizes[:2])
        wanted = "arrays that follow each other in one order"
        refuse("network", wanted, f"those of {found} alike", "pass a lenet_fast.Network with the sizes of its layers")


def _images(template: Template) -> list[dict[str, Any]]:
    """The sides and paddings to try, the template's own first."""
    images = dict.fromkeys(((template.side, template.padding), *_SIZES))
    return [{"side": side, "padding": padding} for side, padding in images]


def _own_sizes(template: Template, tensors: Tensors) -> Iterator[dict[str, Any]]:
    """The template's own maps and units with other images, channels and classes, the fewest classes first."""
    classes = sorted(_classes(template, _shapes(tensors)))
    for image, channels, count in product(_images(template), (template.channels, *_CHANNELS), classes):
        yield {**image, "channels": channels, "classes": count}


def _classes(template: Template, shapes: set[Shape]) -> set[int]:
    """As many classes as some full connection has outputs, whose inputs are the last units, or those of whole maps.

    RBF codes may be the paper's, and then they are not there; what has their inputs may be the layer before them.
    """
    pairs = [pair for shape in shapes if len(shape) == 2 for pair in (shape, shape[::-1])]
    if template.units:
        found = {n for n, inputs in pairs if inputs == template.units[-1]}
        found = found or {shape[0] // template.units[-1] for shape in shapes if _is_flat(shape, template.units[-1])}
    else:
        found = {n for n, inputs in pairs if inputs % template.maps[-1] == 0}
    if template.head == "rbf":
        found = found - set(template.units) or {template.classes}
    return {n for n in found if 1 < n <= _MOST_CLASSES}


def _is_flat(shape: Shape, inputs: int) -> bool:
    """Whether it may be a full connection of so many inputs that has lost its axes."""
    return len(shape) == 1 and shape[0] % inputs == 0


def _fits(template: Template, tensors: Tensors, shapes: set[Shape]) -> bool:
    """Whether it is a network whose kernels are all there."""
    charge("visits", _VISITS)
    try:
        network = template.network()
    except ValueError:
        return False
    return all(_present(one_of, shapes) for one_of in _kernel_shapes(network, tensors))


def _kernel_shapes(network: Network, tensors: Tensors) -> Iterator[tuple[Shape, ...]]:
    """The shapes of which one must be in the file, for each kernel; compact C3 kernels and codes excepted.

    A full connection of maps may be stored as a convolution as large as they are, and the other way round.
    """
    for place in places(network):
        is_compact = place.table and without_gaps(place.table, tensors)
        if not isinstance(place.layer, RBF) and not is_compact:
            outputs, *inputs = place.shape
            size = math.prod(place.shape)
            yield place.shape, (outputs, math.prod(inputs)), (outputs, *place.before), (size,)


def _present(alternatives: tuple[Shape, ...], shapes: set[Shape]) -> bool:
    """Whether one of the shapes is there, in any order of axes."""
    return any(tuple(sorted(s)) in shapes or tuple(sorted(n for n in s if n > 1)) in shapes for s in alternatives)
