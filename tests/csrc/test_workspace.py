"""workspace.cpp: after the first call a call allocates nothing, and what a call leaves behind is bounded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

SANITIZED = "san.so" in os.environ.get("LD_PRELOAD", "")

#: In front of the C library: counts whatever asks it for memory, C++'s operator new included.
COUNTER = """
#include <errno.h>
#include <stddef.h>
void* __libc_malloc(size_t); void* __libc_calloc(size_t, size_t); void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
static long count;
#define COUNTED(call) { __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED); return call; }
void* malloc(size_t n) COUNTED(__libc_malloc(n))
void* calloc(size_t n, size_t m) COUNTED(__libc_calloc(n, m))
void* realloc(void* p, size_t n) COUNTED(__libc_realloc(p, n))
void* memalign(size_t a, size_t n) COUNTED(__libc_memalign(a, n))
void* aligned_alloc(size_t a, size_t n) COUNTED(__libc_memalign(a, n))
int posix_memalign(void** p, size_t a, size_t n) COUNTED((*p = __libc_memalign(a, n)) ? 0 : ENOMEM)
long allocations(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }
"""

CALLS = """
import ctypes, gc, sys
import numpy as np
import lenet_fast

allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_long
model = lenet_fast.pretrained("digits")
images = np.random.default_rng(0).integers(0, 256, (300, 28, 28), np.uint8)
floats = (images / 255).astype(np.float32)
labels, scores = np.empty(300, np.int64), np.empty((300, 10), np.float32)
gc.disable()

def count(method, given, out):
    method(given, out=out)
    allocations()
    before = allocations()
    overhead = allocations() - before
    before = allocations()
    for _ in range(70):  # a queue that grows in nodes would need its next one
        method(given, out=out)
    return allocations() - before - overhead

assert count(lambda given, out: bytes(1000), None, None) >= 70
for threads in 0, 1, 2, 5:
    if threads:
        lenet_fast.set_num_threads(threads)
    for given in (images[:1], images, floats, images[:, ::-1, ::-1], floats[:, ::-1, ::-1]):
        n = len(given)
        print(count(model.predict, given, labels[:n]), count(model.scores, given, scores[:n]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the counter stands in front of Linux's C library")
@pytest.mark.skipif(SANITIZED, reason="sanitizers have an allocator of their own")
@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed (Debian: apt-get install gcc)")
def test_after_the_first_call_a_call_allocates_nothing(tmp_path):
    (tmp_path / "counter.c").write_text(COUNTER)
    library = tmp_path / "counter.so"
    subprocess.run(
        ["gcc", "-O1", "-shared", "-fPIC", "-fno-builtin", tmp_path / "counter.c", "-o", library], check=True
    )
    environment = os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "3,2,1,1,1,1,1,1,1,1,1"}
    done = subprocess.run([sys.executable, "-c", CALLS], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 0\n" * 20, "")


KEPT = """
import threading
from pathlib import Path
import resource
import numpy as np
import lenet_fast
from lenet_fast import Dense, Model, Network

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

network = Network((8, 256, 256), (Dense(2),), "scores")  # 128 MiB for a block of AVX-512
model = Model(network, {name: np.ones(shape) for name, shape in network.parameters.items()})
images = np.broadcast_to(np.uint8(255), (64, *network.input))
digits, few = lenet_fast.pretrained("digits"), np.zeros((2000, 28, 28), np.uint8)
wanted = digits.scores(few).tobytes()
lenet_fast.set_num_threads(3)
model.scores(images[:1])
before = resident()
for _ in range(3):
    model.scores(images)
print(resident() - before < 32)
callers = [threading.Thread(target=lambda: digits.scores(few)) for _ in range(200)]
for caller in callers:
    caller.start()
for caller in callers:
    caller.join()
print(resident() - before < 128)
print(digits.scores(few).tobytes() == wanted)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in Linux's /proc")
@pytest.mark.skipif(SANITIZED, reason="sanitizers keep what is freed for a while")
def test_what_is_kept_is_bounded():
    """Of large workspaces nothing, of small ones no more than there were callers at once."""
    environment = os.environ | {"LENET_FAST_ISA": ""}
    done = subprocess.run([sys.executable, "-c", KEPT], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\nTrue\nTrue\n", "")
