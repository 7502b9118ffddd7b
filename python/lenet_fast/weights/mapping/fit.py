"""Which networks some arrays can be the weights of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from ...budget import charge
from ...errors import OverBudgetError, WeightsError
from ...network import RBF, Network
from ...networks import TEMPLATES, Template
from ..source import Source, Tensors
from .answers import Answers
from .assign import assign
from .axes import Shape
from .compact import without_gaps
from .places import places
from .relevant import relevant

#: Sides of the image and paddings of the two convolutions that are usual.
_SIZES = tuple(product((28, 32), ((0, 0), (2, 0), (2, 2))))
_CHANNELS = (1, 3)
_MOST_CLASSES = 1024
_VISITS = 100  # to make a network and look at its kernels


def names_that_fit(source: Source) -> list[str]:
    """The named networks that these arrays can be the weights of, whatever is still open."""
    tensors = relevant(source.tensors)
    found = []
    for name, template in TEMPLATES.items():
        for one in fitted(template, tensors, {})[:1]:
            try:
                assign(source, one.network(), Answers("CHW", "sum", "ascending"))
            except OverBudgetError:
                raise
            except WeightsError:
                continue
            found.append(name)
    return found


def fitted(template: Template, tensors: Tensors, chosen: Mapping[str, Any]) -> list[Template]:
    """The template with the channels, classes, image size and padding that the arrays have; none if it does not fit.

    `chosen` are fields that the user has settled. Sizes that the template itself has come first.
    """
    shapes = {tuple(sorted(array.squeeze().shape)) for array in tensors.values()}
    shapes |= {tuple(sorted(array.shape)) for array in tensors.values()}
    found: list[Template] = []
    for sizes in _sizes(template, shapes):
        one = replace(template, **{**sizes, **chosen})
        if one not in found and _fits(one, tensors, shapes):
            found.append(one)
    return found


def _sizes(template: Template, shapes: set[Shape]) -> Iterator[dict[str, Any]]:
    """The sizes to try, the fewest classes first."""
    classes = sorted(_classes(template, shapes))
    images = dict.fromkeys(((template.side, template.padding), *_SIZES))
    for (side, padding), channels, count in product(images, (template.channels, *_CHANNELS), classes):
        yield {"side": side, "padding": padding, "channels": channels, "classes": count}


def _classes(template: Template, shapes: set[Shape]) -> set[int]:
    """As many classes as some full connection has outputs, whose inputs are the last units, or those of whole maps.

    RBF codes may be the paper's, and then they are not there; what has their inputs may be the layer before them.
    """
    pairs = [pair for shape in shapes if len(shape) == 2 for pair in (shape, shape[::-1])]
    if template.units:
        found = {n for n, inputs in pairs if inputs == template.units[-1]}
    else:
        found = {n for n, inputs in pairs if inputs % template.maps[-1] == 0}
    if template.head == "rbf":
        found = found - set(template.units) or {template.classes}
    return {n for n in found if 1 < n <= _MOST_CLASSES}


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
            yield place.shape, (outputs, math.prod(inputs)), (outputs, *place.before)


def _present(alternatives: tuple[Shape, ...], shapes: set[Shape]) -> bool:
    """Whether one of the shapes is there, in any order of axes."""
    return any(tuple(sorted(s)) in shapes or tuple(sorted(n for n in s if n > 1)) in shapes for s in alternatives)
