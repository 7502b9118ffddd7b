"""weights/scaling.py: pixels are scaled once, by the user or by the graph, or one after the other where both are told."""

from __future__ import annotations

import pytest
from lenet_fast import Preprocess, WeightsError
from lenet_fast.preprocess import scaling
from lenet_fast.weights.scaling import one_scaling, refuse_faint

NAMES = ("unit", "mnist", "symmetric", "lecun", "raw", "zscore", "as-is")


def test_a_scaling_is_named_or_made_or_none():
    assert [scaling(name) for name in NAMES] == [Preprocess.named(name) for name in NAMES]
    assert scaling(None) is None and scaling(Preprocess(0.5)) == Preprocess(0.5)
    with pytest.raises(TypeError, match="wanted a name or a lenet_fast.Preprocess, found 3"):
        scaling(3)


def test_the_files_own_scaling_is_the_one_where_it_says_what_pixels_are():
    own = Preprocess(1 / 255, white=255.0)
    for wish in (None, own):
        assert one_scaling(wish, own) == own
    with pytest.raises(WeightsError, match="one scaling of the pixels, found one in the file too"):
        one_scaling(Preprocess(), own)
    assert one_scaling(Preprocess(2.0, -1.0), Preprocess(3.0, 0.5, white=None)) == Preprocess(6.0, -2.5)


@pytest.mark.parametrize("wish", [*NAMES, Preprocess(255.0), Preprocess(4.0, -2.0), Preprocess(-255.0, 255.0), None])
def test_small_pixels_are_refused_before_kernels_that_take_large_ones(wish):
    """`raw` and what makes as much of pixels 0..1 are large; who says nothing of them has said nothing wrong."""
    wish = scaling(wish)
    if wish in (None, scaling("raw"), scaling("as-is"), Preprocess(255.0), Preprocess(-255.0, 255.0)):
        refuse_faint(wish)
        return
    with pytest.raises(WeightsError, match=r"preprocess: wanted a scaling .*; pass preprocess='raw' if"):
        refuse_faint(wish)
