"""digits.py: other people's digits in MNIST's form, and digits drawn by code."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits


def test_scikit_learns_digits():
    """1,797 real digits by other writers, 8x8 pixels, never trained on, prepared as the documentation says."""
    digits = load_digits()
    labels = lenet_fast.predict(lenet_fast.prepare_digits(digits.images))
    assert (labels == digits.target).mean() >= 0.92


@pytest.mark.parametrize("seed", range(20))
def test_drawn_digits_are_read(seed):
    assert lenet_fast.predict(lenet_fast.sample_digits(seed=seed)).tolist() == list(range(10))


def test_drawn_digits_are_the_same_every_time():
    assert (lenet_fast.sample_digits() == lenet_fast.sample_digits()).all()
    assert (lenet_fast.sample_digits() != lenet_fast.sample_digits(seed=1)).any()
    assert lenet_fast.sample_digits([]).shape == (0, 28, 28)
    with pytest.raises(ValueError, match="digits: wanted numbers from 0 to 9, found 10"):
        lenet_fast.sample_digits([3, 10])
    with pytest.raises(TypeError, match="digits: wanted several numbers from 0 to 9, found 3"):
        lenet_fast.sample_digits(3)


def test_prepared_digits_are_sized_and_centred():
    for image in lenet_fast.prepare_digits(lenet_fast.sample_digits()):
        rows, columns = (np.flatnonzero((image > 50).any(axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert image.max() == 255
        for axis in (0, 1):
            mass = image.sum(axis=1 - axis, dtype=float)
            assert abs(mass @ (np.arange(28) + 0.5) / mass.sum() - 14) <= 0.5


@pytest.mark.parametrize(
    "change",
    [lambda x: 255 - x, lambda x: x * 0.2 + 20.0, lambda x: x.astype(np.float64) * 1e6 - 7, lambda x: -x.astype(float)],
)
def test_contrast_and_polarity_do_not_matter(change):
    drawn = lenet_fast.sample_digits()
    wanted = lenet_fast.prepare_digits(drawn)
    found = lenet_fast.prepare_digits(change(drawn))
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("times", [2, 3, 7])
def test_size_and_place_do_not_matter(times):
    drawn = lenet_fast.sample_digits()
    large = np.pad(drawn.repeat(times, axis=1).repeat(times, axis=2), ((0, 0), (5, 60), (31, 2)))
    assert (lenet_fast.predict(lenet_fast.prepare_digits(large)) == np.arange(10)).all()


def test_ink_can_be_forced():
    drawn = lenet_fast.sample_digits([0])
    assert (lenet_fast.prepare_digits(255 - drawn, ink="dark") == lenet_fast.prepare_digits(drawn, ink="light")).all()
    with pytest.raises(ValueError, match="ink: wanted 'auto', 'light' or 'dark', found 'blue'"):
        lenet_fast.prepare_digits(drawn, ink="blue")


@pytest.mark.parametrize("turns", [0, 2])
def test_most_of_the_border_says_what_is_paper(turns):
    """All four sides count, each with every pixel, and a few that are far from the others do not outweigh them."""

    def taken_for(image):
        found = {
            ink: lenet_fast.prepare_digits(np.rot90(image, turns), ink=ink).tolist()
            for ink in ("auto", "dark", "light")
        }
        assert found["dark"] != found["light"]
        return next(ink for ink in ("dark", "light") if found[ink] == found["auto"])

    sheet = np.zeros((10, 10))
    sheet[0] = sheet[:, 0] = 1  # 22 of 40 on the border: without one of these two sides they were the fewer
    assert taken_for(sheet) == "dark"
    sheet[0, 5:] = 0
    assert taken_for(sheet) == "light"
    for paper, spots, ink in ((0.4, 1.0, "light"), (0.6, 0.0, "dark")):
        sheet = np.full((10, 10), paper)
        sheet[2:8:5, 2:8] = np.arange(6) / 5  # from black to white
        sheet[0, 1:8] = sheet[-1, 1:8] = spots
        assert taken_for(sheet) == ink


def test_small_digits_are_interpolated_and_large_ones_lose_no_stroke():
    few = np.array([[1, 0.4, 0.4, 1], [0.4, 0, 0, 0.4], [0.4, 0, 0, 0.4], [1, 0.4, 0.4, 1]])
    middles = slice(4 + 2, 24, 5)  # of the 5x5 pixels that each becomes, in the box that begins at 4
    assert (lenet_fast.prepare_digits(few, ink="light")[0, middles, middles] == 255 * few).all()
    cross = np.zeros((200, 200))
    cross[100] = cross[:, 100] = 1  # as far from the places where one pixel of ten would be looked up as can be
    found = lenet_fast.prepare_digits(cross)[0] > 50
    assert [int(found.any(axis).sum()) for axis in (0, 1)] == [20, 20]


def test_blank_thin_and_empty():
    assert not lenet_fast.prepare_digits(np.full((2, 9, 9), 7)).any()
    assert lenet_fast.prepare_digits(np.empty((0, 8, 8))).shape == (0, 28, 28)
    line = np.zeros((100, 100))
    line[:, 50] = 1
    assert lenet_fast.prepare_digits(line)[0].any(axis=0).sum() == 1
    assert lenet_fast.prepare_digits(np.eye(1, 5)).shape == (1, 28, 28)


@pytest.mark.parametrize("side", [40, 120])
def test_sheets_without_strokes_are_blank(random, side):
    """Grain is stretched to full contrast like anything else, and must not become a solid block that is read."""
    grain = random.normal(245, 4, (20, side, side))
    noise = random.random((20, side, side))
    assert not lenet_fast.prepare_digits(grain).any()
    assert not lenet_fast.prepare_digits(noise).any()
    drawn = lenet_fast.sample_digits(range(10)).repeat(3, 1).repeat(3, 2)
    scans = 245 - 0.7 * drawn + random.normal(0, 4, drawn.shape)
    assert (lenet_fast.predict(lenet_fast.prepare_digits(scans)) == range(10)).all()


def test_huge_numbers():
    assert lenet_fast.prepare_digits(np.array([[-1.7e308, 1.7e308], [0, 0]])).max() == 255


def test_lists_of_different_sizes_and_pictures():
    drawn = lenet_fast.sample_digits([3, 7])
    mixed = [np.pad(drawn[0], 9), drawn[1].repeat(2, 0).repeat(2, 1)]
    assert lenet_fast.predict(lenet_fast.prepare_digits(mixed)).tolist() == [3, 7]
    pictures = [Image.fromarray(image).convert("RGB") for image in mixed]
    assert (lenet_fast.prepare_digits(pictures) == lenet_fast.prepare_digits(mixed)).all()
    assert lenet_fast.prepare_digits(pictures[0]).shape == (1, 28, 28)
    assert (lenet_fast.prepare_digits(drawn[0].tolist()) == lenet_fast.prepare_digits(drawn[:1])).all()
    assert lenet_fast.prepare_digits([]).shape == (0, 28, 28)


def test_colour_is_no_stack_of_images():
    with pytest.raises(ValueError, match=r"found what looks like colour, \(50, 40, 3\); convert them to grey first"):
        lenet_fast.prepare_digits(np.zeros((50, 40, 3)))


@pytest.mark.parametrize(
    ("images", "error", "sentence"),
    [
        (
            np.zeros((2, 3, 4, 5)),
            ValueError,
            r"images: wanted grey images \(n, h, w\) or \(h, w\), found shape \(2, 3, 4, 5\)",
        ),
        (np.zeros((2, 0, 4)), ValueError, "images: wanted grey images"),
        (np.full((4, 4), np.nan), ValueError, "images: wanted finite pixels, found NaN or infinity"),
        (np.zeros((4, 4), complex), TypeError, "images: wanted real numbers, found complex128"),
    ],
)
def test_bad_images(images, error, sentence):
    with pytest.raises(error, match=sentence):
        lenet_fast.prepare_digits(images)
