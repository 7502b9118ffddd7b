"""Random networks, weights and images: near the float64 oracle, the same bits whatever the circumstances, or a sentence.

500 cases in the ordinary suite, always the same ones. `LENET_FAST_RANDOM_CASES=20000 pytest tests/test_random.py` tries
so many others; what fails is printed as the smallest case like it, with a line that brings it back.
"""

from __future__ import annotations

import os
import re
import warnings
from contextlib import contextmanager

import lenet_fast
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lenet_fast import Model, _core
from lenet_fast.errors import ArgumentError
from random_mistakes import broken_images, broken_models, broken_networks
from random_networks import Case, bounds, cases, scaled, seeds

CASES = int(os.environ.get("LENET_FAST_RANDOM_CASES", "500"))
ISAS = _core.available_isas()


def tried(share):
    """Settings for this share of the cases: the same ones every time, but for more than the suite's."""
    return settings(
        max_examples=max(1, round(share * CASES)), deadline=None, database=None, derandomize=CASES <= 500, print_blob=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@contextmanager
def circumstances(isa=None, threads=None):
    """Another instruction set for the plans made inside, another number of threads."""
    before, count = os.environ.get("LENET_FAST_ISA"), _core.num_threads()
    if isa:
        os.environ["LENET_FAST_ISA"] = isa
    lenet_fast.set_num_threads(threads or count)
    try:
        yield
    finally:
        lenet_fast.set_num_threads(count)
        os.environ.pop("LENET_FAST_ISA", None)
        if before is not None:
            os.environ["LENET_FAST_ISA"] = before


@pytest.fixture(autouse=True)
def silent():
    """Pixels far outside of what a model expects bring a warning, which is no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def again(model):
    """The same model, planned anew."""
    return Model(**model._parts())


@tried(0.3)
@given(cases())
@np.errstate(all="ignore")
def test_every_layer_is_near_the_oracle(case: Case):
    """Within what rounding may do; usual numbers within 1e-5 of the largest value on the way, in practice within 3e-6.

    And labels and probabilities are those of the scores.
    """
    model, images = case.model, case.given
    before = np.array(images, copy=True)
    found = model.activations(images)
    x, off = scaled(model, case.pixels)
    largest = np.abs(x).max(initial=0)
    for name, (wanted, error) in bounds(model.network, model.weights, x, off).items():
        values, sure = found[name].reshape(wanted.shape), np.isfinite(error)
        assert np.isfinite(values[sure]).all(), name
        assert (np.abs(values - wanted)[sure] <= error[sure]).all(), name
        largest = max(largest, np.abs(wanted).max(initial=0))
        if case.usual:
            assert np.abs(values - wanted).max(initial=0) <= 1e-5 * largest, name
    scores = model.scores(images)
    assert scores.tobytes() == found[model.network.figures[-1].name].tobytes()
    assert np.array_equal(np.array(images), before)
    if model.network.classes > 1:
        check_answers(model, images, scores)


def check_answers(model, images, scores):
    goodness = np.clip(
        (-1 if model.network.head == "rbf" else 1) * scores.astype(np.float64), -3.4028235e38, 3.4028235e38
    )
    labels, probabilities = model.predict(images), model.predict_proba(images)
    assert (labels == np.where(np.isnan(goodness), -np.inf, goodness).argmax(1)).all() or np.isnan(goodness).any()
    behind = np.maximum(goodness - goodness.max(1, keepdims=True, initial=-np.inf), -87.0)
    wanted = np.exp(behind) / np.exp(behind).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, wanted, rtol=3e-5, atol=1e-37)
    best, shares = model.topk(images)
    assert (best[:, 0] == labels).all()
    assert np.array_equal(shares, np.take_along_axis(probabilities, best, 1), equal_nan=True)


@tried(0.3)
@given(cases(), st.sampled_from(ISAS), st.integers(1, 4), st.integers(1, 20), seeds)
@np.errstate(all="ignore")
def test_the_same_bytes_in_all_circumstances(case, isa, threads, size, seed):
    """Other instruction set, threads, layout, order, company: no byte is another, not even of a NaN."""
    model, pixels = case.model, np.ascontiguousarray(case.pixels)
    scores, features = model.scores(pixels), outputs_inside(model, pixels)
    order = np.random.default_rng(seed).permutation(len(pixels))
    with circumstances(isa, threads):
        other = again(model)
        assert other._plan.isa == isa
        assert other.scores(case.given).tobytes() == scores.tobytes()
        assert outputs_inside(other, case.given) == features
        assert other.scores(pixels[order]).tobytes() == scores[order].tobytes()
        parts = [other.scores(pixels[i : i + size]).tobytes() for i in range(0, len(pixels), size)]
        assert b"".join(parts) == scores.tobytes()
        if model.network.classes > 1:
            for method in ("predict", "predict_proba"):
                wanted = getattr(model, method)(pixels)
                assert getattr(other, method)(case.given).tobytes() == wanted.tobytes()
                alone = [getattr(other, method)(image[None]).tobytes() for image in pixels]
                assert b"".join(alone) == wanted.tobytes()


def outputs_inside(model, images):
    return [values.tobytes() for values in model.activations(images).values()]


@tried(0.05)
@given(cases(), st.integers(2, 4))
def test_the_same_bytes_when_threads_are_woken(case, threads):
    """So many images that it is worth while."""
    connections = sum(figures.connections for figures in case.model.network.figures)
    if len(case.pixels) == 0 or connections < 2500:
        return
    times = 9_000_000 // (connections * len(case.pixels)) + 1
    many, scores = np.tile(case.pixels, (times, 1, 1, 1)), case.model.scores(np.ascontiguousarray(case.pixels))
    with circumstances(threads=threads):
        assert case.model.scores(many).tobytes() == scores.tobytes() * times


def refused(mistake):
    """The sentence, which is one, short, and begins with the name of what is wrong."""
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake.call()
    assert type(caught.value) in (ValueError, TypeError, ArgumentError), mistake
    sentence = str(caught.value)
    assert re.fullmatch(r"[A-Za-z_][\w.]*( and \w+)?: [^\n]{10,}", sentence), sentence
    assert len(sentence) <= 320, sentence
    assert " wanted " in f" {sentence}" or "cannot" in sentence or " wants " in sentence, sentence


@tried(0.15)
@given(broken_networks())
def test_a_broken_network_is_one_sentence(mistake):
    refused(mistake)


@tried(0.1)
@given(broken_models())
def test_parts_that_do_not_go_together_are_one_sentence(mistake):
    refused(mistake)


@tried(0.1)
@given(broken_images())
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_images_that_do_not_fit_are_one_sentence(mistake):
    refused(mistake)
