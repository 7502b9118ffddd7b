"""Named arrays without a graph -> the tensors of a network that the user names.

Names differ from trainer to trainer, so shapes decide and names only confirm: every tensor of the network is one record
(its place, the shapes it may have in each order of axes), and every array of the file must find its place, or the
file is not this network's. What fits in two ways is a question to the user, never a guess.

Kernels come first, in the order of the layers; each takes its array out of the pool of those that have no place yet.
The vectors that are left then go to the kernels that they share a name with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import OpenQuestionError, OverBudgetError, WeightsError, refuse
from ...network import Network
from ..source import UNKNOWN, Layout, Source, Tensors
from .answers import Answers
from .axes import settled
from .foreign import GRAPH_WANTED, refuse_normalisation
from .kernels import kernel, masked
from .pieces import whole_or_pieces
from .places import places
from .relevant import relevant
from .vectors import biases, pairs

#: The network's tensors, and the source name of each.
Assigned: TypeAlias = tuple[dict[str, NDArray[Any]], dict[str, str]]


def assign(source: Source, network: Network, answers: Answers) -> Assigned:
    """Return the network's tensors, and the source name of each; WeightsError says what does not fit or is not told."""
    tensors = relevant(source.tensors)
    refuse_normalisation(tensors)
    if all(name in tensors and tensors[name].shape == shape for name, shape in network.parameters.items()):
        return _own(network, tensors)
    found: list[Assigned] = []
    failures: list[WeightsError] = []
    for reading in whole_or_pieces(tensors):
        try:
            found.append(_assigned(reading, source.layout, network, answers))
        except OverBudgetError:
            raise
        except WeightsError as error:
            failures.append(error)
    open_questions = [error for error in failures if isinstance(error, OpenQuestionError)]
    if open_questions or not found:
        raise open_questions[0] if open_questions else _of_the_nearer(failures, network)
    first, *others = found
    if any(not np.array_equal(first[0][name], other[0][name]) for other in others for name in first[0]):
        _refuse_pieces(network)
    return first


def _assigned(tensors: Tensors, layout: Layout, network: Network, answers: Answers) -> Assigned:
    """One reading of the file's arrays."""
    if any(said and known and said != known for said, known in _said_and_known(layout, answers)):
        layout = UNKNOWN  # who wrote them in another order than the format's framework is not that framework
    layout = settled(layout, network, tensors)
    layout = replace(layout, flatten=answers.flatten or layout.flatten)
    pool, to_fill = dict(tensors), places(network)
    kernels = {place.name: kernel(to_fill[i:], pool, layout, answers) for i, place in enumerate(to_fill)}
    coefficients = pairs(network, pool, kernels, answers.coefficients)
    filled = kernels | coefficients | biases(to_fill, pool, kernels)
    _refuse_rest(network, pool)
    return {name: f.array for name, f in filled.items()}, {name: f.source for name, f in filled.items()}


def _said_and_known(layout: Layout, answers: Answers) -> list[tuple[str | None, str | None]]:
    return [(answers.kernels, layout.kernels), (answers.dense, layout.dense)]


def _of_the_nearer(failures: Sequence[WeightsError], network: Network) -> WeightsError:
    """The failure of the reading that came further in the network."""
    order = list(network.parameters)
    return max(failures, key=lambda error: order.index(error.what) if error.what in order else len(order))


def _refuse_pieces(network: Network) -> NoReturn:
    """Joined and as they are, the arrays fill the network with other kernels."""
    wanted = "one reading of single maps' kernels, as layers of their own or as pieces of one"
    way_out = "pass the tensors under lenet_fast's names to lenet_fast.from_state_dict"
    refuse(next(iter(network.parameters)), wanted, "both", way_out)


def _own(network: Network, tensors: Tensors) -> Assigned:
    """Our own names, in our own order of axes."""
    extra = sorted(set(tensors) - set(network.parameters))
    if extra:
        refuse(extra[0], f"only {', '.join(network.parameters)}", "a tensor that no layer has")
    tables = {place.name: place.table for place in places(network)}
    weights = {name: masked(tensors[name], tables.get(name, ())) for name in network.parameters}
    return weights, {name: name for name in weights}


def _refuse_rest(network: Network, pool: Tensors) -> None:
    """Arrays that have no place; one value per map may be batch normalisation, whatever its name is."""
    sizes = {shape[0] for shape in network.parameters.values()}
    for name, array in pool.items():
        shapes = ", ".join(f"{n} {shape}" for n, shape in network.parameters.items() if len(shape) > 1)
        found = f"one of shape {array.shape} that no layer takes"
        way_out = "name another network; if it is no part of one, pass the others to lenet_fast.from_state_dict"
        if array.squeeze().ndim <= 1 and array.size in sizes:
            found, way_out = f"{found}, one value for each map or unit, as batch normalisation has", GRAPH_WANTED
        refuse(name, f"only tensors of the network ({shapes})", found, way_out)
