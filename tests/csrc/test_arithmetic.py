"""arithmetic.hpp: the caller's rounding and flushing change no bit of ours, and are what they were after the call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Rounding 0 to 3 as the register counts it, and whether small numbers, read or written, become zero.
MODES = """
#ifdef __x86_64__
void set_mode(int rounding, int flush) { __builtin_ia32_ldmxcsr(0x1F80 | rounding << 13 | (flush ? 0x8040 : 0)); }
int mode(void) { return __builtin_ia32_stmxcsr() & 0xFFC0; }
#elif defined(__aarch64__)
void set_mode(int rounding, int flush) {
  unsigned long modes = (unsigned long)rounding << 22 | (unsigned long)flush << 24;
  __asm__ volatile("msr fpcr, %0" : : "r"(modes));
}
int mode(void) { unsigned long modes; __asm__ volatile("mrs %0, fpcr" : "=r"(modes)); return (int)modes; }
#else
#error "no register to write"
#endif
"""

SAME = """
import ctypes, signal, sys, warnings
import numpy as np
import lenet_fast
from lenet_fast import Dense, Model, Network, Preprocess, _core, kernels

sys.path.append(sys.argv[2])
import reference

library = ctypes.CDLL(sys.argv[1])
random = np.random.default_rng(0)
networks = lenet_fast.networks()
weights = {name: reference.random_weights(network, random) for name, network in networks.items()}
weights = {name: {k: v * np.float64(1.0000001) for k, v in tensors.items()} for name, tensors in weights.items()}
tiny = Network((1, 28, 28), (Dense(5), Dense(3)), "softmax")
weights_of_tiny = {k: random.normal(0, 1e-38, s) for k, s in tiny.parameters.items()}
scaling = Preprocess(scale=1.2751, shift=-0.1003, background=0.123456789)
floats = random.random((40, 28, 28))  # work for three threads
kinds = floats, floats.astype(np.float32), (floats * 255).astype(np.uint8)
small = np.float32([1e-40, 3e-40, 2e-40]).reshape(1, 1, 1, 3)
x = np.concatenate([np.linspace(-110, 110, 2000), random.normal(0, 1e-39, 100)])

def outputs(model, images):
    yield from (model.predict(images), model.scores(images), model.predict_proba(images), model.features(images))
    yield from (*model.topk(images, 2), *model.activations(images).values(), model.predict_proba(images, rubbish=0.1234567))

def everything():
    for name, network in networks.items():
        model = Model(network, weights[name], preprocess=scaling)
        for given in kinds:
            images = np.repeat(given[:5, None], network.input[0], 1)
            for part in (images, images[:1]):
                yield from outputs(model, part)
    digits = lenet_fast.pretrained("digits").replace(preprocess=Preprocess(per_image=True))
    yield from outputs(digits, floats)
    yield from outputs(Model(tiny, weights_of_tiny), floats[:5])
    for kernel in (kernels.squash, kernels.tanh, kernels.sigmoid, kernels.relu, lambda v: kernels.leaky_relu(v, 0.1)):
        yield kernel(x)
    with _core.DefaultArithmetic():  # for Python's floats
        yield np.array(_core.pixel_range(small, 1.0))

def bits():
    return [array.tobytes() for array in everything()]

def refused(call):
    try:
        call()
    except ValueError:
        return True

lenet_fast.set_num_threads(1)
wanted = bits()
model, nan = lenet_fast.pretrained("digits"), np.full((3, 28, 28), np.nan)
for threads in (1, 3):  # workers are started, and inherit, in the first of these modes
    lenet_fast.set_num_threads(threads)
    for rounding, flush in ((3, 1), (0, 1), (1, 0), (2, 0)):
        library.set_mode(rounding, flush)
        before = library.mode()
        found = bits()
        raised = refused(lambda: model.predict(nan)) and refused(lambda: model.predict(nan[:, :3]))
        raised = raised and refused(lambda: Model(tiny, weights_of_tiny | {"F1.bias": np.full(5, np.nan)}))
        after = library.mode()
        library.set_mode(0, 0)
        wrong = [i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
        if wrong or before != after or not raised:
            print(threads, rounding, flush, "other bits of", wrong, hex(before), hex(after), raised)

def enough(number, frame):
    seen.append(library.mode())
    raise InterruptedError

seen = []
signal.signal(signal.SIGALRM, enough)
many = np.lib.stride_tricks.as_strided(kinds[2], (4_000_000, 28, 28), (0, 28, 1))
library.set_mode(2, 1)
before = library.mode()
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    model.predict(many)
except InterruptedError:
    print("interrupted", seen == [before], library.mode() == before)
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed (Debian: apt-get install gcc)")
def test_the_callers_arithmetic_neither_changes_our_bits_nor_is_changed(isa, tmp_path):
    (tmp_path / "modes.c").write_text(MODES)
    library = tmp_path / "modes.so"
    made = subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "modes.c", "-o", library], capture_output=True)
    if made.returncode != 0:
        pytest.skip("this machine's arithmetic is set in a way that the test does not know")
    code = [sys.executable, "-c", SAME, library, Path(__file__).parent.parent]
    done = subprocess.run(code, env=os.environ, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted True True\n", "")
