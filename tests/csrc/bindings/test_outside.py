"""bindings/outside.hpp: a call outside Python comes back to it, or sleeps where there is no Python any more."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)


EXIT = """
import sys, threading, time
import numpy as np
import lenet_fast
from lenet_fast import _core, kernels

model = lenet_fast.pretrained("digits")
images = np.broadcast_to(lenet_fast.sample_digits(range(10)), (400, 10, 28, 28)).reshape(4000, 28, 28)
floats = (images / 255).astype(np.float32)
calls = {
    "predict": lambda: model.predict(images),
    "features": lambda: model.features(images),
    "scores": lambda: model.scores(floats[:, ::-1]),
    "tanh": lambda: kernels.tanh(floats),
    "multiply_adds": lambda: _core.multiply_adds(1_000_000),
}

def work(call):
    call()
    ready.release()
    while True:
        call()

ready = threading.Semaphore(0)
for _ in range(2):
    threading.Thread(target=work, args=(calls[sys.argv[1]],), daemon=True).start()
    ready.acquire()
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("call", ["predict", "features", "scores", "tanh", "multiply_adds"])
def test_a_process_may_exit_while_a_thread_computes(call):
    """The thread would come back to an interpreter that is no more."""
    for moment in (0.0, 0.001, 0.003):
        done = run(EXIT, call, str(moment))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), moment


HANDLERS = """
import signal
import numpy as np
import lenet_fast
from lenet_fast import kernels

lenet_fast.set_num_threads(2)
random = np.random.default_rng(0)
C, S, F = lenet_fast.Conv5x5, lenet_fast.Subsample2x2, lenet_fast.Dense
network = lenet_fast.Network((1, 28, 28), (C(6, "relu", 2), S("max"), C(16, "relu"), S("max"), F(10)), "scores")
weights = {name: random.normal(0, 0.1, shape) for name, shape in network.parameters.items()}
model, other = lenet_fast.Model(network, weights), lenet_fast.pretrained("digits")
images = random.integers(0, 256, (100_000, 28, 28), np.uint8)
few = images[:200]
wanted, wanted_of_few = model.scores(images).tobytes(), other.scores(few).tobytes()
calls = []

def predict(number, frame):
    calls.append(other.scores(few).tobytes() == wanted_of_few)
    signal.setitimer(signal.ITIMER_REAL, 0.03)  # again, but never during this

signal.signal(signal.SIGALRM, predict)
signal.setitimer(signal.ITIMER_REAL, 0.03)
found = model.scores(images).tobytes()
signal.setitimer(signal.ITIMER_REAL, 0)
print(found == wanted, all(calls), len(calls) > 1)

class Enough(Exception):
    pass

def raise_(number, frame):
    raise Enough("of this")

signal.signal(signal.SIGALRM, raise_)
floats = np.broadcast_to(np.float32(0.5), (1 << 28,))
many = np.lib.stride_tricks.as_strided(images, (4_000_000, 28, 28), (0, *images.strides[1:]))
many_floats = np.lib.stride_tricks.as_strided(floats, (20_000_000, 28, 28), (0, 0, 0))
for call in (lambda: model.scores(many), lambda: model.features(many), lambda: model.predict(many_floats), lambda: kernels.tanh(floats)):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        call()
    except Enough as error:
        print(error)
print(model.scores(images).tobytes() == wanted)
"""


def test_handlers_of_signals_run_during_a_call_and_may_predict_or_raise():
    done = run(HANDLERS)
    assert (done.stdout, done.stderr) == ("True True True\n" + "of this\n" * 4 + "True\n", "")
