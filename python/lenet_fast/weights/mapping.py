"""Named arrays without a graph -> the tensors of a network that the user names.

Names differ from trainer to trainer, so shapes decide and names only confirm: every tensor of the network is one record
(its place, the shapes it may have in each order of axes), and every array of the file must find its place, or the
file is not this network's. What fits in two ways is a question to the user, never a guess.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import rbf_codes
from ..errors import WeightsError
from ..network import RBF, Conv5x5, Dense, Network, Subsample2x2
from ..networks import TEMPLATES, Template
from .source import Layout, Source, Tensors

_KERNELS = {"OIHW": (0, 1, 2, 3), "HWIO": (3, 2, 0, 1), "OHWI": (0, 3, 1, 2), "IOHW": (1, 0, 2, 3)}
#: Arrays beside the weights that have their shapes: an optimiser's memory, statistics of a training run.
_BESIDES = re.compile(
    r"(^|[./:_ ])(optim\w*|opt|exp_avg\w*|momentum\w*|velocity|adam\w*|nadam|rmsprop\w*|adagrad\w*|adadelta\w*|sgd\w*"
    r"|moments?|slots?|scheduler\w*|beta[12]_power|exponentialmovingaverage|global_step|num_batches_tracked|history"
    r"|losses|train_loss\w*|seed_generator\w*|iterations?|learning_rate|epochs?)($|[./:_ 0-9])",
    re.IGNORECASE,
)
_NORMALISATION = re.compile(r"(running_(mean|var)|moving_(mean|variance)|batch_?norm)", re.IGNORECASE)
_BIAS = re.compile(r"(^|[./_ ])(bias(es)?|b|beta|shift|offset)(:0|\d*)$|^b\d+$|bias", re.IGNORECASE)
_COEFFICIENT = re.compile(r"(^|[./_ ])(coefficients?|coeff?s?|weights?|w|scale|gain|alpha|a|k)(:0|\d*)$", re.IGNORECASE)
_ROLE = re.compile(r"(weights?|kernel|biases|bias|coefficients?|[wb])(:0)?(?=$|[_./\d])", re.IGNORECASE)


@dataclass(frozen=True)
class Answers:
    """What the user says of things that shapes do not tell; None leaves it open.

    Parameters
    ----------
    flatten
        "CHW" or "HWC": the order in which maps became a vector.
    coefficients
        "sum" or "mean": what a trainable subsampling's coefficient is multiplied with.
    compact
        "ascending" or "wrapped": the order of the kernels of a C3 map that are stored without gaps, by input map, or
        as the paper's neighbours wrap round (4, 5, 0).
    """

    flatten: str | None = None
    coefficients: str | None = None
    compact: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("flatten", "CHW HWC"), ("coefficients", "sum mean"), ("compact", "ascending wrapped")):
            value = getattr(self, name)
            if value is not None and value not in allowed.split():
                raise ValueError(f"{name}: wanted {' or '.join(allowed.split())}, found {value!r}")


class OpenQuestionError(WeightsError):
    """What fits in more than one way: the keyword that settles it, and what it may be."""

    def __init__(self, sentence: str, keyword: str, choices: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.keyword, self.choices = keyword, choices


def relevant(tensors: Mapping[str, NDArray[Any]]) -> Tensors:
    """The arrays that can be weights: real numbers with axes, no optimiser's memory."""
    kept = {}
    for name, array in tensors.items():
        if _BESIDES.search(name) or array.ndim == 0 or array.dtype.kind not in "fiu" or not array.size:
            continue
        flat = sum(n > 1 for n in array.shape) == 1 and array.ndim > 1 and _BIAS.search(name)
        kept[name] = array.ravel() if flat else array  # (1, n), (n, 1), (1, n, 1, 1): a vector all the same
    return _stacked(kept)


def _stacked(tensors: Tensors) -> Tensors:
    """Kernels that are stored one tensor per map (conv1.0, conv1.1, ...) as one tensor, and their biases too."""
    runs: dict[str, list[str]] = {}
    for name in tensors:
        numbers = list(re.finditer(r"\d+", name))
        if numbers:
            runs.setdefault(name[: numbers[-1].start()] + "#" + name[numbers[-1].end() :], []).append(name)
    joined: dict[str, Tensors] = {}
    for pattern, names in runs.items():
        arrays = [tensors[name] for name in sorted(names, key=_natural)]
        shape = arrays[0].shape
        if len(arrays) < 2 or any(array.shape != shape for array in arrays):
            continue
        if shape[-2:] == (5, 5) and len(shape) <= 4 and (len(shape) < 4 or shape[0] == 1):
            joined[names[0]] = {pattern: np.stack([array.reshape(-1, 5, 5) for array in arrays])}
        elif shape == (1,):
            joined[names[0]] = {pattern: np.concatenate(arrays)}
    inside = {name for names in runs.values() if names[0] in joined for name in names}
    found: Tensors = {}
    for name, array in tensors.items():
        found.update(joined.get(name, {} if name in inside else {name: array}))
    return found


def fitted(template: Template, tensors: Tensors, chosen: Mapping[str, Any]) -> list[Template]:
    """The template with the channels, classes, image size and padding that the arrays have; none if it does not fit.

    `chosen` are fields that the user has settled. Sizes that the template itself has come first.
    """
    shapes = {tuple(sorted(array.squeeze().shape)) for array in tensors.values()}
    shapes |= {tuple(sorted(array.shape)) for array in tensors.values()}
    classes = sorted({n for shape in shapes if len(shape) == 2 for n in shape if 1 < n <= 1024})
    sizes = [
        (template.side, template.padding),
        (28, (0, 0)),
        (28, (2, 0)),
        (28, (2, 2)),
        (32, (0, 0)),
        (32, (2, 0)),
        (32, (2, 2)),
    ]
    found: list[Template] = []
    for (side, padding), channels, count in product(dict.fromkeys(sizes), (template.channels, 1, 3), classes):
        one = replace(template, **{"side": side, "padding": padding, "channels": channels, "classes": count, **chosen})
        if one in found:
            continue
        try:
            network = one.network()
        except ValueError:
            continue
        if all(_present(one_of, shapes) for one_of in _kernel_shapes(network, tensors)):
            found.append(one)
    return found


def _kernel_shapes(network: Network, tensors: Tensors) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The shapes of which one must be in the file, for each kernel; compact C3 kernels and codes excepted.

    A full connection of maps may be stored as a convolution as large as they are, and the other way round.
    """
    before = network.input
    for layer, figures in zip(network.layers, network.figures, strict=True):
        shape = next(iter(figures.parameters.values()), ())
        compact = isinstance(layer, Conv5x5) and layer.connections and next(_compact(layer, tensors), None)
        if len(shape) > 1 and not isinstance(layer, RBF) and not compact:
            yield shape, (shape[0], math.prod(shape[1:])), (shape[0], *before)
        before = figures.output


def _present(alternatives: tuple[tuple[int, ...], ...], shapes: set[tuple[int, ...]]) -> bool:
    """Whether one of the shapes is there, in any order of axes."""
    return any(tuple(sorted(s)) in shapes or tuple(sorted(n for n in s if n > 1)) in shapes for s in alternatives)


def names_that_fit(source: Source) -> list[str]:
    """The named networks that these arrays can be the weights of, whatever is still open."""
    found = []
    for name, template in TEMPLATES.items():
        for one in fitted(template, relevant(source.tensors), {})[:1]:
            with contextlib.suppress(WeightsError):
                assign(source, one.network(), Answers("CHW", "sum", "ascending"))
                found.append(name)
    return found


@dataclass
class _Pool:
    """The arrays that have no place yet."""

    tensors: Tensors
    order: list[str]

    def take(self, name: str) -> NDArray[Any]:
        self.order.remove(name)
        return self.tensors[name]


def assign(source: Source, network: Network, answers: Answers) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the network's tensors, and the source name of each; WeightsError says what does not fit or is not told."""
    tensors = relevant(source.tensors)
    for name in tensors:
        if _NORMALISATION.search(name):
            raise WeightsError(
                f"{name}: wanted weights of convolutions and full connections, found batch normalisation; a file "
                "without "
                "a graph does not say whether it comes before or after the activation: export the model to ONNX, or "
                "use lenet_fast.from_torch or from_keras"
            )
    if set(network.parameters) <= set(tensors) and all(tensors[n].shape == s for n, s in network.parameters.items()):
        return _own(network, tensors)
    pool = _Pool(tensors, list(tensors))
    layout = _settled(source.layout, network, tensors)
    weights: dict[str, NDArray[Any]] = {}
    sources: dict[str, str] = {}
    stems: dict[str, str] = {}  # of the layers' kernels
    shape = network.input
    flat = False
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if not isinstance(layer, Subsample2x2):
            weight = next(iter(figures.parameters))
            found, names = _kernel(layer, figures.parameters[weight], shape, flat, pool, layout, answers, weight)
            weights[weight], sources[weight] = found, ", ".join(names) or "the paper's codes"
            stems[weight] = names[0] if names else ""
        shape = figures.output
        flat = flat or isinstance(layer, Dense)
    _pairs(network, pool, answers, weights, sources)
    _biases(network, pool, weights, sources, stems)
    if pool.order:
        name = pool.order[0]
        raise WeightsError(
            f"{name}: wanted only tensors of {_described(network)}, found one of shape {tensors[name].shape} that "
            "no layer takes; name another network, or take it out with lenet_fast.from_state_dict"
        )
    return weights, sources


def _own(network: Network, tensors: Tensors) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Our own names, in our own order of axes."""
    extra = sorted(set(tensors) - set(network.parameters))
    if extra:
        raise WeightsError(f"{extra[0]}: wanted only {', '.join(network.parameters)}, found a tensor that no layer has")
    return {n: _masked(network, n, tensors[n]) for n in network.parameters}, {n: n for n in network.parameters}


def _masked(network: Network, name: str, weight: NDArray[Any]) -> NDArray[Any]:
    """Zeros where the connection table has no connection: what was left there by an initialisation never took part."""
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if isinstance(layer, Conv5x5) and layer.connections and name == next(iter(figures.parameters)):
            mask = np.zeros((*weight.shape[:2], 1, 1), bool)
            for output, inputs in enumerate(layer.connections):
                mask[output, list(inputs)] = True
            return np.where(mask, weight, np.zeros((), weight.dtype))
    return weight


def _described(network: Network) -> str:
    shapes = ", ".join(f"{n} {s}" for n, s in network.parameters.items() if len(s) > 1)
    return f"the network ({shapes})"


# --- the orders of axes ---


def _settled(layout: Layout, network: Network, tensors: Tensors) -> Layout:
    """A layout whose orders are known where all the file's arrays agree on one."""
    kernels, dense = layout.kernels, layout.dense
    wanted = [s for n, s in network.parameters.items() if len(s) == 4 and s[2:] == (5, 5)]
    if kernels is None:
        fits = [
            order for order in _KERNELS if any(_transposes(a, s, order) for a in tensors.values() for s in wanted[:2])
        ]
        fits = [o for o in fits if all(any(_transposes(a, s, o) for a in tensors.values()) for s in wanted[:2])] or fits
        kernels = fits[0] if len(fits) == 1 else None
    if dense is None:
        flats = [s for n, s in network.parameters.items() if len(s) == 2]
        pairs = {a.shape for a in tensors.values() if a.ndim == 2}
        orders = [
            o
            for o, turn in (("OI", False), ("IO", True))
            if flats and all((s[::-1] if turn else s) in pairs for s in flats if s in pairs or s[::-1] in pairs)
        ]
        dense = orders[0] if len(orders) == 1 else None
    flatten = layout.flatten
    if flatten is None:
        names = " ".join(tensors)
        if kernels == "OIHW" and dense == "OI" and re.search(r"\.weight\b", names):
            flatten = "CHW"
        elif kernels == "HWIO" and dense == "IO" and re.search(r"kernel", names):
            flatten = "HWC"
    return Layout(kernels, dense, flatten)


def _transposes(array: NDArray[Any], shape: Sequence[int], order: str) -> bool:
    if array.ndim != 4:
        return False
    return tuple(array.shape[axis] for axis in _KERNELS[order]) == tuple(shape)


def _as_kernels(array: NDArray[Any], shape: Sequence[int], layout: Layout) -> list[NDArray[Any]]:
    """The array in our order of axes, in every reading that gives `shape`."""
    orders = [layout.kernels] if layout.kernels else list(_KERNELS)
    return [np.transpose(array, _KERNELS[order]) for order in orders if order and _transposes(array, shape, order)]


def _as_dense(array: NDArray[Any], shape: Sequence[int], layout: Layout) -> list[NDArray[Any]]:
    array = array.reshape([n for n in array.shape if n > 1]) if array.ndim > 2 and array.squeeze().ndim == 2 else array
    if array.ndim != 2:
        return []
    readings = []
    if layout.dense in ("OI", None) and array.shape == tuple(shape):
        readings.append(array)
    if layout.dense in ("IO", None) and array.shape[::-1] == tuple(shape):
        readings.append(array.T)
    return readings


# --- kernels ---


def _kernel(
    layer: Any,
    shape: tuple[int, ...],
    before: tuple[int, int, int],
    flat: bool,
    pool: _Pool,
    layout: Layout,
    answers: Answers,
    name: str,
) -> tuple[NDArray[Any], list[str]]:
    """The array for one layer's kernel, in our order of axes, and its source names."""
    if isinstance(layer, RBF):
        return _codes(shape, pool, layout)
    if isinstance(layer, Conv5x5) and layer.connections and (compact := _from_compact(layer, pool, answers, layout)):
        return compact
    maps, height, width = before
    vector = (shape[0], math.prod(shape[1:]))
    found: list[tuple[str, list[NDArray[Any]]]] = []
    for source in pool.order:
        array = pool.tensors[source]
        readings = _as_kernels(array, shape, layout) if len(shape) == 4 else []
        if not flat and height == width and (len(shape) == 2 or before[1:] == (5, 5)):
            readings += _as_kernels(array, (shape[0], maps, height, width), layout)
        if flat or (maps, height, width) == (maps, 1, 1) or not _as_dense(array, vector, layout):
            readings += _as_dense(array, vector, layout) if flat or len(shape) == 2 else []
        elif len(shape) == 2 or before[1:] == (5, 5):
            readings += [_unflattened(a, before, layout, answers, source) for a in _as_dense(array, vector, layout)]
        readings = [r.reshape(shape) for r in readings]
        if readings:
            found.append((source, _different(readings)))
    if not found:
        _refuse_kernel(name, shape, pool)
    source, readings = _first(name, shape, found)
    if len(readings) > 1:
        raise WeightsError(
            f"{source}: wanted axes whose order can be told, found shape {pool.tensors[source].shape}, which reads in "
            f"{len(readings)} ways as {name}; export the model to ONNX, or transpose the arrays to "
            "(outputs, inputs, rows, columns) and (outputs, inputs) and name them as lenet_fast does"
        )
    array = readings[0]
    pool.take(source)
    if isinstance(layer, Conv5x5) and layer.connections:
        mask = np.zeros((*shape[:2], 1, 1), bool)
        for output, inputs in enumerate(layer.connections):
            mask[output, list(inputs)] = True
        array = np.where(mask, array, np.zeros((), array.dtype))
    return array, [source]


def _different(readings: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
    kept: list[NDArray[Any]] = []
    for reading in readings:
        if not any(np.array_equal(reading, other) for other in kept):
            kept.append(reading)
    return kept


def _first(
    name: str, shape: tuple[int, ...], found: list[tuple[str, list[NDArray[Any]]]]
) -> tuple[str, list[NDArray[Any]]]:
    """The one that comes first in the file, if by number it does so too."""
    by_number = sorted(found, key=lambda item: _natural(item[0]))
    if found[0][0] != by_number[0][0]:
        raise WeightsError(
            f"{name}: wanted one tensor of shape {shape}, found {found[0][0]!r} first in the file and "
            f"{by_number[0][0]!r} first by name; pass the right ones, under lenet_fast's names, to "
            "lenet_fast.from_state_dict"
        )
    return found[0]


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _refuse_kernel(name: str, shape: tuple[int, ...], pool: _Pool) -> None:
    for source in pool.order:
        array = pool.tensors[source]
        if array.ndim == 4 and 5 not in array.shape:
            raise WeightsError(
                f"{name}: wanted {shape}, found {array.shape} in {source!r}; only 5x5 kernels are supported"
            )
    shapes = ", ".join(f"{n} {pool.tensors[n].shape}" for n in pool.order[:12]) or "no tensors"
    raise WeightsError(
        f"{name}: wanted {shape} in some order of axes, found {shapes}; name the network that these weights are of"
    )


def _unflattened(
    weight: NDArray[Any], before: tuple[int, int, int], layout: Layout, answers: Answers, source: str
) -> NDArray[Any]:
    """A full connection of flattened maps, its inputs put in the order (map, row, column)."""
    maps, height, width = before
    order = answers.flatten or layout.flatten
    if maps == 1 or height * width == 1:
        return weight
    if order is None:
        raise OpenQuestionError(
            f"{source}: wanted to know in which order {maps} maps of {height}x{width} became {weight.shape[1]} inputs, "
            "found nothing that tells; pass flatten='CHW' (PyTorch, Caffe) or flatten='HWC' (Keras, TensorFlow, JAX)",
            "flatten",
            ("CHW", "HWC"),
        )
    if order == "CHW":
        return weight
    return np.asarray(weight.reshape(len(weight), height, width, maps).transpose(0, 3, 1, 2).reshape(len(weight), -1))


def _codes(shape: tuple[int, ...], pool: _Pool, layout: Layout) -> tuple[NDArray[Any], list[str]]:
    """The file's RBF codes, or the paper's."""
    for source in list(pool.order):
        readings = _different(_as_dense(pool.tensors[source], shape, Layout()))
        if len(readings) == 1:
            pool.take(source)
            return readings[0], [source]
    if shape != (10, 84):
        raise WeightsError(f"output.weight: wanted RBF codes of shape {shape}, found none; put them into the file")
    return rbf_codes(), []


# --- C3 without gaps ---

_WRAPPED = {
    (0, 4, 5): (4, 5, 0),
    (0, 1, 5): (5, 0, 1),
    (0, 3, 4, 5): (3, 4, 5, 0),
    (0, 1, 4, 5): (4, 5, 0, 1),
    (0, 1, 2, 5): (5, 0, 1, 2),
}


def _compact(layer: Conv5x5, tensors: Tensors) -> Iterator[list[str]]:
    """Tensors that together hold one kernel per connection: one tensor per map, per group of maps, or one in all."""
    assert layer.connections
    counts = [len(row) for row in layer.connections]
    run: list[str] = []
    at = 0
    for name, array in tensors.items():
        if (array.ndim == 3 and array.shape == (sum(counts), 5, 5)) or array.shape == (sum(counts), 1, 5, 5):
            yield [name]
            return
        if array.ndim == 4 and array.shape[2:] == (5, 5) and at < len(counts):
            maps, inputs = array.shape[:2]
            if at + maps <= len(counts) and all(c == inputs for c in counts[at : at + maps]):
                run.append(name)
                at += maps
    if at == len(counts) and len(run) > 1:
        yield run


def _from_compact(
    layer: Conv5x5, pool: _Pool, answers: Answers, layout: Layout
) -> tuple[NDArray[Any], list[str]] | None:
    assert layer.connections
    names = next(_compact(layer, {n: pool.tensors[n] for n in pool.order}), None)
    if names is None:
        return None
    wraps = any(row in _WRAPPED for row in layer.connections)
    if wraps and answers.compact is None:
        raise OpenQuestionError(
            f"{names[0]}: wanted to know which input map each kernel of the connection table belongs to, found kernels "
            "without gaps; pass compact='ascending' if they are in the order of the input maps (0, 4, 5), "
            "compact='wrapped' if neighbours wrap round (4, 5, 0)",
            "compact",
            ("ascending", "wrapped"),
        )
    kernels = np.concatenate([pool.take(n).reshape(-1, 5, 5) for n in names])
    inputs = 1 + max(max(row) for row in layer.connections)
    result = np.zeros((layer.maps, inputs, 5, 5), kernels.dtype)
    at = 0
    for output, row in enumerate(layer.connections):
        ordered = _WRAPPED.get(row, row) if answers.compact == "wrapped" else row
        result[output, list(ordered)] = kernels[at : at + len(row)]
        at += len(row)
    return result, names


# --- vectors ---


def _stem(name: str) -> str:
    """A name without the part that says weight or bias: what a layer's tensors share."""
    return _ROLE.sub("", name.lower().replace(":0", "")).strip("./_ ")


def _pairs(
    network: Network, pool: _Pool, answers: Answers, weights: dict[str, NDArray[Any]], sources: dict[str, str]
) -> None:
    """Coefficients and biases of trainable subsampling: pairs of vectors whose layer has no kernel."""
    kernels = {_stem(s.split(", ")[0]) for s in sources.values()}
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if not isinstance(layer, Subsample2x2) or not figures.parameters:
            continue
        (coefficient, shape), (bias, _) = figures.parameters.items()
        found: dict[str, list[str]] = {}
        for name in pool.order:
            if pool.tensors[name].size in (shape[0], 1) and _stem(name) not in kernels:
                found.setdefault(_stem(name), []).append(name)
        pairs = [names for names in found.values() if len(names) == 2]
        roles = [sorted(names, key=lambda n: bool(_BIAS.search(n))) for names in pairs]
        roles = [names for names in roles if not _BIAS.search(names[0]) and _BIAS.search(names[1])]
        if not roles:
            raise WeightsError(
                f"{coefficient}: wanted coefficients and biases of trainable subsampling, two vectors of "
                f"{shape[0]}, found "
                "none that are named as such; name the network without trainable subsampling, or pass the tensors "
                "under lenet_fast's names to lenet_fast.from_state_dict"
            )
        names = roles[0]
        factor = {"sum": 1.0, "mean": 0.25}.get(answers.coefficients or "")
        if factor is None:
            raise OpenQuestionError(
                f"{names[0]}: wanted to know whether coefficients are on the sum of four values or on their mean, "
                "found nothing that tells; pass coefficients='sum' (as in the 1998 paper) or 'mean' (average pooling)",
                "coefficients",
                ("sum", "mean"),
            )
        weights[coefficient] = np.broadcast_to(pool.take(names[0]).astype(np.float64).ravel() * factor, shape)
        weights[bias] = np.broadcast_to(pool.take(names[1]).ravel(), shape)
        sources[coefficient], sources[bias] = names


def _biases(
    network: Network,
    pool: _Pool,
    weights: dict[str, NDArray[Any]],
    sources: dict[str, str],
    stems: dict[str, str],
) -> None:
    """The biases of convolutions and full connections: by layer name, then size and order; zeros if absent."""
    open_places: list[tuple[str, int]] = []
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if isinstance(layer, (Subsample2x2, RBF)):
            continue
        (weight, _), (bias, shape) = figures.parameters.items()
        stem = _stem(stems[weight])
        twins = [n for n in pool.order if _stem(n) == stem and pool.tensors[n].size == shape[0]]
        if len(twins) == 1 and (stem or len(pool.order) == 1):
            weights[bias], sources[bias] = pool.take(twins[0]).ravel(), twins[0]
        else:
            open_places.append((bias, shape[0]))
    for size in {n for _, n in open_places}:
        places = [name for name, n in open_places if n == size]
        vectors = [n for n in pool.order if pool.tensors[n].size == size and pool.tensors[n].squeeze().ndim <= 1]
        if vectors and len(vectors) != len(places):
            raise WeightsError(
                f"{places[0]}: wanted {len(places)} bias vectors of {size}, found {len(vectors)} "
                f"({', '.join(vectors)}) whose "
                "names do not say which is which; pass the tensors under lenet_fast's names to "
                "lenet_fast.from_state_dict"
            )
        for name, vector in zip(places, sorted(vectors, key=_natural), strict=True) if vectors else ():
            weights[name], sources[name] = pool.take(vector).ravel(), vector
    for name, size in open_places:
        weights.setdefault(name, np.zeros(size, np.float32))
        sources.setdefault(name, "absent: zeros")
