"""graphs/coreml_layers.py: what each layer computes, beside PyTorch in float64, and what is refused of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")

import torch
from protobuf_bytes import message
from test_coreml import (
    ACTIVATION,
    CONVOLUTION,
    FLATTEN,
    INNER_PRODUCT,
    POOLING,
    SOFTMAX_ND,
    array,
    border,
    convolution,
    floats,
    inner_product,
    loaded,
    model,
    pooling,
    refused,
)  # fmt: skip
from torch.nn import functional

RANDOM = np.random.default_rng(11)
KERNELS, SHIFTS = RANDOM.normal(size=(3, 1, 5, 5)), RANDOM.normal(size=3)
ROWS, ENDS = RANDOM.normal(size=(4, 12)), RANDOM.normal(size=4)
IMAGES = RANDOM.normal(size=(32, 1, 8, 8)).astype(np.float32)
PRODUCTS = RANDOM.normal(size=(12, 12))
ONE, TWO, THREE = (RANDOM.normal(size=3) for _ in range(3))
SPREAD = RANDOM.uniform(1, 2, 3)
SCALE, BIAS, BATCH_NORM, UNARY, ADD, MULTIPLY, CLIP = 245, 250, 160, 220, 230, 231, 660
PERMUTE, TRANSPOSE, SQUEEZE, EXPAND, ROWS_OF_TWO = 310, 985, 1120, 1125, 1130
RESHAPE_OLD, PADDING, CONSTANT_PAD, PRODUCT, SUM_OF_SQUARES, SUBTRACT = 300, 200, 1155, 1045, 1290, 905


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.mlmodel"


def tensor(values):
    return torch.from_numpy(np.float32(values).astype(np.float64))


def channels(values):
    return tensor(values).reshape(1, -1, 1, 1)


def scores(behind=lambda x: x, activated=torch.tanh, flat=lambda x: x.flatten(1), last=lambda y: y, padding=0):
    """The small network in float64: convolution, something behind it, pooling, full connection."""
    x = torch.conv2d(torch.from_numpy(IMAGES).double(), tensor(KERNELS), tensor(SHIFTS), padding=padding)
    x = functional.avg_pool2d(activated(behind(x)), 2)
    return last(flat(x) @ tensor(ROWS).T + tensor(ENDS)).numpy()


def layers(
    behind=(), activated=(("t", ACTIVATION, {30: b""}),), flat=(("f", FLATTEN, {}),), last=(), first=(), padding=None
):
    """The same as layers of a file."""
    conv = ("c", CONVOLUTION, convolution(KERNELS, SHIFTS, padding))
    return [
        *first, conv, *behind, *activated, ("p", POOLING, pooling("average")), *flat,
        ("d", INNER_PRODUCT, inner_product(ROWS, ENDS)), *last,
    ]  # fmt: skip


def same(found, wanted):
    assert np.abs(found.scores(IMAGES) - wanted).max() < 1e-5 * np.abs(wanted).max()


def normalised(x):
    return (x - channels(TWO)) / torch.sqrt(channels(SPREAD) + 1e-5) * channels(ONE) + channels(THREE)


NORM = {1: 3, 15: floats(ONE), 16: floats(THREE), 17: floats(TWO), 18: floats(SPREAD)}
#: Layers behind the convolution, and what they compute.
BEHIND = {
    "scale and bias": ((SCALE, {1: (3,), 2: floats(ONE), 3: True, 4: (3,), 5: floats(TWO)}), lambda x: x * channels(ONE) + channels(TWO)),
    "scale with one number": ((SCALE, {1: (1,), 2: floats([2.5])}), lambda x: x * 2.5),
    "scale of maps": ((SCALE, {1: (3, 1, 1), 2: floats(ONE)}), lambda x: x * channels(ONE)),
    "bias": ((BIAS, {1: (3,), 2: floats(ONE)}), lambda x: x + channels(ONE)),
    "bias of maps": ((BIAS, {1: (3, 1, 1), 2: floats(ONE)}), lambda x: x + channels(ONE)),
    "batch normalisation": ((BATCH_NORM, NORM), normalised),
    "linear": ((ACTIVATION, {5: message({1: -1.5, 2: 0.25})}), lambda x: -1.5 * x + 0.25),
    "a number added": ((ADD, {1: 0.75}), lambda x: x + 0.75),
    "a number multiplied": ((MULTIPLY, {1: -0.75}), lambda x: x * -0.75),
    "a first power of something": ((UNARY, {1: 3, 2: 1.0, 4: -0.5, 5: 3.0}), lambda x: 3 * x - 0.5),
    "a first power": ((UNARY, {1: 3, 2: 1.0}), lambda x: x),
    "a copy": ((600, {}), lambda x: x),
    "an order of axes": ((PERMUTE, {1: (0, 1, 2, 3)}), lambda x: x),
    "the order of axes": ((PERMUTE, {}), lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("name", BEHIND)
def test_factors_and_shifts(path, name):
    layer, function = BEHIND[name]
    same(loaded(path, model(layers([("l", *layer)]), array((1, 8, 8)))), scores(function))


ACTIVATED = {
    "scaledTanh": ((ACTIVATION, {31: message({1: 1.7159, 2: 2 / 3})}), lambda x: 1.7159 * torch.tanh(2 / 3 * x)),
    "tanh of newer files": ((760, {}), torch.tanh),
    "ReLU": ((ACTIVATION, {10: b""}), torch.relu),
    "leakyReLU": ((ACTIVATION, {15: message({1: 0.25})}), lambda x: functional.leaky_relu(x, 0.25)),
    "leakyReLU of slope 0": ((ACTIVATION, {15: b""}), torch.relu),
    "PReLU of one slope": ((ACTIVATION, {25: message({1: floats([0.25] * 3)})}), lambda x: functional.leaky_relu(x, 0.25)),
    "thresholdedReLU": ((ACTIVATION, {20: message({1: 0.0})}), torch.relu),
    "clip": ((CLIP, {1: 0.0, 2: 3e38}), torch.relu),
    "threshold of something": ((UNARY, {1: 7, 4: 0.5, 5: 2.0}), lambda x: torch.relu(2 * x + 0.5)),
    "sigmoid": ((ACTIVATION, {40: b""}), torch.sigmoid),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATED)
def test_activations(path, name):
    layer, function = ACTIVATED[name]
    same(loaded(path, model(layers(activated=[("l", *layer)]), array((1, 8, 8)))), scores(activated=function))


def channels_last(x):
    return x.permute(0, 2, 3, 1).flatten(1)


#: Layers between pooling and full connection, where the maps are (1, 3, 2, 2), and the order that comes of them.
FLAT = {
    "nothing, in five axes": (False, [], lambda x: x.flatten(1)),
    "channels last": (False, [(FLATTEN, {1: 1})], channels_last),
    "reshape": (False, [(RESHAPE_OLD, {1: (12, 1, 1)})], lambda x: x.flatten(1)),
    "reshape with a sequence": (False, [(RESHAPE_OLD, {1: (1, 12, 1, 1)})], lambda x: x.flatten(1)),
    "reshape, channels last": (False, [(RESHAPE_OLD, {1: (12, 1, 1), 2: 1})], channels_last),
    "reshape to maps, channels last": (
        False,
        [(RESHAPE_OLD, {1: (2, 3, 2), 2: 1}), (FLATTEN, {})],
        lambda x: x.permute(0, 2, 3, 1).reshape(-1, 3, 2, 2).permute(0, 3, 1, 2).flatten(1),
    ),
    "columns first": (False, [(PERMUTE, {1: (0, 3, 1, 2)}), (FLATTEN, {})], lambda x: x.permute(0, 3, 1, 2).flatten(1)),
    "transposed": (True, [(TRANSPOSE, {1: (0, 2, 3, 1)}), (1140, {1: (1, 12)})], channels_last),
    "reshape with an open size": (True, [(1140, {1: (1, -1)})], lambda x: x.flatten(1)),
    "two axes": (True, [(ROWS_OF_TWO, {1: 1})], lambda x: x.flatten(1)),
    "the same rank": (True, [(1150, {1: (0, 12, 1, -1)})], lambda x: x.flatten(1)),
    "axes more and less": (True, [(EXPAND, {1: (0,)}), (SQUEEZE, {1: (0,)}), (ROWS_OF_TWO, {1: 1})], lambda x: x.flatten(1)),
    "no axes of one": (True, [(1140, {1: (1, 1, 12)}), (SQUEEZE, {2: True}), (EXPAND, {1: (0,)})], lambda x: x.flatten(1)),
    "one axis alone": (True, [(1140, {1: (12,)})], lambda x: x.flatten(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAT)
def test_maps_become_a_vector_in_the_order_of_the_file(path, name):
    exact, parts, function = FLAT[name]
    between = [(f"l{n}", *part) for n, part in enumerate(parts)]
    given = array((1, 1, 8, 8) if exact else (1, 8, 8))
    same(loaded(path, model(layers(flat=between), given, exact=exact)), scores(flat=function))


def test_a_border_is_padding(path):
    wanted = scores(padding=2, flat=lambda x: functional.avg_pool2d(x, 2).flatten(1))
    pooled = [("p2", POOLING, pooling("average")), ("f", FLATTEN, {})]
    for exact, layer in (
        (False, (PADDING, {1: b"", 10: message({10: [message({1: 2, 2: 2})] * 2})})),
        (True, (CONSTANT_PAD, {2: (0, 0, 0, 0, 2, 2, 2, 2)})),
    ):
        given = array((1, 1, 8, 8) if exact else (1, 8, 8))
        same(loaded(path, model(layers(first=[("b", *layer)], flat=pooled), given, exact=exact)), wanted)
    same(loaded(path, model(layers(padding={50: border(2)}, flat=pooled), array((1, 8, 8)))), wanted)


def test_values_behind_a_full_connection_lie_along_the_third_last_axis(path):
    """So that what is added to each of them is not taken for something else."""
    shift = RANDOM.normal(size=(1, 4, 1, 1))
    last = [("s", SCALE, {1: (4,), 2: floats(ENDS)}), ("a", 880, {}, "shift")]
    wanted = scores(last=lambda y: y * tensor(ENDS) + tensor(shift.ravel()))
    same(loaded(path, model(layers(last=last), array((1, 8, 8)), constants={"shift": shift})), wanted)


def test_a_product_with_weights_of_its_own(path):
    flat = [
        ("f", 1140, {1: (1, 12)}),
        ("m", PRODUCT, {5: 12, 6: 12, 7: True, 8: floats(PRODUCTS), 9: floats(PRODUCTS[0])}),
    ]
    found = loaded(path, model(layers(flat=flat), array((1, 1, 8, 8)), exact=True))
    same(found, scores(flat=lambda x: x.flatten(1) @ tensor(PRODUCTS).T + tensor(PRODUCTS[0])))


@pytest.mark.parametrize("squares", [True, False])
def test_distances_to_codes(path, squares):
    codes = RANDOM.choice([-1.0, 1.0], (5, 4))
    ends = [("q", SUM_OF_SQUARES, {1: (-1,)})] if squares else [("q", UNARY, {1: 3, 2: 2.0}), ("s", 1270, {1: (-1,)})]
    last = [("e", EXPAND, {1: (1,)}), ("m", SUBTRACT, {}, "codes"), *ends]
    flat = [("f", 1140, {1: (1, 12)})]
    found = loaded(
        path, model(layers(flat=flat, last=last), array((1, 1, 8, 8)), exact=True, constants={"codes": codes[None]})
    )
    assert found.network.head == "rbf"
    same(found, scores(last=lambda y: ((y[:, None] - tensor(codes)) ** 2).sum(2)))


def quantised(values, table=False):
    """Weights of 8 bits, and what they stand for."""
    flat = values.reshape(len(values), -1)
    if table:
        codes, stands = RANDOM.integers(0, 256, flat.shape), RANDOM.normal(size=256).astype(np.float32)
        return message({30: codes.astype(np.uint8).tobytes(), 40: message({1: 8, 102: message({1: stands})})}), stands[
            codes
        ]
    low, step = flat.min(1), np.float32((flat.max(1) - flat.min(1)) / 255)
    codes = np.clip(np.round((flat - low[:, None]) / step[:, None]), 0, 255).astype(np.uint8)
    how = message({1: 8, 101: message({1: step, 2: np.float32(low)})})
    return message({30: codes.tobytes(), 40: how}), codes * step[:, None] + np.float32(low)[:, None]


@pytest.mark.parametrize("table", [False, True], ids=["linear", "table"])
def test_quantised_weights(path, table):
    stored, stands = quantised(ROWS, table)
    made = layers()
    made[-1] = ("d", INNER_PRODUCT, {**made[-1][2], 20: stored})
    found = loaded(path, model(made, array((1, 8, 8))))
    np.testing.assert_allclose(found.weights["F3.weight"], stands, rtol=1e-6)


def test_the_label_of_the_largest_score(path):
    found = loaded(path, model(layers(last=[("a", 1025, {1: 1})]), array((1, 8, 8))))
    assert np.array_equal(found.predict(IMAGES), scores().argmax(1))


PADDED = {2: message({}), 10: message({10: [message({1: 2, 2: 2})] * 2})}
REFUSALS = {
    "found lrn": layers([("l", 180, {})]),
    "found layerNormalization": layers([("l", 1350, {})]),
    "found unary ABS": layers([("l", UNARY, {1: 6})]),
    "a power of other than 2": layers([("l", UNARY, {1: 3, 2: 3.0})]),
    "a power or a square": layers([("l", UNARY, {1: 3, 2: 2.0})]),
    "found activation softsign": layers([("l", ACTIVATION, {60: b""})]),
    "found activation thresholdedReLU": layers([("l", ACTIVATION, {20: message({1: 0.5})})]),
    "a slope for each map": layers([("l", ACTIVATION, {25: message({1: floats(SPREAD)})})]),
    "found clip from 0.0 to 6.0": layers([("l", CLIP, {1: 0.0, 2: 6.0})]),
    "batch normalisation with stored statistics": layers([("l", BATCH_NORM, {1: 3, 5: True, 6: True})]),
    "values that differ from pixel to pixel": layers([("l", BIAS, {1: (1, 4, 4), 2: floats(np.arange(16))})]),
    "weights of shape (4, 1, 1), found 3 values": layers([("l", BIAS, {1: (4,), 2: floats(ONE)})]),
    "an operator that joins two branches": layers([("l", ADD, {}, "x")]),
    "padding with a constant, found reflection": layers(first=[("l", PADDING, PADDED)]),
    "padding by widths, found padding to a size": layers(first=[("l", CONSTANT_PAD, {2: (8,) * 8, 3: True})]),
    "a reshape of one image, found one into [2]": layers(flat=[("l", RESHAPE_OLD, {1: (2, 6, 1, 1)})]),
    "images moved by channel, row and column, found order [1, 0, 2, 3]": layers(flat=[("l", PERMUTE, {1: (1, 0, 2, 3)})]),
    "found one over axis 2": layers(last=[("l", SOFTMAX_ND, {1: 2})]),
    "a plain product, found a transposed one": layers(last=[("l", PRODUCT, {1: True})]),
    "values quantised on their way": layers(last=[("l", PRODUCT, {5: 4, 6: 4, 10: True})]),
    "layers in one row": layers(last=[("l", 320, {}, "p")]),
}  # fmt: skip


@pytest.mark.parametrize("found", REFUSALS)
def test_what_is_not_of_the_family_is_refused(path, found):
    assert found in refused(path, model(REFUSALS[found], array((1, 8, 8))))
