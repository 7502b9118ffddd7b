"""Forks, ways to start a process, many threads and many calls, in short form; `soak.py` has the long one."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import lenet_fast
import pytest

SOAK = Path(__file__).parent / "soak.py"
IS_SANITIZED = "san.so" in os.environ.get("LD_PRELOAD", "")


def soaked(*arguments):
    done = subprocess.run([sys.executable, SOAK, *map(str, arguments)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_after_child_predicts():
    assert soaked("forks", "--times", 40) == {"forks": 40, "wrong": 0}


def test_many_threads_and_models_while_the_number_of_threads_changes():
    times = 20 if IS_SANITIZED else 100
    assert soaked("threads", "--times", times) == {"threads": 8, "calls": 8 * times, "wrong": 0}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc that tells a process's memory")
@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer keeps memory that was freed")
def test_many_calls_take_no_more_memory():
    found = soaked("memory", "--seconds", 10)
    assert found["wrong"] == 0
    assert found["calls"] > 100
    assert found["grown"] < 8  # the long form: less than 1 MiB in nine minutes


@pytest.mark.parametrize("way", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_process_started_in_any_way_predicts(way):
    images = lenet_fast.sample_digits(range(10))
    assert lenet_fast.predict(images).tolist() == list(range(10))
    with multiprocessing.get_context(way).Pool(2) as pool:
        found = pool.map_async(lenet_fast.predict, [images] * 4).get(timeout=120)
    assert [labels.tolist() for labels in found] == [list(range(10))] * 4
