"""bindings/outside.hpp: a call outside Python comes back to it, or sleeps where there is no Python any more."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)


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
