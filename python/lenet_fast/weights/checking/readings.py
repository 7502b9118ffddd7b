"""Everything that a file leaves open, as readings: what was assumed, and the parts of the model that it would be.

Tensors are found once for all networks that have them in the same shapes: with another activation, or with the maximum
instead of the average, the weights are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...budget import spending
from ...errors import OpenQuestionError, WeightsError
from ...images import Preprocess
from ...network import RBF, Layer, Network, Subsample2x2
from ...networks import TEMPLATES, Template, template_named
from ..build import Parts, Wishes, parts_of
from ..description import KEY
from ..mapping.answers import DENSE, FLATTEN, KERNELS, Answers
from ..mapping.fit import fitted
from ..mapping.relevant import relevant
from ..said import check
from ..source import Source, Tensors

#: Slopes of leaky relu that trainers take.
SLOPES = (0.01, 0.1, 0.2, 0.3)
_CURVES: tuple[tuple[str, float | None], ...] = (
    ("relu", None), ("tanh", None), ("scaled_tanh", None), ("sigmoid", None),
    *(("leaky_relu", slope) for slope in SLOPES),
)  # fmt: skip
_PADDINGS = ((0, 0), (2, 0), (2, 2))
#: In which fields networks with the same tensors differ.
_WHATEVER: dict[str, Any] = {"activation": "", "slope": None, "head": ""}
_FLAT = 50  # values of the smallest kernels that may be stored as a vector
_STANDARDISED = 1e-4  # what mean and deviation may be off by
_SCALINGS = ("as-is", "unit", "mnist", "symmetric", "lecun", "raw", "zscore")


@dataclass(frozen=True)
class Reading:
    """One way to read a file.

    Parameters
    ----------
    words
        What was assumed, keyword to value; nothing where the file says everything.
    parts
        Of the model.
    digest
        The same for the same tensors.
    scalings
        Names of `Preprocess.named` that are open, each with those that make the same of the images; none where the
        scaling is settled.
    """

    words: Mapping[str, str]
    parts: Parts
    digest: bytes
    scalings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for readings that compute the same scores."""
        network = self.parts.network
        return network.input, network.layers, network.head == "rbf", self.digest

    @property
    def scaled(self) -> list[tuple[Mapping[str, str], Preprocess]]:
        """What is assumed with each scaling that is open, and the scaling."""
        if not self.scalings:
            return [(self.words, self.parts.scaling)]
        return [({**self.words, "preprocess": name}, Preprocess.named(name)) for name in self.scalings]


def readings(source: Source, wishes: Wishes, name: str, images: NDArray[Any]) -> list[Reading]:
    """Every reading of what the file `name` holds that makes something else of the images.

    Raises
    ------
    WeightsError
        If nothing fits the shapes at all: of the reading that was tried first.
    """
    found: dict[tuple[Any, ...], tuple[int, Reading]] = {}
    failures: list[WeightsError] = []
    scalings = scalings_of(images)
    for structure in _structures(source, wishes):
        for answers, parts in _answered(source, structure.wishes, name, failures):
            says_nothing = parts.scaling == Preprocess(background=parts.scaling.background, white=None)
            open_ = scalings if wishes.preprocess is None and says_nothing else {}
            digest = _digest(parts)
            for far, words, network in structure.varied(parts.network):
                reading = Reading({**words, **answers}, replace(parts, network=network), digest, open_)
                if reading.key not in found or far < found[reading.key][0]:
                    found[reading.key] = far, reading
    if not found and not failures:
        parts_of(source, wishes, name)  # says what these weights are not
    if not found:
        raise failures[0] if failures else WeightsError("", "weights of a named network", "others", "", name)
    return [reading for _, reading in found.values()]


def readings_otherwise(
    source: Source, wishes: Wishes, name: str, images: NDArray[Any], tried: Sequence[Reading]
) -> list[Reading]:
    """Readings in orders of axes that the format or the names speak against, for a file that was written otherwise."""
    if source.trace is not None or KEY in source.metadata:
        return []
    seen = {reading.key for reading in tried}
    found: dict[tuple[Any, ...], Reading] = {}
    for answered in _orders(source.tensors, wishes.answers):
        try:
            several = readings(source, replace(wishes, answers=replace(wishes.answers, **answered)), name, images)
        except WeightsError:
            continue
        for reading in several:
            if reading.key not in seen:
                found.setdefault(reading.key, replace(reading, words={**reading.words, **answered}))
    return list(found.values())


def _orders(tensors: Tensors, own: Answers) -> Iterator[dict[str, Any]]:
    """Answers that change something: those on axes only where arrays are flat or square."""
    is_flat = any(array.ndim == 1 and array.size >= _FLAT and array.size % 25 == 0 for array in tensors.values())
    is_square = any(array.ndim == 2 and len(set(array.shape)) == 1 for array in tensors.values())
    open_ = {"flatten": FLATTEN, "kernels": KERNELS if is_flat else (), "dense": DENSE if is_flat or is_square else ()}
    words = {key: choices for key, choices in open_.items() if choices and getattr(own, key) is None}
    for choices in product(*words.values()):
        yield dict(zip(words, choices, strict=True))


def scalings_of(images: NDArray[Any]) -> dict[str, tuple[str, ...]]:
    """The scalings that make something else of the images, each with the names of those that make the same of them.

    Floating-point images are what the trainer's program was fed with: as they are under "unit" and "raw" too, and under
    "zscore" if each has mean 0 and deviation 1 already.
    """
    if images.dtype == np.uint8:
        return {name: () for name in _SCALINGS if name != "as-is"}
    same = ["unit", "raw"]
    if images.dtype.kind == "f" and images.ndim > 2 and _are_standardised(images):
        same.append("zscore")
    return {name: tuple(same) if name == "as-is" else () for name in _SCALINGS if name not in same}


def _are_standardised(images: NDArray[Any]) -> bool:
    rows = images.reshape(len(images), -1).astype(np.float64)
    return bool((np.abs(rows.mean(1)) < _STANDARDISED).all() and (np.abs(rows.std(1) - 1) < _STANDARDISED).all())


def _digest(parts: Parts) -> bytes:
    digest = hashlib.blake2b()
    for name, array in parts.weights.items():
        digest.update(f"{name} {array.shape}".encode())
        digest.update(array.data)
    return digest.digest()


def _answered(
    source: Source, wishes: Wishes, name: str, failures: list[WeightsError]
) -> Iterator[tuple[dict[str, str], Parts]]:
    """The parts, or those of every answer to what the file leaves open; why there are none is added to `failures`."""
    try:
        with spending():  # every reading has the whole budget
            parts = parts_of(source, wishes, name)
    except OpenQuestionError as question:
        if not question.choices:
            failures.append(question)
        for choice in question.choices:
            answered = replace(wishes, answers=replace(wishes.answers, **{question.keyword: choice}))
            for words, parts in _answered(source, answered, name, failures):
                yield {question.keyword: str(choice), **words}, parts
    except WeightsError as failure:
        failures.append(failure)
    else:
        yield {}, parts


@dataclass(frozen=True)
class _Structure:
    """Networks whose tensors have the same shapes: the one to find them for, and the others.

    Parameters
    ----------
    wishes
        Of the network that the tensors are found for.
    template
        Of the same; None where the file or the user says everything.
    varied_as
        Every network: how far it is from the name that it has here, the words for it, and its template.
    """

    wishes: Wishes
    template: Template | None = None
    varied_as: list[tuple[int, dict[str, str], Template]] = field(default_factory=list)

    def varied(self, network: Network) -> Iterator[tuple[int, dict[str, str], Network]]:
        if self.template is None:
            yield 0, {}, network
        for far, words, template in self.varied_as:
            yield far, words, _with(network, cast("Template", self.template), template)


def _with(network: Network, old: Template, new: Template) -> Network:
    """The network with another activation, pooling and head."""
    layers: list[Layer] = []
    for layer in network.layers:
        if not isinstance(layer, RBF) and layer.activation == old.activation:
            layer = replace(layer, activation=new.activation, slope=new.slope)
        layers.append(replace(layer, pooling=new.pooling) if isinstance(layer, Subsample2x2) else layer)
    is_same = tuple(layers) == network.layers and network.head == new.head
    return network if is_same else replace(network, layers=tuple(layers), head=new.head)


def _structures(source: Source, wishes: Wishes) -> Iterator[_Structure]:
    """What to find tensors for: what the file says, or each named network that fits, with what is open varied."""
    if source.trace is not None or KEY in source.metadata or isinstance(wishes.network, Network):
        yield _Structure(wishes)
        return
    found: dict[Template, _Structure] = {}
    for name in [wishes.network] if wishes.network else TEMPLATES:
        template = template_named(name).varied(**wishes.variations)
        fields = list(_fields(template, wishes, source))
        fields = [one for one in fields if _is_possible(source, template.varied(**one), name)] or fields[:1]
        for _, alike in groupby(fields, key=lambda one: (one.get("padding"), one.get("pooling") == "trainable")):
            _add(found, source, wishes, name, list(alike))
    yield from found.values()


def _add(
    found: dict[Template, _Structure], source: Source, wishes: Wishes, name: str, fields: list[dict[str, Any]]
) -> None:
    """Add a named network to those whose tensors have the same shapes, if its own have those of the file."""
    own = template_named(name)
    first = {key: value for key, value in fields[0].items() if value is not None}
    wish = replace(wishes, network=name, variations={**wishes.variations, **first})
    template = own.varied(**wish.variations)
    sizes = _sizes(source, template, wish)
    if sizes is None and not wishes.network:
        return
    shaped = sizes or template
    is_fixed = own.head == "rbf" or own.conv_activation is not None
    key = shaped if is_fixed else replace(shaped, **_WHATEVER, pooling="" if shaped.pooling != "trainable" else "pairs")
    structure = found.setdefault(key, _Structure(wish, template))
    further = sum(getattr(own, key) != getattr(shaped, key) for key in ("maps", "units"))
    for one in fields:
        far = further + sum(getattr(own, key) != value for key, value in one.items())
        words = {key: str(value) for key, value in one.items() if value is not None}
        structure.varied_as.append((far, {"network": name, **words}, own.varied(**{**wishes.variations, **one})))


def _sizes(source: Source, template: Template, wishes: Wishes) -> Template | None:
    """The template with the sizes that the weights have; itself if these are asked for, None if it does not fit."""
    chosen = {key: getattr(template, key) for key in wishes.variations}
    try:
        with spending():
            return next(iter(fitted(template, relevant(source.tensors), chosen)), None)
    except OpenQuestionError:
        return template


def _fields(template: Template, wishes: Wishes, source: Source) -> Iterator[dict[str, Any]]:
    """Values for what is open; a network that ends in RBF units, or Caffe's, is varied in its padding alone."""
    given = wishes.variations
    told = {("leaky_relu", curve.slope) for said in source.said for curve in said.curves if curve.slope is not None}
    curves = [*_CURVES, *sorted(told - set(_CURVES))]
    curves = [c for c in curves if given.get("activation", c[0]) == c[0] and given.get("slope", c[1]) == c[1]]
    curves = curves or [("leaky_relu" if "slope" in given else template.activation, template.slope)]
    poolings = [template.pooling] if "pooling" in given else ["max", "average", "trainable"]
    if template.head == "rbf" or template.conv_activation is not None:
        curves, poolings = [(template.activation, template.slope)], [template.pooling]
    paddings = [template.padding] if "padding" in given else _PADDINGS
    for padding, pooling, (activation, slope) in product(paddings, poolings, curves):
        values = {"activation": activation, "slope": slope, "pooling": pooling, "padding": padding}
        if template.conv_activation is not None:
            del values["activation"]
        yield {key: value for key, value in values.items() if key not in given}


def _is_possible(source: Source, template: Template, name: str) -> bool:
    """Whether what the file says of its network, if it says anything, may be this one."""
    try:
        for said in source.said:
            check(said, template.network(), name, ("activation", "pooling"))
    except WeightsError:
        return False
    return True
