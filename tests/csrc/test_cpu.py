"""cpu.cpp: the choice of the instruction set, in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys

import lenet_fast
import pytest
from lenet_fast import _core


def run(code, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "LENET_FAST_ISA"} | variables
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_the_baseline_is_always_there_and_last():
    assert _core.available_isas()[-1] == "baseline"


def test_the_best_is_chosen(monkeypatch):
    monkeypatch.delenv("LENET_FAST_ISA", raising=False)
    assert lenet_fast.info()["isa"] == _core.available_isas()[0]
    monkeypatch.setenv("LENET_FAST_ISA", "")
    assert lenet_fast.info()["isa"] == _core.available_isas()[0]


def test_the_forced_set_is_the_active_one(isa, digits):
    assert lenet_fast.info()["isa"] == isa
    assert digits._plan.isa == isa
    done = run("import lenet_fast; print(lenet_fast.pretrained('digits')._plan.isa)", LENET_FAST_ISA=isa)
    assert done.stdout.strip() == isa


@pytest.mark.parametrize("name", ["avx1024", "AVX2", "sse", "neon,avx2"])
def test_a_set_that_the_machine_lacks_is_refused(name):
    done = run("import lenet_fast, numpy; lenet_fast.predict(numpy.zeros((28, 28)))", LENET_FAST_ISA=name)
    assert done.returncode == 1
    known = ", ".join(_core.available_isas())
    wanted = f"ValueError: LENET_FAST_ISA: wanted an instruction set that this machine has ({known}), found '{name}'; unset it to use the best one"
    assert done.stderr.strip().splitlines()[-1] == wanted


def test_import_works_whatever_is_forced():
    assert run("import lenet_fast", LENET_FAST_ISA="made-up").returncode == 0


def test_info():
    assert set(lenet_fast.info()) == {"version", "commit", "compiler", "isa", "available_isas", "threads"}
    assert lenet_fast.info()["version"] == lenet_fast.__version__
