"""Networks, models and images that are wrong in one way, for tests/test_random.py: whoever takes them must refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Subsample2x2
from lenet_fast.errors import shown
from random_networks import networks, seeds, weights_of

NO_COUNT = (0, -1, -(2**40), 2**31, 10**30, 10**5000, 1.5, "3", None, np.nan, np.inf, [1], 3j, b"3", np.float32(3), "x" * 1000)  # fmt: skip
NO_WORD = ("Relu", "", "x" * 1000, "line\nbreak", None, 3, True, b"tanh", ("tanh",), np.nan)
NO_SLOPE = (-0.1, 1.5, np.nan, np.inf, "0.1", True, [0.1], 10**400)
NOTHING = (None, 5, 2.5, "abc", object(), {1: 2}, lambda: 0, b"abc", float("nan"))


@dataclass
class Mistake:
    """What is wrong, and the call that must refuse it."""

    what: str
    call: Callable[[], Any]

    def __repr__(self) -> str:
        return f"Mistake({self.what})"


def changed(items, at, item):
    return (*items[:at], item, *items[at + 1 :])


@st.composite
def broken_networks(draw):
    """A network that was right until one thing was changed."""
    network = draw(networks())
    broken = draw(st.sampled_from(BROKEN))
    return Mistake(broken.__name__, broken(draw, network.input, network.layers, network.head))


def wrong_size(draw, size, layers, head):
    bad = draw(st.sampled_from(NO_COUNT))
    size = changed(size, draw(st.integers(0, 2)), bad)
    return lambda: Network(size, layers, head)


def no_size(draw, size, layers, head):
    bad = draw(st.sampled_from((*NOTHING, size[:2], (*size, 1), ())))
    return lambda: Network(bad, layers, head)


def no_layers(draw, size, layers, head):
    bad = draw(st.sampled_from((*NOTHING, ())))
    return lambda: Network(size, bad, head)


def no_layer(draw, size, layers, head):
    bad = draw(st.sampled_from((*NOTHING, Conv5x5, layers)))
    layers = changed(layers, draw(st.integers(0, len(layers) - 1)), bad)
    return lambda: Network(size, layers, head)


def no_head(draw, size, layers, head):
    bad = draw(st.sampled_from(NO_WORD))
    return lambda: Network(size, layers, bad)


def another_head(draw, size, layers, head):
    return lambda: Network(size, layers, "scores" if head == "rbf" else "rbf")


#: Of each kind of layer, what counts, names and slopes it.
FIELDS = {
    Conv5x5: ("maps", "activation", "padding", "slope"),
    Subsample2x2: ("pooling", "activation", "slope"),
    Dense: ("units", "activation", "slope"),
    RBF: ("classes",),
}


def wrong_field(draw, size, layers, head):
    at = draw(st.integers(0, len(layers) - 1))
    bad = draw(wrong_values(draw(st.sampled_from(FIELDS[type(layers[at])]))))
    return lambda: Network(size, changed(layers, at, replace(layers[at], **bad)), head)


def wrong_values(name):
    """Values for a field, or for two that go together, that no layer takes."""
    if name == "slope":
        leaky = st.fixed_dictionaries(
            {"activation": st.just("leaky_relu"), "slope": st.sampled_from((*NO_SLOPE, None))}
        )
        other = st.fixed_dictionaries({"activation": st.just("tanh"), "slope": st.sampled_from((*NO_SLOPE, 0.1, 0))})
        return leaky | other
    bad = {"padding": (-1, 5, *NO_COUNT[2:]), "activation": NO_WORD, "pooling": NO_WORD}
    return st.fixed_dictionaries({name: st.sampled_from(bad.get(name, (*NO_COUNT, 65537)))})


def wrong_table(draw, size, layers, head):
    rows = ((0,),) * 3
    wrong_rows = ((), (0, 0), (size[0],), (-1,), 0, (0.5,), ("a",), (None,), (2**40,), "0", (1, 0))
    bad = draw(
        st.sampled_from((*NOTHING[1:], (), rows[:2], (*rows, (0,)), *(changed(rows, 1, row) for row in wrong_rows)))
    )
    return lambda: Network((size[0], 9, 9), (Conv5x5(3, connections=bad), Dense(2)), "scores")


def wrong_order(draw, size, layers, head):
    behind = draw(st.sampled_from((Conv5x5(2), Subsample2x2())))
    if draw(st.booleans()):
        return lambda: Network(size, (*layers, RBF(2), Dense(3)), "rbf")
    return lambda: Network(size, (Dense(100), behind), "scores")


def too_small(draw, size, layers, head):
    pixels = draw(st.integers(1, 4))
    if draw(st.booleans()):
        return lambda: Network((size[0], 1, size[2]), (Subsample2x2(), Dense(2)), "scores")
    return lambda: Network((size[0], size[1], pixels), (Conv5x5(2), Dense(2)), "scores")


BROKEN = (wrong_size, no_size, no_layers, no_layer, no_head, another_head, wrong_field, wrong_table, wrong_order, too_small)  # fmt: skip


@st.composite
def broken_models(draw):
    """A model whose parts do not go together."""
    network = draw(networks())
    weights = weights_of(network, "ordinary", draw(seeds))
    part = draw(
        st.sampled_from(("weights", *["tensor"] * 3, "classes", "preprocess", "calibration", "network", "card"))
    )
    parts: dict[str, Any] = {"network": network, "weights": weights}
    if part == "tensor" and weights:
        name = draw(st.sampled_from(sorted(weights)))
        parts["weights"] = weights | {name: draw(wrong_tensors(weights[name]))}
    elif part in ("tensor", "weights"):
        parts["weights"] = draw(st.sampled_from(wrong_weights(weights)))
    else:
        parts[part] = draw(st.sampled_from(wrong_parts(part, network.classes)))
    return Mistake(f"{part}: {shown(parts.get(part))}", lambda: Model(**parts))


def wrong_parts(part, classes):
    match part:
        case "classes":
            return [5, 2.5, object(), b"a", ["a"] * (classes + 1), ["a"] * (classes - 1)]
        case "network":
            return [*NOTHING, "lenet1", Network, {"input": [1, 8, 8], "layers": [{}] * 99, "head": "rbf"}]
        case "card":
            return [bad for bad in NOTHING[1:] if not isinstance(bad, dict)]
    return [*NOTHING[1:], "x" * 500]


def wrong_weights(weights):
    """Instead of all of a network's tensors by their names."""
    wrong = [weights | {"C99.weight": np.zeros(3)}, weights | {3: np.zeros(3)}, {1: 2}, *wrong_parts("card", 0), None]
    return wrong + [dict(list(weights.items())[1:]), {}, list(weights.values())] * bool(weights)


@st.composite
def wrong_tensors(draw, array):
    """Instead of a tensor: one number that is none, another shape, no numbers, no array."""
    flawed, hidden = array.copy(), np.ma.masked_array(array, True)
    flawed.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from((np.nan, np.inf, -np.inf)))
    shapes = (array[None], array[..., :-1], np.zeros((*array.shape, 2)), [[1], [2, 3]])
    types = (
        array * 1j,
        array.astype(str),
        np.full(array.shape, None),
        array.astype("M8[s]"),
        None,
        "weights",
        {},
        object(),
    )
    return draw(st.sampled_from((flawed, hidden, np.full(array.shape, 1e39), *shapes, *types)))


METHODS = ("predict", "scores", "predict_proba", "topk", "features", "activations")
TYPES = (int, np.int8, np.uint16, np.int32, bool, complex, str, object, "M8[s]", "V8")


@st.composite
def broken_images(draw):
    """Images that do not fit a network that is right, given to any of its methods."""
    network = draw(networks().filter(lambda n: n.classes > 1 and len(n.layers) > 1))
    model = Model(network, weights_of(network, "ordinary", draw(seeds)))
    shape = (draw(st.integers(1, 9)), *network.input)
    right = np.full(shape, 0.5, draw(st.sampled_from((np.float32, np.float64))))
    method = getattr(model, draw(st.sampled_from(METHODS)))
    match kind := draw(st.sampled_from(("nothing", "shape", "type", "not finite", "a list", "masked", "out"))):
        case "nothing":
            bad: Any = draw(st.sampled_from((*NOTHING, set(), iter(()), range(3), [None], [[]], Network, [b"a"])))
        case "shape":
            bad = np.broadcast_to(right.flat[0], draw(wrong_shapes(shape)))
        case "type":
            bad = right.astype(draw(st.sampled_from(TYPES)))
        case "not finite":
            bad = right.copy()
            bad.flat[draw(st.integers(0, right.size - 1))] = draw(st.sampled_from((np.nan, np.inf, -np.inf)))
        case "a list":
            bad = [*right, draw(st.sampled_from((right[0][:, :-1], right[0][None], None, "a", 5)))]
        case "masked":
            bad = np.ma.masked_array(right, right > 0.4)
        case "out":
            outs = (5, [0], np.zeros(99), np.zeros((99, 7), np.float32), np.zeros(len(right), np.int32), right)
            into, out = draw(st.sampled_from((model.predict, model.scores))), draw(st.sampled_from(outs))
            return Mistake(f"{kind}: {shown(out)}", lambda: into(right, out=out))
    return Mistake(f"{method.__name__} of {kind}: {shown(bad)}", lambda: method(bad))


def wrong_shapes(shape):
    """Larger, smaller, endless (an array may repeat its values), or with axes that mean nothing."""
    n, channels, height, width = shape
    wrong = (n, channels, height, width + 1), (n, channels, height + 4, width + 4), (n, channels, height, 2**33)
    return st.sampled_from((*wrong, (1, 1, *shape), (*shape, 1, 1), (n, channels + 5000, height, width)))
