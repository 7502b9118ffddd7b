"""`lenet-fast info`: what the package runs on, a fact a line."""

from __future__ import annotations

import lenet_fast


def test_info(run):
    status, out, _ = run("info")
    assert status == 0
    assert f"version         {lenet_fast.__version__}" in out
