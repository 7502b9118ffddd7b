"""__main__.py: `python -m lenet_fast` is the command line, its exit status included."""

from __future__ import annotations

import subprocess
import sys


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "lenet_fast", *arguments], capture_output=True, text=True, check=False)


def test_it_is_the_command_line():
    done = run("info")
    assert done.returncode == 0, done.stderr
    assert "isa" in done.stdout


def test_a_failure_is_the_exit_status():
    done = run("predict", "there/is/no/such.png")
    assert done.returncode not in (0, None)
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
