"""batch.py: what must be converted is converted piece by piece, to the same bits as at once and in little memory."""

from __future__ import annotations

import tracemalloc
import warnings

import lenet_fast
import numpy as np
import pytest
from lenet_fast import Preprocess, batch
from lenet_fast.batch import Batch, pieces

IMAGES = np.random.default_rng(5).integers(0, 256, (50, 28, 28), np.uint8)


@pytest.fixture
def small_pieces(monkeypatch):
    """Seven images a piece."""
    monkeypatch.setattr(batch, "VALUES", 7 * 28 * 28)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (5, 3), (6, 3), (7, 3), (20,), (4, 0), (3, 100)])
def test_pieces_cover_an_array_in_order(shape):
    array = np.zeros(shape)
    seen = [i for part in pieces(array, 9) for i in range(part.start, part.stop)]
    assert seen == list(range(len(array)))
    assert all(array[part].size <= max(9, array[:1].size) for part in pieces(array, 9))


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", ">f8", "g"])
def test_every_output_has_the_same_bits_as_from_float32(small_pieces, digits, dtype, per_image):
    model = digits.replace(preprocess=Preprocess(per_image=per_image))
    images = (IMAGES / 256).astype(dtype)  # exact in half precision
    for given in (images, images[::-1][::-1], np.asfortranarray(images), np.repeat(images, 2, 2)[..., ::2]):
        close = images.astype(np.float32)
        assert (model.predict(given) == model.predict(close)).all()
        for method in ("scores", "predict_proba", "features"):
            assert getattr(model, method)(given).tobytes() == getattr(model, method)(close).tobytes()
        for found, wanted in zip(model.topk(given, 4), model.topk(close, 4), strict=True):
            assert found.tobytes() == wanted.tobytes()
        for name, layer in model.activations(given).items():
            assert layer.tobytes() == model.activations(close)[name].tobytes()


def test_one_image_does_not_depend_on_its_piece(small_pieces, digits):
    model = digits.replace(preprocess=Preprocess(per_image=True))
    together = model.scores(IMAGES)
    assert np.concatenate([model.scores(image) for image in IMAGES]).tobytes() == together.tobytes()


def test_outputs_are_written_where_they_belong(small_pieces, digits):
    images = IMAGES.astype(np.float64) / 255
    labels, scores = np.full(52, -7), np.full((52, 10), np.nan, np.float32)
    assert (digits.predict(images, out=labels[1:-1]) == digits.predict(IMAGES)).all()
    assert digits.scores(images, out=scores[1:-1]).tobytes() == digits.scores(images.astype(np.float32)).tobytes()
    assert labels[[0, -1]].tolist() == [-7, -7]
    assert np.isnan(scores[[0, -1]]).all()
    shares = digits.predict_proba(images, rubbish=5.0)
    assert shares.tobytes() == digits.predict_proba(images.astype(np.float32), rubbish=5.0).tobytes()


def test_what_is_wrong_in_any_piece_is_said_before_anything_is_written(small_pieces, digits):
    images, labels = IMAGES.astype(np.float64) / 255, np.full(50, -7)
    images[33, 4, 5] = np.inf
    images[40] = np.nan
    with pytest.raises(ValueError, match=r"found inf in image 33 at \(channel, row, column\) \(0, 4, 5\)"):
        digits.predict(images, out=labels)
    assert (labels == -7).all()
    close = images.astype(np.float32)
    with pytest.raises(ValueError, match=r"found inf in image 33 at \(channel, row, column\) \(0, 4, 5\)"):
        digits.predict(close)
    found = digits.predict(images, check_finite=False)
    assert (found == digits.predict(close, check_finite=False)).all()


@pytest.mark.parametrize("place", [0, 20, 49])
def test_one_warning_for_all_pieces(small_pieces, digits, place):
    images = IMAGES.astype(np.float64) / 255
    images[place, 0, 0] = 300
    with pytest.warns(UserWarning, match="float pixels are counted from 0 to 1, found 0 to 300") as caught:
        digits.predict(images)
    assert len(caught) == 1
    binary = np.zeros((50, 1, 28, 28), np.uint8)
    binary[place, 0, 3, 3] = 1
    with pytest.warns(UserWarning, match="found 0 and 1 only"):
        digits.features(binary)
    binary[49, 0, 0, 0] = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        digits.features(binary)


@pytest.mark.parametrize("per_image", [False, True])
def test_a_conversion_takes_little_memory(digits, per_image):
    model = digits.replace(preprocess=Preprocess(per_image=per_image))
    values = np.random.default_rng(0).random(100_784 if not per_image else 20_784)
    images = np.lib.stride_tricks.as_strided(values, (len(values) - 784, 28, 28), (8, 224, 8))
    model.predict(images[:10])
    tracemalloc.start()
    model.predict(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20  # of 299 or 60 MiB as float32


def test_uint8_and_float32_are_read_in_place():
    for images in (IMAGES[:, None], np.ones((3000, 1, 28, 28), np.float32)[::-1]):
        made = Batch(images)
        assert made.is_read_in_place
        assert [(part.start, part.stop) for part, _ in made.pieces()] == [(0, len(images))]
        assert np.shares_memory(made.whole(), images)
        assert not made.standardised().is_read_in_place


def test_topk_agrees_with_the_scores(monkeypatch, digits):
    monkeypatch.setattr("lenet_fast.tensors.VALUES", 16 * 70)
    labels, shares = digits.topk(IMAGES, 10)
    assert (labels == digits.scores(IMAGES).argsort(1, kind="stable")).all()
    assert (shares == np.take_along_axis(digits.predict_proba(IMAGES), labels, 1)).all()
    assert lenet_fast.pretrained("digits").topk(IMAGES[:0])[0].shape == (0, 3)
