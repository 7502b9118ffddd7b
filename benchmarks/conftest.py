"""What the benchmarks share: pytest benchmarks/bench_*.py, after pip install ".[bench]".

Every benchmark checks its answer against the float64 oracle before it is timed. --benchmark-json=FILE also keeps what
share of the instruction set's measured peak its multiply-adds are ("of peak").
"""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Model, Network, _core
from lenet_fast.bench.peak import multiply_adds_per_second


@pytest.fixture(params=_core.available_isas())
def isa(request, monkeypatch):
    monkeypatch.setenv("LENET_FAST_ISA", request.param)
    return request.param


@pytest.fixture(params=[1, 256])
def batch(request):
    return request.param


@pytest.fixture
def measure(benchmark, isa):
    """Times one call of a network, on one thread."""
    threads = lenet_fast.info()["threads"]
    lenet_fast.set_num_threads(1)

    def run(network: Network, batch: int, dtype: type = np.float32) -> None:
        random = np.random.default_rng(1998)
        model = Model(network, reference.random_weights(network, random))
        images = random.integers(0, 256, (batch, *network.input), np.uint8)
        given = images if dtype == np.uint8 else (images / 255).astype(np.float32)
        out = np.empty((batch, network.classes), np.float32)
        wanted = list(reference.run(network, model.weights, images[:8] / 255).values())[-1].reshape(-1, network.classes)
        assert np.abs(model.scores(given)[:8] - wanted).max() <= 2e-6 * max(1, np.abs(wanted).max())
        benchmark(model.scores, given, out=out)
        work = batch * sum(figures.multiply_adds for figures in network.figures)
        speed = work / benchmark.stats.stats.median
        benchmark.extra_info["of peak"] = round(speed / multiply_adds_per_second(), 3)

    yield run
    lenet_fast.set_num_threads(threads)
