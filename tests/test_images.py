"""images.py: every layout and dtype reads as the same pixels; everything else is refused in one sentence."""

from __future__ import annotations

import math
import warnings
from collections import deque
from fractions import Fraction

import lenet_fast
import numpy as np
import pytest
from lenet_fast.images import as_batch
from PIL import Image

GREY = np.random.default_rng(7).integers(0, 256, (5, 28, 28), np.uint8)
COLOUR = np.random.default_rng(8).integers(0, 256, (5, 3, 32, 32), np.uint8)


class OnlyDLPack:
    """An array that speaks nothing but DLPack."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


LAYOUTS = {
    "(n, h, w)": lambda x: x,
    "(n, 1, h, w)": lambda x: x[:, None],
    "(n, h, w, 1)": lambda x: x[..., None],
    "32x32": lambda x: np.pad(x, ((0, 0), (2, 2), (2, 2))),
    "list of arrays": list,
    "tuple of (h, w, 1)": lambda x: tuple(x[..., None]),
    "nested lists as floats": lambda x: (x / 255).tolist(),
    "float16": lambda x: (x / 255).astype(np.float16),
    "float32": lambda x: x / np.float32(255),
    "float64": lambda x: x / 255,
    "big-endian float32": lambda x: (x / 255).astype(">f4"),
    "read-only": lambda x: np.frombuffer(x.tobytes(), np.uint8).reshape(x.shape),
    "Fortran order": np.asfortranarray,
    "negative strides": lambda x: x[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=0)[::2],
    "memoryview": memoryview,
    "DLPack": lambda x: OnlyDLPack(x.copy()),
    "list of DLPack": lambda x: [OnlyDLPack(image.copy()) for image in x],
    "PIL images": lambda x: [Image.fromarray(image) for image in x],
    "PIL images in RGB": lambda x: [Image.fromarray(image).convert("RGB") for image in x],
    "another sequence of PIL images": lambda x: deque(Image.fromarray(image).convert("RGB") for image in x),
    "PIL and arrays": lambda x: [Image.fromarray(x[0]), *x[1:]],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_labels_and_nearly_the_same_scores(layout):
    model = lenet_fast.pretrained("digits")
    wanted, found = model.scores(GREY), model.scores(LAYOUTS[layout](GREY))
    exact = layout not in ("float16",)
    assert np.allclose(found, wanted, rtol=1e-5 if exact else 0.2)
    if layout not in ("nested lists as floats", "float16", "float64", "big-endian float32"):
        assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    "one",
    [GREY[0], GREY[0][None], GREY[0][..., None], Image.fromarray(GREY[0]), GREY[0].tolist()],
    ids=["hw", "nhw", "hwc", "PIL", "as uint8"],
)
def test_one_image_is_a_batch_of_one(one):
    if isinstance(one, list):
        one = np.array(one, np.uint8)
    model = lenet_fast.pretrained("digits")
    assert model.predict(one).shape == (1,)
    assert model.scores(one).tobytes() == model.scores(GREY[:1]).tobytes()


@pytest.mark.parametrize(
    "layout",
    [lambda x: x, lambda x: x.transpose(0, 2, 3, 1), lambda x: [Image.fromarray(i.transpose(1, 2, 0)) for i in x]],
)
def test_colour_layouts(layout):
    batch = as_batch(layout(COLOUR), (3, 32, 32))
    assert (batch == COLOUR).all()
    assert (as_batch(layout(COLOUR)[0], (3, 32, 32)) == COLOUR[:1]).all()


def test_uint8_and_float32_are_not_copied():
    for array in (GREY, GREY.astype(np.float32) / 255):
        assert np.shares_memory(as_batch(array, (1, 32, 32)), array)


def test_input_is_never_written():
    before = GREY.copy()
    lenet_fast.predict(GREY)
    assert (before == GREY).all()


@pytest.mark.parametrize(
    "empty", [[], np.empty((0, 28, 28)), np.empty((0, 1, 32, 32), np.uint8), np.empty((0, 28, 28, 1), np.float32)]
)
def test_an_empty_batch_gives_empty_results(empty):
    model = lenet_fast.pretrained("digits")
    assert model.predict(empty).shape == (0,)
    assert model.predict(empty).dtype == np.int64
    assert model.predict_proba(empty).shape == model.scores(empty).shape == (0, 10)
    assert model.features(empty).shape == (0, 84)
    assert [a.shape for a in model.topk(empty, 3)] == [(0, 3), (0, 3)]
    assert model.activations(empty)["C1"].shape == (0, 6, 28, 28)


def refused(images, error=ValueError):
    with pytest.raises(error) as caught:
        lenet_fast.predict(images)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(), (28,), (2, 2, 1, 28, 28)])
def test_wrong_rank(shape):
    assert refused(np.zeros(shape)) == (
        "images: wanted (n, 32, 32), (n, 1, 32, 32), (n, 32, 32, 1) or one image without n, "
        f"found {len(shape)} axes, {shape}"
    )


@pytest.mark.parametrize("shape", [(27, 28), (5, 20, 20), (5, 28, 32), (2, 2, 28, 28), (5, 1, 8, 8), (30, 30)])
def test_wrong_size_or_channels(shape):
    assert refused(np.zeros(shape)) == (
        "images: wanted (n, 32, 32) or (n, 1, 32, 32) or (n, 32, 32, 1); 28x28 is centred, "
        f"found {shape}; resize the images first (lenet_fast.prepare_digits does it for digits)"
    )


@pytest.mark.parametrize("shape", [(5, 28, 28, 3), (5, 3, 28, 28), (64, 64, 4), (2, 4, 64, 64)])
def test_colour_for_a_grey_network(shape):
    channels = min(shape[1:])
    assert refused(np.zeros(shape)) == (
        f"images: wanted 1 channel, found {channels} in shape {shape}; convert them to grey first"
    )


@pytest.mark.parametrize(
    ("shape", "way_out"),
    [
        ((28, 28), "np.stack([images] * 3, axis=-3)"), ((5, 32, 32), "np.stack([images] * 3, axis=-3)"),
        ((1, 28, 28), "np.repeat(images, 3, axis=-3)"), ((5, 1, 32, 32), "np.repeat(images, 3, axis=-3)"),
        ((5, 28, 28, 1), "np.repeat(images, 3, axis=-1)"), ((28, 28, 1), "np.repeat(images, 3, axis=-1)"),
        ((5, 28, 28, 4), "images[..., :3]"), ((4, 4, 32, 32), "images[..., :3, :, :]"),
    ],
)  # fmt: skip
def test_what_is_not_in_colour_for_a_network_of_colours(shape, way_out, random):
    """The sentence names code, and what that gives is read as it was meant."""
    model, images = lenet_fast.pretrained("cifar10"), random.integers(0, 256, shape, np.uint8)
    what = "4 in shape" if 4 in shape else "grey images of shape"
    with pytest.raises(ValueError) as caught:
        model.predict(images)
    assert str(caught.value).startswith(f"images: wanted 3 channels, found {what} {shape}; ")
    assert f"pass {way_out}" in str(caught.value)
    given = {
        "np.stack([images] * 3, axis=-3)": lambda: np.stack([images] * 3, axis=-3),
        "np.repeat(images, 3, axis=-3)": lambda: np.repeat(images, 3, axis=-3),
        "np.repeat(images, 3, axis=-1)": lambda: np.repeat(images, 3, axis=-1),
        "images[..., :3]": lambda: images[..., :3],
        "images[..., :3, :, :]": lambda: images[..., :3, :, :],
    }[way_out]()
    count = shape[0] if shape[0] in (4, 5) else 1
    assert model.predict(given).shape == (count,)


@pytest.mark.parametrize("shape", [(2, 64, 64, 3), (2, 3, 40, 32), (2, 2, 32, 32), (3, 64, 64)])
def test_colours_of_another_size_are_to_be_resized(shape):
    with pytest.raises(ValueError, match=r"found \(.*\); resize the images first$"):
        lenet_fast.pretrained("cifar10").predict(np.zeros(shape, np.uint8))


def test_ambiguous_axes():
    with pytest.raises(
        ValueError, match=r"shape \(2, 6, 6, 6\) reads as nchw and as nhwc; transpose to \(n, c, h, w\)"
    ):
        as_batch(np.zeros((2, 6, 6, 6)), (6, 6, 6))


@pytest.mark.parametrize("channels", [3, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_ambiguous_axes_are_a_question_on_the_short_way_too(channels, dtype):
    network = lenet_fast.Network((channels, 7, 7), (lenet_fast.Dense(2),), "scores")
    model = lenet_fast.Model(network, {name: np.zeros(shape) for name, shape in network.parameters.items()})
    for method in (model.predict, model.scores, model.predict_proba):
        with pytest.raises(ValueError, match="reads as nchw and as nhwc; transpose"):
            method(np.full((2, channels, channels, channels), 0.5).astype(dtype))


@pytest.mark.parametrize("shape", [(2**32 + 28, 28), (3, 28, 2**32 + 28), (3, 2**32 + 1, 28, 28)])
def test_a_size_that_no_int_holds_is_not_another_size(shape):
    """Broadcasting makes such arrays of nothing: their values lie on each other."""
    with pytest.raises(ValueError, match="images: wanted .*, found"):
        lenet_fast.predict(np.broadcast_to(np.uint8(7), shape))


def test_a_shape_that_does_not_fit_is_refused_before_anything_is_converted():
    """As float32 it would fill the memory of any machine."""
    with pytest.raises(ValueError, match="images: wanted .*, found"):
        lenet_fast.predict(np.broadcast_to(0.5, (2**20, 2**20, 28)))


def test_images_of_different_sizes():
    assert refused([np.zeros((28, 28)), np.zeros((20, 20))]) == (
        "images: wanted images of one size, found (20, 20) and (28, 28); resize them first "
        "(lenet_fast.prepare_digits does it for digits)"
    )
    pictures = [Image.new("RGB", (side, side)) for side in (32, 28)]
    with pytest.raises(ValueError, match=r"found \(28, 28, 3\) and \(32, 32, 3\); resize them first$"):
        lenet_fast.pretrained("cifar10").predict(pictures)


@pytest.mark.parametrize(
    ("dtype", "way_out"),
    [
        (np.int64, "for pixels 0..255 pass images.astype(np.uint8)"),
        (np.uint16, "for pixels 0..255 pass images.astype(np.uint8)"),
        (bool, "pass images.astype(np.uint8) * 255"),
        (object, "convert the pixels to one of them"),
        (complex, "convert the pixels to one of them"),
        ("U3", "convert the pixels to one of them"),
        ("S3", "convert the pixels to one of them"),
        ("datetime64[s]", "convert the pixels to one of them"),
    ],
)
def test_wrong_dtype(dtype, way_out):
    array = np.zeros((2, 28, 28), dtype)
    assert refused(array, TypeError) == f"images: wanted uint8 or floating point, found {array.dtype}; {way_out}"


@pytest.mark.parametrize("thing", [None, "digits.png", {"a": 1}, 5, b"abc"])
def test_what_is_no_image_at_all(thing):
    with pytest.raises((TypeError, ValueError), match="images: wanted"):
        lenet_fast.predict(thing)


class Refusing:
    """What a tensor on another device does."""

    def __array__(self, *arguments, **options):
        raise RuntimeError("it lies elsewhere")


def test_what_cannot_be_read_says_why():
    assert refused(Refusing(), TypeError) == (
        "images: wanted something NumPy can read as an array, found Refusing (it lies elsewhere); "
        "a tensor that needs gradients or lies on another device wants .detach().cpu() first"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 32, 32, 1)])
def test_nan_and_infinity_are_refused_with_the_index_of_the_first(bad, shape):
    images = np.zeros(shape, np.float32)
    images[3, 20, 4] = bad
    images[4] = np.nan
    assert refused(images) == (
        f"images: wanted finite pixels, found {bad} in image 3 at (channel, row, column) (0, 20, 4); "
        "pass check_finite=False to allow it"
    )
    assert lenet_fast.pretrained("digits").predict(images, check_finite=False).shape == (5,)


def test_float64_beyond_float32_is_infinite():
    assert "found inf in image 0" in refused(np.full((1, 28, 28), 1e300))


@pytest.mark.parametrize(
    ("low", "high", "advice"),
    [
        (0, 255, "that looks like 0..255: pass uint8, or divide by 255"),
        (0, 65535, "that looks like 16 bits: divide by 65535"),
        (-1, 1, "that looks like -1..1: pass (images + 1) / 2, the model scales them itself"),
        (-0.75, 2.8, "that looks like pixels with a mean subtracted: pass them unscaled, the model scales them itself"),
    ],
)
def test_pixels_far_outside_warn_once_and_name_the_likely_scaling(low, high, advice):
    images = np.linspace(low, high, 3 * 28 * 28).reshape(3, 28, 28)
    with pytest.warns(UserWarning) as caught:
        lenet_fast.predict(images)
    assert [str(w.message) for w in caught] == [
        f"images: float pixels are counted from 0 to 1, found {low:g} to {high:g}; {advice}"
    ]
    assert caught[0].filename == __file__


def test_a_little_overshoot_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lenet_fast.predict(np.linspace(-0.1, 1.175, 28 * 28).reshape(28, 28))


def test_pil_images_that_lose_something_are_refused():
    palette = Image.fromarray(GREY[0]).convert("P")
    assert lenet_fast.predict(palette) == lenet_fast.predict(palette.convert("L"))
    palette.info["transparency"] = 0  # as GIF and PNG files have it
    for picture in (palette, Image.new("RGBA", (28, 28)), Image.new("LA", (28, 28))):
        assert f"wanted an opaque image, found mode {picture.mode} with transparency" in refused(picture)
    for mode in ("I;16", "I", "F"):  # Pillow would clip them at 255
        assert f"wanted 8-bit pixels, found PIL mode {mode}; scale it to 0..255" in refused(Image.new(mode, (28, 28)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "P", "L"])
def test_pil_images_whose_every_pixel_is_opaque_are_opaque(mode):
    """Whatever they could have: their pixels are those of the same image without alpha."""
    plain = Image.fromarray(GREY[0]).convert("P" if mode == "P" else "L")
    picture = plain.copy() if mode in ("P", "L") else plain.convert("LA").convert("RGBA" if mode == "RGBa" else mode)
    picture = picture.convert("RGBa") if mode == "RGBa" else picture
    if mode == "P":
        picture.info["transparency"] = b"\xff" * 256
    if mode == "L":
        unused = min(set(range(256)) - set(GREY[0].ravel().tolist()))
        picture.info["transparency"] = unused
    for channels in (1, 3):
        wanted = np.asarray(plain.convert("L" if channels == 1 else "RGB"))
        np.testing.assert_array_equal(lenet_fast.images.from_pil(picture, channels), wanted)


def test_one_pixel_that_is_not_opaque_is_enough_to_be_refused():
    picture = Image.fromarray(GREY[0]).convert("RGBA")
    picture.putpixel((27, 3), (0, 0, 0, 254))
    assert refused(picture) == (
        "images: wanted an opaque image, found mode RGBA with transparency (alpha down to 254 of 255); "
        "paste it on its background"
    )


def test_every_image_to_mean_0_and_deviation_1(random):
    """The deviation over n values, not n - 1, in float64, and every image for itself, whatever its neighbours are."""
    zscore = lenet_fast.Preprocess(per_image=True, white=255.0)
    quarters = np.array([[[0, 0], [0, 1]], [[7, 7], [7, 7]], [[9, 1], [9, 1]]], np.uint8)
    found = as_batch(quarters, (1, 2, 2), zscore)[:, 0]
    assert found.dtype == np.float32
    assert found[0].ravel() == pytest.approx(np.array([-1, -1, -1, 3]) / 3**0.5)
    assert found[1:].tolist() == [[[0, 0], [0, 0]], [[1, -1], [1, -1]]]
    faint = (200 + random.normal(0, 1e-3, (2, 3, 28, 28))).astype(
        np.float32
    )  # float32 sums would be off by a hundredth
    exact = [[Fraction(float(value)) for value in image.ravel()] for image in faint]
    found = as_batch(faint, (3, 28, 28), zscore).reshape(2, -1)
    for image, values in zip(found, exact, strict=True):
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        assert np.abs(image - [float(value - mean) / deviation for value in values]).max() < 1e-6
    turned = np.asfortranarray(faint)
    assert as_batch(turned, (3, 28, 28), zscore).tobytes() == found.tobytes()


def test_masked_arrays_lose_nothing_silently():
    masked = np.ma.masked_array(GREY, GREY > 250)
    assert refused(masked).startswith("images: wanted plain values, found a masked array; fill the gaps first")
    assert (lenet_fast.predict(np.ma.masked_array(GREY)) == lenet_fast.predict(GREY)).all()
    with pytest.raises(ValueError, match="images: wanted plain values, found a masked array"):
        lenet_fast.prepare_digits(masked)


def test_binary_pixels_warn():
    with pytest.warns(UserWarning, match="uint8 pixels are counted from 0 to 255, found 0 and 1 only; multiply by 255"):
        lenet_fast.predict((GREY > 127).astype(np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lenet_fast.predict(np.zeros((2, 28, 28), np.uint8))
