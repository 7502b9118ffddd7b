"""cli/: the command is installed, and whatever stops it is one line on standard error and an exit status."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import lenet_fast
import numpy as np
import pytest
from lenet_fast.cli import main

DIGITS = lenet_fast.sample_digits([3, 1, 4], seed=5)


def test_the_command_is_installed():
    (script,) = (file.locate() for file in metadata.files("lenet-fast") if file.stem == "lenet-fast")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout == f"lenet-fast {lenet_fast.__version__}\n"


def test_usage_errors_exit_with_2():
    with pytest.raises(SystemExit) as caught:
        main(["recognise"])
    assert caught.value.code == 2


def test_warnings_are_one_line(run, tmp_path):
    np.save(tmp_path / "x.npy", DIGITS.astype(float))
    status, _, err = run("predict", tmp_path / "x.npy")
    assert status == 0
    assert (
        err
        == "lenet-fast: warning: images: float pixels are counted from 0 to 1, found 0 to 255; that looks like 0..255: pass uint8, or divide by 255\n"
    )


def test_no_standard_output(tmp_path):
    np.save(tmp_path / "x.npy", DIGITS)
    command = f"'{sys.executable}' -m lenet_fast predict '{tmp_path}/x.npy' >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((20_000, 28, 28), np.uint8))
    command = f"'{sys.executable}' -m lenet_fast predict '{tmp_path}/x.npy' | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
