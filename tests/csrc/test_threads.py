"""threads.cpp: who decides the number of threads, forks, and a pool that sleeps."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lenet_fast
import numpy as np
import pytest

IMAGES = np.zeros((2000, 28, 28), np.uint8)


def threads_with(**variables):
    """The number of threads that a fresh process chooses with these environment variables."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "LENET_FAST_NUM_THREADS")
    } | variables
    code = "import lenet_fast; print(lenet_fast.info()['threads'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no processor affinity on this system")
def test_default_is_what_this_process_may_use():
    assert 1 <= int(threads_with()) <= len(os.sched_getaffinity(0))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")
def test_affinity_is_respected():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import lenet_fast; print(lenet_fast.info()['threads'])"
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "LENET_FAST_NUM_THREADS")}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        == "1\n"
    )


def test_environment_variables():
    assert threads_with(OMP_NUM_THREADS="3") == "3"
    assert threads_with(OMP_NUM_THREADS="3,2") == "3"
    assert threads_with(LENET_FAST_NUM_THREADS="5", OMP_NUM_THREADS="3") == "5"
    assert threads_with(LENET_FAST_NUM_THREADS="", OMP_NUM_THREADS="nonsense") == threads_with()
    for bad in ("0", "-1", "two", "1.5", "100000"):
        assert threads_with(LENET_FAST_NUM_THREADS=bad).endswith(
            f"LENET_FAST_NUM_THREADS: wanted a whole number from 1 to 65536, found '{bad}'"
        )


ENTRIES = """
import os, sys, numpy as np, lenet_fast
from lenet_fast import cli
model, image = lenet_fast.pretrained("cifar10"), np.zeros((28, 28), np.uint8)
os.environ["LENET_FAST_NUM_THREADS"] = "abc"
file = lenet_fast.__path__[0] + "/pretrained/digits.safetensors"
for entry in (
    lambda: lenet_fast.predict(image),
    lambda: lenet_fast.pretrained("digits"),
    lambda: lenet_fast.load(file),
    lambda: lenet_fast.load(file, check=(image[None], [0])),
    lambda: lenet_fast.from_state_dict(model.weights, network="lenet5-tanh-average"),
    lambda: model.predict(np.zeros((32, 32, 3), np.uint8)),
    lambda: lenet_fast.info(),
):
    try:
        print(entry())
    except ValueError as error:
        print(type(error).__name__, error)
sys.stderr = sys.stdout
cli.main(["predict", "--samples"])
"""


def test_a_number_that_is_none_is_no_fault_of_a_file():
    """The sentence is about the variable, whichever entry looks at it first."""
    done = subprocess.run([sys.executable, "-c", ENTRIES], capture_output=True, text=True)
    words = "LENET_FAST_NUM_THREADS: wanted a whole number from 1 to 65536, found 'abc'"
    *lines, command = done.stdout.splitlines()
    assert lines == [f"ValueError {words}"] * 7, done.stderr
    assert command.endswith(words)


def test_the_argument_wins(threads):
    threads(7)
    assert lenet_fast.info()["threads"] == 7
    for bad in (0, -3):
        with pytest.raises(ValueError, match=f"threads: wanted a whole number from 1 to 65536, found {bad}"):
            threads(bad)
    for bad in (2.5, "2", None):
        with pytest.raises(TypeError, match="threads: wanted a whole number, found"):
            threads(bad)
    assert lenet_fast.info()["threads"] == 7


def _predict(queue):
    queue.put(lenet_fast.predict(IMAGES).sum())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_predicts_too(threads):
    threads(3)
    wanted = lenet_fast.predict(IMAGES).sum()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_predict, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == wanted
    child.join(timeout=60)
    assert child.exitcode == 0
    assert lenet_fast.predict(IMAGES).sum() == wanted


TASKS = Path("/proc/self/task")


def _count_new_threads(queue):
    before = len(list(TASKS.iterdir()))
    lenet_fast.predict(IMAGES)
    first = len(list(TASKS.iterdir()))
    lenet_fast.predict(IMAGES)
    queue.put((first - before, len(list(TASKS.iterdir())) - first))


@pytest.mark.skipif(not hasattr(os, "fork") or not TASKS.exists(), reason="no fork, or no /proc that counts threads")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_starts_workers_of_its_own(threads):
    """It has none of its parent's: a pool that counted on them would leave all the work to the calling thread."""
    threads(3)
    lenet_fast.predict(IMAGES)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_count_new_threads, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == (2, 0)
    child.join(timeout=60)


OUT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
import lenet_fast

def are_right():
    labels[:] = -7
    model.predict(images, out=labels)
    return (labels == wanted).all()

step, threads = map(int, sys.argv[1:])
model = lenet_fast.pretrained("digits")
images, labels = np.full((20_000, 28, 28), 255, np.uint8), np.empty(20_000, np.int64)
lenet_fast.set_num_threads(1)
wanted = model.predict(images[:1])[0]
lenet_fast.set_num_threads(threads)
most = resource.getrlimit(resource.RLIMIT_AS)[1]
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (step << 20), most))
for _ in range(2):
    try:
        right = are_right()
    except MemoryError:
        right = True
    if not right:
        print("wrong")
resource.setrlimit(resource.RLIMIT_AS, (most, most))
print(are_right())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers end where memory ends")
@pytest.mark.parametrize(
    ("threads", "steps"), [(2, (0, 1, 9)), (64, (2, 17, 100)), (1024, (100, 250, 400, 550, 700, 1000, 1500))]
)
def test_a_machine_out_of_memory_makes_a_call_slower_or_a_memory_error(threads, steps):
    """A thread wants 8 MiB for its stack alone; the next call, with memory, is none the worse."""
    for step in steps:
        code = [sys.executable, "-c", OUT_OF_MEMORY, str(step), str(threads)]
        done = subprocess.run(code, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", ""), step


#: In front of the C library: three threads, and no more.
FEW_THREADS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
typedef int Create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*what)(void*), void* with) {
  static int started;
  if (started == 3) return EAGAIN;
  ++started;
  return ((Create*)dlsym(RTLD_NEXT, "pthread_create"))(thread, how, what, with);
}
"""

COUNT = """
from pathlib import Path
import numpy as np
import lenet_fast

images = np.random.default_rng(0).integers(0, 256, (5000, 28, 28), np.uint8)
lenet_fast.set_num_threads(1)
wanted = lenet_fast.predict(images)
lenet_fast.set_num_threads(16)
print((lenet_fast.predict(images) == wanted).all(), len(list(Path("/proc/self/task").iterdir())))
"""


@pytest.mark.skipif(not TASKS.exists(), reason="no /proc that counts threads")
@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers stand in front of it themselves")
@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed (Debian: apt-get install gcc)")
def test_a_machine_out_of_threads_makes_a_call_slower(tmp_path):
    (tmp_path / "few.c").write_text(FEW_THREADS)
    library = tmp_path / "few.so"
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "few.c", "-o", library], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True 4\n", "")


IDLE = """
import resource, time
import numpy as np
import lenet_fast

lenet_fast.set_num_threads(4)
lenet_fast.predict(np.zeros((2000, 28, 28), np.uint8))
before = resource.getrusage(resource.RUSAGE_SELF)
time.sleep(1)
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""


def test_idle_workers_sleep():
    """In a process without the threads of other runtimes, some of which go on spinning for a while."""
    done = subprocess.run([sys.executable, "-c", IDLE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.1  # seconds of processor time; spinning would take 1 to 4
