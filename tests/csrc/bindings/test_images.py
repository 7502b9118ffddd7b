"""bindings/images.cpp: which arrays are read in place, which sizes fit, and what their pixels are, at every stride."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import _core
from numpy.lib.stride_tricks import sliding_window_view


def digits_like(shape, dtype=np.uint8):
    """Images that nobody takes for blank or for 0 and 1."""
    images = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    return images if dtype == np.uint8 else (images / 255).astype(dtype)


# ---- Types ----


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 1, 32, 32)])
def test_floats_of_the_other_byte_order_are_never_read_as_they_lie(shape):
    """Where 0.0 and 1.0 lie backwards they are numbers so small that every image would look blank."""
    native = (digits_like(shape) > 127).astype(np.float32)
    backwards = native.astype(native.dtype.newbyteorder())
    model = lenet_fast.pretrained("digits")
    assert model._plan.predict(backwards, None, False) is None
    assert model.scores(backwards).tobytes() == model.scores(native).tobytes()
    for use in (lambda x: _core.pixel_range(x, 1.0), model._plan.run):
        with pytest.raises(ValueError, match="images: wanted uint8 or float32"):
            use(backwards.reshape(3, 1, *shape[-2:]))


def test_the_machines_own_order_may_be_spelled_out():
    """As numpy.frombuffer(data, "<f4" with its order renewed) has it."""
    native = digits_like((3, 28, 28), np.float32)
    own = "<" if np.little_endian else ">"
    model = lenet_fast.pretrained("digits")
    assert model.scores(native.view(native.dtype.newbyteorder(own))).tobytes() == model.scores(native).tobytes()


# ---- Sizes ----


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("side", [28, 32])
def test_the_inputs_size_and_four_pixels_less_fit(digits, side, dtype):
    images = digits_like((5, 1, side, side), dtype)
    labels = digits._plan.predict(images, None, False)
    assert (labels == digits.predict(list(images))).all()
    digits._plan.run(images, labels=labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "shape",
    [(1, s, s) for s in (26, 27, 29, 30, 31, 33, 34, 36)] + [(1, 28, 32), (1, 32, 28), (1, 30, 28), (2, 28, 28)],
)
def test_no_other_size_fits(digits, shape, dtype):
    """Neither way: what is between the two sizes is no smaller image with another margin."""
    images = digits_like((5, *shape), dtype)
    for given in (images, images[:, 0]) if shape[0] == 1 else (images,):
        assert digits._plan.predict(given, None, False) is None
        assert digits._plan.scores(given, None) is None
        assert digits._plan.predict_proba(given) is None
        with pytest.raises(ValueError, match="images: wanted .* 28x28 is centred, found .*; resize the images first"):
            digits.predict(given)
    with pytest.raises(ValueError, match="images: their size does not fit the network's input"):
        digits._plan.run(images, labels=np.zeros(5, np.int64))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "shape",
    [(1, 2**32 + 1, 28, 28), (1, 1, 2**32 + 28, 28), (1, 1, 28, 2**32 + 32), (1, 2**31, 28, 28), (1, 2**32 - 2**31 + 1, 28, 28),
     (1, 2**32 + 28, 28), (1, 28, 2**32 + 28), (2**32 + 32, 32), (28, 2**32 + 28)],
)  # fmt: skip
def test_sizes_are_not_cut_to_32_bits(digits, shape, dtype):
    """Of an array that takes one value's memory: all its pixels are the same one."""
    images = np.lib.stride_tricks.as_strided(np.ones(1, dtype), shape, (0,) * len(shape))
    assert digits._plan.predict(images, None, False) is None
    assert digits._plan.scores(images, None) is None
    assert digits._plan.predict_proba(images) is None
    for method in ("predict", "scores", "predict_proba", "topk", "features", "activations"):
        with pytest.raises(ValueError, match=r"images: wanted .*, found \(.*\); resize the images first"):
            getattr(digits, method)(images)
    if images.ndim == 4:
        sentence = r"images: wanted fewer than 2\^31 channels, rows and columns, found \(1, .*\); look at"
        with pytest.raises(ValueError, match=sentence):
            digits._plan.run(images, labels=np.zeros(1, np.int64))
        if dtype == np.float32:
            with pytest.raises(ValueError, match=sentence):
                _core.pixel_range(images, 1.0)


# ---- Ranges ----

SHAPE = (2, 3, 4, 5)

# Shape of some memory -> a part of it of SHAPE.
LAYOUTS = {
    "close": (SHAPE, lambda memory: memory),
    "images apart": ((4, 3, 4, 5), lambda memory: memory[::2]),
    "channels apart": ((2, 6, 4, 5), lambda memory: memory[:, ::2]),
    "rows of more rows": ((2, 3, 7, 5), lambda memory: memory[:, :, 1:5]),
    "rows apart": ((2, 3, 8, 5), lambda memory: memory[:, :, 1::2]),
    "columns of more columns": ((2, 3, 4, 9), lambda memory: memory[..., 2:7]),
    "columns of one column more": ((2, 3, 4, 6), lambda memory: memory[..., :5]),
    "columns apart": ((2, 3, 4, 10), lambda memory: memory[..., 1::2]),
    "upside down": (SHAPE, lambda memory: memory[:, :, ::-1]),
    "mirrored": (SHAPE, lambda memory: memory[..., ::-1]),
    "channels backwards": (SHAPE, lambda memory: memory[:, ::-1]),
    "channels last": ((2, 4, 5, 3), lambda memory: memory.transpose(0, 3, 1, 2)),
    "turned": ((2, 3, 5, 4), lambda memory: memory.swapaxes(2, 3)),
    "overlapping": ((2, 20, 5), lambda memory: sliding_window_view(memory[:, :6], 4, 1, writeable=True).swapaxes(2, 3)),
    "everything apart": ((4, 9, 8, 15), lambda memory: memory[1::2, ::-3, ::2, ::-3]),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_range_is_that_of_every_pixel_and_of_nothing_beside_them(isa, random, layout, channels):
    shape, part = LAYOUTS[layout]
    memory = np.full(shape, np.nan, np.float32)
    view = part(memory)[:, :channels]
    view[...] = random.random(view.shape)
    assert _core.pixel_range(view, 1.0) == (view.min(), view.max(), True, True)
    for place in np.ndindex(view.shape):
        before = view[place]
        view[place] = -7
        assert _core.pixel_range(view, 1.0) == (-7, view.max(), True, False)
        view[place] = 9
        assert _core.pixel_range(view, 1.0) == (view.min(), 9, True, False)
        for bad in (np.nan, np.inf, -np.inf):
            view[place] = bad
            assert _core.pixel_range(view, 1.0)[2:] == (False, False)
        view[place] = before


def usual(white, *pixels):
    return _core.pixel_range(np.array(pixels, np.float32).reshape(1, 1, 1, -1), white)[3]


def above(value):
    return np.nextafter(np.float32(value), np.float32(np.inf))


def below(value):
    return np.nextafter(np.float32(value), np.float32(-np.inf))


@pytest.mark.parametrize("white", [1.0, 2.0, 255.0])
def test_usual_pixels_lie_within_half_of_white_around_black_and_white(white):
    low, high = -0.5 * white, 1.5 * white
    assert usual(white, low, high)
    assert not usual(white, below(low), high)
    assert not usual(white, low, above(high))


def test_0_to_1_is_not_usual_where_white_is_255():
    assert not usual(255, 0, 1)
    assert not usual(255, 0, 1e-3)
    assert not usual(255, -100, 1)
    assert usual(255, 0, above(1))
    assert usual(255, 0, 0)  # a blank image says nothing
    assert usual(255, -1, 0)
    assert usual(2, 0, 1)
    assert not usual(above(2), 0, 1)


def test_every_finite_pixel_is_usual_where_white_is_not_known():
    assert usual(0, -1e30, 1e30)
    assert usual(0, 0, 1)
    assert not usual(0, 0, np.nan)
    assert not usual(0, 0, -np.inf)
