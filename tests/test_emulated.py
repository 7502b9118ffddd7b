"""The same bits on machines that are not here: an x86-64 without AVX and an AArch64 with NEON, both emulated."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("g++", "aarch64-linux-gnu-g++", "qemu-x86_64-static", "qemu-aarch64-static")


def test_the_same_bits_on_emulated_machines():
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.skip(
            f"{', '.join(missing)} not installed (Debian: apt-get install g++-aarch64-linux-gnu qemu-user-static)"
        )
    done = subprocess.run([Path(__file__).parent / "emulated" / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "emulated AArch64  neon" in done.stdout
    assert done.stdout.endswith("the same bits everywhere\n")
