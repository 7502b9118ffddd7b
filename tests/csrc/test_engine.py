"""engine.cpp and plan.cpp: whole networks against the oracle, and the same bits whatever the circumstances."""

from __future__ import annotations

import threading

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2, _core

ISAS = _core.available_isas()

VARIANTS = {
    **lenet_fast.networks(),
    "lenet1, 28 valid": Network((1, 28, 28), (Conv5x5(4, "tanh"), Subsample2x2("average"), Conv5x5(12, "tanh"), Subsample2x2("average"), Dense(10)), "scores"),
    "20-50-500": Network((1, 28, 28), (Conv5x5(20), Subsample2x2("max"), Conv5x5(50), Subsample2x2("max"), Dense(500, "relu"), Dense(10)), "softmax"),
    "padded both": Network((3, 28, 28), (Conv5x5(6, "sigmoid", 2), Subsample2x2("average"), Conv5x5(16, "sigmoid", 2), Subsample2x2("average"), Dense(10)), "softmax"),
    "odd sizes": Network((2, 21, 30), (Conv5x5(3, "relu"), Subsample2x2("max", "tanh"), Conv5x5(7, "tanh"), Dense(5)), "scores"),
    "pooled twice": Network((1, 16, 16), (Subsample2x2("max"), Conv5x5(3, "tanh", 2), Subsample2x2(), Subsample2x2("average"), RBF(3)), "rbf"),
    "convolutions only": Network((1, 13, 13), (Conv5x5(4, "relu"), Conv5x5(5, "relu"), Conv5x5(6)), "scores"),
    "padded to the end": Network((1, 5, 5), (Conv5x5(4, "tanh"), Conv5x5(3, "tanh", 2), Conv5x5(2, padding=4)), "scores"),
    "leaky, max": Network((2, 21, 30), (Conv5x5(3, "leaky_relu", slope=0.1), Subsample2x2("max", "leaky_relu", 0.3), Conv5x5(7, "leaky_relu", slope=1), Subsample2x2("max"), Dense(9, "leaky_relu", 0.01), Dense(5)), "scores"),
    "leaky, average": Network((1, 20, 19), (Conv5x5(5, "leaky_relu", 2, slope=0.2), Subsample2x2("average", "leaky_relu", 0.5), Conv5x5(4, "leaky_relu", slope=0), Subsample2x2("average"), Dense(9, "leaky_relu", 0.3)), "softmax"),
    "leaky, trainable": Network((1, 16, 16), (Conv5x5(5, "leaky_relu", slope=0.2), Subsample2x2("trainable", "leaky_relu", 0.5), Dense(7, "leaky_relu", 0), RBF(4)), "rbf"),
    "ends in subsampling": Network((1, 12, 12), (Conv5x5(4, "tanh"), Subsample2x2()), "scores"),
}  # fmt: skip


def made(network, random):
    return Model(network, reference.random_weights(network, random), preprocess=Preprocess(scale=1.275, shift=-0.1))


def pixels(network, random, n):
    return random.integers(0, 256, (n, *network.input), np.uint8)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_layer_against_the_oracle(isa, random, name):
    """Within 1e-5 of the largest value of the layer, in practice within 2e-6."""
    model = made(VARIANTS[name], random)
    images = pixels(model.network, random, 19)
    wanted = reference.run(model.network, model.weights, images / 255 * 1.275 - 0.1)
    found = model.activations(images)
    assert list(found) == list(wanted)
    for layer, values in wanted.items():
        assert np.abs(found[layer].reshape(values.shape) - values).max() <= 2e-6 * max(1, np.abs(values).max()), layer
    last = wanted[model.network.figures[-1].name].reshape(19, -1)
    assert (model.predict(images) == (last.argmin(1) if model.network.head == "rbf" else last.argmax(1))).all()
    assert model.scores(images).tobytes() == found[model.network.figures[-1].name].tobytes()


#: Side of the image -> error of one full connection over all of it, of the largest output: docs/promises.md.
LONG_SUMS = {32: (1.1e-6, 2.5e-6), 128: (4e-6, 8e-6), 512: (1.3e-5, 3e-5)}


@pytest.mark.parametrize("side", LONG_SUMS)
@pytest.mark.parametrize("signs", ["both", "one"])
def test_the_error_of_a_sum_grows_with_its_length(random, side, signs):
    """As far as said, and never beyond half a unit in the last place for each addition."""
    count, units = side * side, 6
    weight = random.normal(0, 1, (units, count)) if signs == "both" else random.random((units, count))
    weight = (weight / side).astype(np.float32)
    model = Model(
        Network((1, side, side), (Dense(units),), "scores"), {"F1.weight": weight, "F1.bias": np.zeros(units)}
    )
    pixels = np.stack([random.random((1, side, side)), np.full((1, side, side), 0.7)]).astype(np.float32)
    terms = weight.astype(np.float64) * pixels.reshape(2, 1, count)
    off = np.abs(model.scores(pixels) - terms.sum(2))
    assert off.max() <= LONG_SUMS[side][signs == "one"] * np.abs(terms.sum(2)).max()
    assert (off <= count * reference.EPSILON * np.abs(terms).sum(2)).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_same_bits_on_every_instruction_set(random, monkeypatch, name):
    model = made(VARIANTS[name], random)
    images = pixels(model.network, random, 37)
    results = set()
    for isa in ISAS:
        monkeypatch.setenv("LENET_FAST_ISA", isa)
        again = Model(model.network, model.weights, preprocess=model.preprocess)
        assert again._plan.isa == isa
        results.add(
            (again.scores(images).tobytes(), again.predict_proba(images).tobytes(), again.features(images).tobytes())
        )
    assert len(results) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64])
def test_same_bits_at_every_batch_size_and_position(isa, random, digits, size):
    images = random.integers(0, 256, (67, 28, 28), np.uint8)
    whole = digits.scores(images)
    parts = np.concatenate([digits.scores(images[i : i + size]) for i in range(0, 67, size)])
    assert parts.tobytes() == whole.tobytes()
    assert digits.scores(images[::-1])[::-1].tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", VARIANTS)
def test_same_bits_one_by_one_and_together(isa, random, name):
    """Few images are computed with maps in the lanes, many with images in the lanes."""
    model = made(VARIANTS[name], random)
    images = pixels(model.network, random, 32)
    together, features = model.scores(images), model.features(images) if len(model.network.layers) > 1 else None
    for size in (1, 2, 5, 11):
        parts = [images[i : i + size] for i in range(0, 32, size)]
        assert np.concatenate([model.scores(part) for part in parts]).tobytes() == together.tobytes()
        assert np.concatenate([model.features(part) for part in parts]).tobytes() == features.tobytes()
        assert (np.concatenate([model.predict(part) for part in parts]) == model.predict(images)).all()


@pytest.mark.parametrize("margin", [0, 4])
def test_single_images_of_both_sizes(isa, random, margin):
    """Padding and background around a single image, after others have used the same memory."""
    network = Network((2, 20, 17), (Conv5x5(5, "tanh", 2), Subsample2x2("max"), Dense(9, "relu"), Dense(4)), "scores")
    model = Model(network, reference.random_weights(network, random), preprocess=Preprocess(2, (0.5, 1), 0.75))
    images = random.integers(0, 256, (16, 2, 20 - margin, 17 - margin), np.uint8)
    other = made(lenet_fast.networks()["lenet5-1998"], random)
    together = model.scores(images)
    for i in range(16):
        other.scores(np.full((1, 32, 32), 255, np.uint8))
        assert model.scores(images[i]).tobytes() == together[i].tobytes()


@pytest.mark.parametrize("background", [0.1, 0.3, -0.4, 1 / 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_margin_is_scaled_as_pixels_are(isa, random, dtype, background):
    """Smaller images and the same ones in a frame of background: the same bits, in numbers where background rounds."""
    scaling = Preprocess((1 / 0.3081, 4.3668, 1.275), (-0.1307 / 0.3081, -2.1179, -0.1), background)
    scale, shift = (np.float32(v).astype(np.float64) for v in (scaling.scale, scaling.shift))
    fused = (np.float32(background) * scale + shift).astype(np.float32)
    rounded_twice = np.float32(background) * np.float32(scale) + np.float32(shift)
    assert (fused != rounded_twice).any()
    seen = 3 * 8 * 8  # a unit per pixel shows the input as it is
    network = Network((3, 8, 8), (Dense(seen),), "scores")
    model = Model(network, {"F1.weight": np.eye(seen), "F1.bias": np.zeros(seen)}, preprocess=scaling)
    small = random.integers(0, 256, (18, 3, 4, 4), np.uint8)
    framed = np.full((18, 3, 8, 8), background, np.float32)
    framed[:, :, 2:-2, 2:-2] = small.astype(np.float32) / np.float32(255)
    given = small if dtype == np.uint8 else framed[:, :, 2:-2, 2:-2]
    wanted = model.scores(framed)
    assert (wanted.reshape(framed.shape)[:, :, 0, 0] == fused).all()
    assert model.scores(given).tobytes() == wanted.tobytes()
    assert np.concatenate([model.scores(image) for image in given]).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("pooling", ["trainable", "average", "max"])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("maps", "width"), [(1, 6), (2, 9), (3, 20), (4, 21), (6, 32), (7, 38), (13, 76)])
def test_wide_first_layers_one_by_one(isa, random, maps, width, padding, pooling):
    """A first layer of few, wide maps has its columns in the lanes: vectors that are full, overlap or stay half empty."""
    layers = (Conv5x5(maps, "tanh", padding), Subsample2x2(pooling, "scaled_tanh"), Dense(3))
    model = made(Network((2, 10, width), layers, "scores"), random)
    images = pixels(model.network, random, 16)
    small = images[:, :, 2:-2, 2:-2] if width > 6 else images
    for given in (
        images,
        np.ascontiguousarray(small),
        (images / 255).astype(np.float32),
        np.repeat(images, 2, 3)[..., ::2],
    ):
        together = model.scores(given)
        assert np.isfinite(together).all()
        for i in range(16):
            assert model.scores(given[i : i + 1]).tobytes() == together[i : i + 1].tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_same_bits_with_every_number_of_threads(isa, random, digits, threads, count):
    images = random.integers(0, 256, (533, 28, 28), np.uint8)
    threads(1)
    alone = digits.scores(images).tobytes()
    threads(count)
    assert digits.scores(images).tobytes() == alone


def test_same_bits_at_every_alignment_and_stride(random, digits):
    images = random.random((9, 28, 28)).astype(np.float32)
    wanted = digits.scores(images).tobytes()
    for layout in (
        np.asfortranarray(images),
        images[::-1].copy()[::-1],
        np.repeat(images, 2, axis=2)[..., ::2],
        np.repeat(np.repeat(images, 3, axis=0), 2, axis=1)[::3, ::2],
        np.frombuffer(b"\0" + images.tobytes(), np.uint8)[1:].view(np.float32).reshape(images.shape),
    ):
        assert digits.scores(layout).tobytes() == wanted


def test_many_python_threads_at_once(random, digits, threads):
    threads(2)
    images = random.integers(0, 256, (300, 28, 28), np.uint8)
    wanted = digits.scores(images).tobytes()
    found = [b""] * 8

    def work(i):
        for _ in range(5):
            found[i] = digits.scores(images).tobytes()

    callers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert set(found) == {wanted}


def test_outputs_stay_within_their_arrays(isa, random, digits):
    """The engine writes the array it is given and not a value more."""
    images = random.integers(0, 256, (35, 1, 28, 28), np.uint8)
    guarded = np.full((37, 84), np.nan, np.float32)
    labels = np.full(37, -7)
    digits._plan.run(images, layers=[(5, guarded[1:-1])], labels=labels[1:-1])
    assert np.isnan(guarded[[0, -1]]).all()
    assert not np.isnan(guarded[1:-1]).any()
    assert labels[[0, -1]].tolist() == [-7, -7]
    assert (labels[1:-1] >= 0).all()


def test_the_core_refuses_wrong_outputs(random, digits):
    images = random.integers(0, 256, (2, 1, 28, 28), np.uint8)
    for out in (np.empty(2, np.int32), np.empty(3, np.int64), np.empty(4, np.int64)[::2]):
        with pytest.raises(ValueError, match="labels: wanted a C-contiguous int64 array of 2 values"):
            digits._plan.run(images, labels=out)
    with pytest.raises(ValueError, match="C1: this plan computes it only inside the next layer"):
        digits._plan.run(images, layers=[(0, np.empty(2, np.float32))])
    with pytest.raises(ValueError, match="their size does not fit"):
        digits._plan.run(images[..., :20], labels=np.empty(2, np.int64))


def test_a_nan_in_one_image_harms_no_other(isa, random, digits):
    images = random.random((20, 28, 28)).astype(np.float32)
    clean = digits.scores(images)
    images[7, 3, 4] = np.nan
    found = digits.scores(images, check_finite=False)
    assert (np.delete(found, 7, axis=0) == np.delete(clean, 7, axis=0)).all()


def test_dense_layers_alone(isa, random):
    network = Network((1, 3, 3), (Dense(7, "tanh"), Dense(4)), "scores")
    model = made(network, random)
    images = pixels(network, random, 5)
    wanted = reference.run(network, model.weights, images / 255 * 1.275 - 0.1)["F2"]
    assert np.abs(model.scores(images) - wanted).max() < 2e-6
