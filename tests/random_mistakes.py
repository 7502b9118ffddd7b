"""Networks, models and images that are wrong in one way, for tests/test_random.py: whoever takes them must refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Subsample2x2
from random_networks import networks, seeds, weights_of

NO_COUNT = (
    0,
    -1,
    -(2**40),
    2**31,
    10**30,
    1.5,
    "3",
    None,
    np.nan,
    np.inf,
    [1],
    3 + 0j,
    b"3",
    np.float32(3),
    "x" * 1000,
)
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
    kind = draw(st.sampled_from(sorted(BROKEN)))
    return Mistake(kind, BROKEN[kind](draw, network.input, network.layers, network.head))


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


def wrong_field(draw, size, layers, head):
    """Of a layer: what it is called, counted or sloped by."""
    at = draw(st.integers(0, len(layers) - 1))
    layer = layers[at]
    bad: dict[str, Any] = {}
    fields = {Conv5x5: ("maps", "activation", "padding", "slope"), Subsample2x2: ("pooling", "activation", "slope")}
    match draw(
        st.sampled_from(
            fields.get(type(layer), ("units", "activation", "slope") if isinstance(layer, Dense) else ("classes",))
        )
    ):
        case ("maps" | "units" | "classes") as name:
            bad[name] = draw(st.sampled_from((*NO_COUNT, 65537)))
        case "padding":
            bad["padding"] = draw(st.sampled_from((-1, 5, *NO_COUNT[2:])))
        case "slope":
            bad = {"activation": "leaky_relu", "slope": draw(st.sampled_from((*NO_SLOPE, None)))}
            if draw(st.booleans()):
                bad = {"activation": "tanh", "slope": draw(st.sampled_from((*NO_SLOPE, 0.1, 0)))}
        case name:
            bad[name] = draw(st.sampled_from(NO_WORD))
    return lambda: Network(size, changed(layers, at, replace(layer, **bad)), head)


def wrong_table(draw, size, layers, head):
    maps = size[0]
    rows = ((0,),) * 3
    bad = draw(
        st.sampled_from(
            (*NOTHING, (), rows[:2], (*rows, (0,)), changed(rows, 1, ()), changed(rows, 1, (0, 0)), changed(rows, 1, (maps,)), changed(rows, 1, (-1,)), changed(rows, 1, 0), changed(rows, 1, (0.5,)), changed(rows, 1, ("a",)), changed(rows, 1, (None,)), changed(rows, 1, (2**40,)))
        )
    )  # fmt: skip
    if bad is None:
        bad = ((1, 0),) * 3
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


BROKEN = {f.__name__: f for f in (wrong_size, no_size, no_layers, no_layer, no_head, another_head, wrong_field, wrong_table, wrong_order, too_small)}  # fmt: skip


@st.composite
def broken_models(draw):
    """A model whose parts do not go together."""
    network = draw(networks())
    weights = weights_of(network, "ordinary", draw(seeds))
    part = draw(
        st.sampled_from(
            ("weights", "tensor", "tensor", "tensor", "classes", "preprocess", "calibration", "network", "card")
        )
    )
    if part == "tensor" and not weights:
        part = "weights"
    if part == "tensor":
        name = draw(st.sampled_from(sorted(weights)))
        array = weights[name]
        flawed = array.copy()
        flawed.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from((np.nan, np.inf, -np.inf)))
        bad = draw(st.sampled_from((flawed, array[None], array[..., :-1], np.zeros((*array.shape, 2)), array * 1j, array.astype(str), array.astype(object), np.full(array.shape, 1e39), None, "weights", [[1], [2, 3]], {}, object(), np.ma.masked_array(array, True), array.astype("M8[s]"))))  # fmt: skip
        if bad is not None and isinstance(bad, np.ndarray) and bad.dtype == object:
            bad = bad.copy()
            bad.flat[0] = None
        return Mistake(f"tensor {name} {bad!r:.60}", lambda: Model(network, weights | {name: bad}))
    if part == "weights":
        wrong: list[Any] = [
            weights | {"C99.weight": np.zeros(3)},
            weights | {3: np.zeros(3)},
            *[v for v in NOTHING if not isinstance(v, dict)],
        ]
        if weights:
            wrong += [dict(list(weights.items())[1:]), {}, list(weights.values()), {1: 2}]
        bad = draw(st.sampled_from(wrong))
        return Mistake(f"weights {bad!r:.60}", lambda: Model(network, bad))
    if part == "network":
        bad = draw(st.sampled_from((*NOTHING, "lenet1", network.to_dict())))
        return Mistake(f"network {bad!r:.60}", lambda: Model(bad, weights))
    wrong = [bad for bad in (*NOTHING[1:], "x" * 500) if part != "card" or not isinstance(bad, dict)]
    if part == "classes":
        wrong = [5, 2.5, object(), ["a"] * (network.classes + 1), ["a"] * (network.classes - 1), "ab" * network.classes]
    bad = draw(st.sampled_from(wrong))
    return Mistake(f"{part} {bad!r:.60}", lambda: Model(network, weights, **{part: bad}))


METHODS = ("predict", "scores", "predict_proba", "topk", "features", "activations")


@st.composite
def broken_images(draw):
    """Images that do not fit a network that is right, given to any of its methods."""
    network = draw(networks().filter(lambda n: n.classes > 1 and len(n.layers) > 1))
    model = Model(network, weights_of(network, "ordinary", draw(seeds)))
    channels, height, width = network.input
    right = np.full(
        (draw(st.integers(1, 9)), channels, height, width), 0.5, draw(st.sampled_from((np.float32, np.float64)))
    )
    kind = draw(st.sampled_from(("nothing", "shape", "dtype", "not finite", "a list", "out", "masked")))
    method = draw(st.sampled_from(METHODS))
    arguments = {}
    match kind:
        case "nothing":
            bad: Any = draw(
                st.sampled_from((*NOTHING, set(), iter(()), "digit.png", range(3), [None], [[]], Network, [b"a"]))
            )
        case "shape":
            grown = draw(
                st.sampled_from(
                    (
                        (0, 0, 1, 0),
                        (0, 0, 0, 1),
                        (0, 0, 4, 4),
                        (0, 0, 5000, 5000),
                        (0, 2, 0, 0),
                        (0, 0, -1, -2),
                        (0, 0, 0, 2**33),
                    )
                )
            )
            if (grown[1] and channels == 1 and height == 3) or width == 3:
                grown = (0, 0, 0, 1)
            shape = tuple(max(0, n + more) for n, more in zip(right.shape, grown, strict=True))
            bad = np.broadcast_to(right.flat[0], draw(st.sampled_from((shape, (1, 1, *shape), (*shape, 1, 1)))))
        case "dtype":
            bad = right.astype(
                draw(st.sampled_from((int, np.int8, np.uint16, np.int32, bool, complex, str, object, "M8[s]", "V8")))
            )
        case "not finite":
            bad = right.copy()
            bad.flat[draw(st.integers(0, right.size - 1))] = draw(st.sampled_from((np.nan, np.inf, -np.inf)))
        case "a list":
            bad = [*right, draw(st.sampled_from((right[0][:, :-1], right[0][None], None, "a", 5)))]
        case "out":
            bad, method = right, draw(st.sampled_from(("predict", "scores")))
            arguments["out"] = draw(
                st.sampled_from(
                    (5, [0], np.zeros(99), np.zeros((99, 7), np.float32), np.zeros(len(right), np.int32), right)
                )
            )
        case "masked":
            bad = np.ma.masked_array(right, right > 0.4)
    return Mistake(
        f"{method} of {kind} {bad!r:.80} {arguments!r:.80}", lambda: getattr(model, method)(bad, **arguments)
    )
