"""codes.py: the paper's RBF codes, held to figures that were counted from the paper's bitmaps."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest

PRINTABLE = "".join(map(chr, range(0x20, 0x80)))


def test_black_pixels_per_digit():
    codes = lenet_fast.rbf_codes()
    assert codes.shape == (10, 84)
    assert codes.dtype == np.float32
    assert set(codes.flat) == {-1.0, 1.0}
    assert (codes > 0).sum(1).tolist() == [35, 27, 33, 32, 41, 35, 39, 25, 43, 39]


def test_distances_between_digits():
    codes = lenet_fast.rbf_codes()
    hamming = (codes[:, None] != codes).sum(2)
    apart = hamming[np.triu_indices(10, 1)]
    assert (apart.min(), apart.max(), round(apart.mean(), 1)) == (12, 50, 31.1)
    assert hamming[6, 8] == 12
    assert hamming[0, 4] == hamming[8, 9] == 18


def test_capitals_resemble_digits():
    codes = dict(zip(PRINTABLE, lenet_fast.rbf_codes(PRINTABLE), strict=True))
    assert [(codes[a] != codes[b]).sum() for a, b in ("0O", "2Z", "5S", "4Q")] == [10, 14, 14, 6]


def test_only_space_and_delete_are_alike():
    codes = lenet_fast.rbf_codes(PRINTABLE)
    assert len(np.unique(codes, axis=0)) == 95
    assert (codes[[0, -1]] == -1).all()


def test_upright():
    """A seven: its bar lies in the upper rows."""
    seven = lenet_fast.rbf_codes("7").reshape(12, 7)
    assert (seven[:6] > 0).sum() > (seven[6:] > 0).sum()


def test_unknown_characters():
    assert lenet_fast.rbf_codes("").shape == (0, 84)
    with pytest.raises(ValueError, match="characters: wanted printable ASCII, found 'é'"):
        lenet_fast.rbf_codes("aé")
    with pytest.raises(TypeError, match="characters: wanted text such as '0123456789', found 5"):
        lenet_fast.rbf_codes(5)


def test_the_bundled_model_uses_them():
    assert (lenet_fast.pretrained("digits").weights["output.weight"] == lenet_fast.rbf_codes()).all()
