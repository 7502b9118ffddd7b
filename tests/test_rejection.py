"""rejection.py: the curve and its plot."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import Dense, Model, Network, plot_rejection, rejection_curve
from lenet_fast.rejection import FIGURE_10

DIGITS = lenet_fast.sample_digits(list(range(10)) * 3, seed=3)
LABELS = np.array(list(range(10)) * 3)


def noisy(random):
    return np.clip(DIGITS.astype(float) + random.normal(0, 120, DIGITS.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("measure", ["margin", "distance"])
def test_every_point_is_what_its_threshold_leaves(random, measure):
    model = lenet_fast.pretrained("digits")
    images = noisy(random)
    curve = rejection_curve(model, images, LABELS, measure=measure)
    wrong = model.predict(images) != LABELS
    assert 0 < wrong.sum() < 30
    assert (curve.rejected[0], curve.error[0]) == (0, wrong.mean())
    assert (np.diff(curve.rejected) > 0).all()
    sign = 1 if measure == "margin" else -1
    assert (np.diff(sign * curve.threshold) > 0).all()
    scores = np.sort(model.scores(images), axis=1)
    sure = scores[:, 1] - scores[:, 0] if measure == "margin" else -scores[:, 0]
    for rejected, error, threshold in zip(*curve, strict=True):
        kept = sure >= sign * threshold
        assert rejected == pytest.approx(1 - kept.mean())
        assert error == pytest.approx(wrong[kept].mean())


def test_curve_of_bad_arguments():
    with pytest.raises(TypeError, match="model: wanted a lenet_fast.Model, found 'digits'"):
        rejection_curve("digits", DIGITS, LABELS)
    model = lenet_fast.pretrained("digits")
    with pytest.raises(ValueError, match="labels: wanted one per image"):
        rejection_curve(model, DIGITS, LABELS[:3])
    with pytest.raises(ValueError, match="measure: wanted one of"):
        rejection_curve(model, DIGITS, LABELS, measure="entropy")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot(tmp_path, random, ending):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    path = tmp_path / f"rejection.{ending}"
    figure = plot_rejection({"ours": lenet_fast.pretrained("digits")}, noisy(random), LABELS, path)
    assert path.stat().st_size > 5_000
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["ours", *(f"1998: {name}, {rejected:g} %" for name, rejected in FIGURE_10.items())]
    curve = figure.axes[0].lines[0]
    assert curve.get_ydata()[0] == pytest.approx(
        100 * (lenet_fast.pretrained("digits").predict(noisy(np.random.default_rng(0))) != LABELS).mean(), abs=100
    )


def test_what_a_plot_shows_of_other_models(random):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    pictures, labels = random.integers(0, 256, (50, 32, 32, 3), np.uint8), random.integers(0, 10, 50)
    models = {"_mine": lenet_fast.pretrained("cifar10"), "": lenet_fast.pretrained("cifar10-relu")}
    axes = plot_rejection(models, pictures, labels).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [" _mine", "(no name)"]
    assert axes.get_xlim()[1] > 20
    errors = np.concatenate([line.get_ydata() for line in axes.lines])
    assert axes.get_ylim()[0] > errors[errors > 0].min() / 2


@pytest.mark.parametrize("turned", [False, True])
def test_a_plot_shows_every_curve_down_to_its_last_error(turned):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    network = Network((1, 1, 2), (Dense(2),), "scores")
    rising = Model(network, {"F1.weight": np.eye(2), "F1.bias": [0, 0]})
    falling = Model(network, {"F1.weight": -np.eye(2), "F1.bias": [1, 0]})
    images = np.float32([[n / 10, 0] for n in range(1, 11)])[:, None, None, :]  # sure by n, or by 10 - n; all are 0
    labels = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]  # the errors are gone without four of ten, or without all
    models = dict([("rising", rising), ("falling", falling)][:: -1 if turned else 1])
    axes = plot_rejection(models, images, labels, figure_10=False).axes[0]
    assert axes.get_xlim() == pytest.approx((0, 90))
    assert axes.get_ylim() == pytest.approx((100 / 9 / 1.5, 100 * 1.5))
    assert plot_rejection(rising, images, labels).axes[0].get_xlim() == pytest.approx((0, 30))
    beside = plot_rejection(models, images, labels, figure_10=True).axes[0]
    assert beside.get_xlim() == (0, 9)  # as far as the paper's figures reach
    assert beside.get_ylim() == pytest.approx((0.1 / 1.5, 20 * 1.5))
    assert plot_rejection(rising, images, [0] * 10).axes[0].get_xlim() == (0, 1)  # no error: one per cent, to show any


def test_plot_of_no_model():
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    for path in ("plot", "plot.bmp", ".png"):
        with pytest.raises(ValueError, match=r"path: wanted a name that ends in .png, .svg, .pdf, found"):
            plot_rejection(lenet_fast.pretrained("digits"), DIGITS, LABELS, path)
    with pytest.raises(FileNotFoundError, match="wanted a file in a folder that exists, found 'nowhere/plot.png'"):
        plot_rejection(lenet_fast.pretrained("digits"), DIGITS, LABELS, "nowhere/plot.png")
    for models in ({}, [lenet_fast.pretrained("digits")]):
        with pytest.raises(TypeError, match="models: wanted a lenet_fast.Model, or a dictionary of them by name"):
            plot_rejection(models, DIGITS, LABELS)


def test_plot_without_the_paper(random):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    perfect = plot_rejection(lenet_fast.pretrained("digits"), DIGITS, LABELS, figure_10=False)
    assert [text.get_text() for text in perfect.axes[0].get_legend().get_texts()] == ["this model, no errors"]
