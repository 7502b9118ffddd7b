"""interrupt.hpp: Ctrl-C ends a call over millions of images long before its last one, and the pool works on."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Overlapping images that take no memory: columns side by side, or every second one.
INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import lenet_fast

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background ignores it
name, apart = sys.argv[1], int(sys.argv[2])
lenet_fast.set_num_threads(2)
model = lenet_fast.pretrained("digits")
values = np.random.default_rng(0).integers(0, 256, 601_600).astype(name)
values = values if name == "uint8" else values / np.array(255, name)
size = values.itemsize
images = np.lib.stride_tricks.as_strided(values, (600_000, 28, 28), (size, 28 * apart * size, apart * size))
few = images[:1000]
wanted = model.scores(few).tobytes()

def interrupt(delay):
    time.sleep(delay)
    sent.append(time.process_time())
    os.kill(os.getpid(), signal.SIGINT)

for method in ("predict", "predict_proba", "scores", "topk", "features", "activations"):
    compute = getattr(model, method)
    many = images[:40_000] if method == "activations" else images
    before, wall = time.process_time(), time.perf_counter()
    compute(few)
    whole = (time.process_time() - before) * len(many) / len(few)  # seconds of the processors
    delay = (time.perf_counter() - wall) * len(many) / len(few) / 8
    sent = []
    thread = threading.Thread(target=interrupt, args=(delay,))
    thread.start()
    try:
        compute(many)
        print(method, "went on to the end")
    except KeyboardInterrupt:
        late = time.process_time() - sent[0]
        if late > whole / 3:
            print(method, "took", late, "of", whole, "seconds to stop")
    thread.join()
    if model.scores(few).tobytes() != wanted:
        print(method, "left the wrong scores behind")
"""


@pytest.mark.parametrize("apart", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_ctrl_c_ends_a_call_over_millions_of_images(dtype, apart):
    code = [sys.executable, "-c", INTERRUPTED, dtype, str(apart)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
