"""The examples in docstrings and in the README, run as they stand."""

from __future__ import annotations

import doctest
import json
import re
from importlib import import_module
from pathlib import Path

import lenet_fast
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
NAMES = ("calibration", "codes", "digits", "images", "kernels", "network", "networks", "pretrained", "rejection")
MODULES = [lenet_fast, *(import_module(f"lenet_fast.{name}") for name in NAMES)]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_docstrings(module):
    failed, tried = doctest.testmod(module, extraglobs={"lenet_fast": lenet_fast, "np": np})
    assert failed == 0
    assert tried > 0


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S))
def test_readme(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("name", lenet_fast.pretrained())
def test_readme_states_the_accuracy_of_the_card(name):
    accuracy = " ".join(lenet_fast.pretrained(name).card["test accuracy"].split()[:2])
    row = next(line for line in README.splitlines() if line.startswith(f'| `"{name}"` |'))
    assert row.endswith(f"| {accuracy} |")


def test_the_first_number_is_the_recorded_one():
    results = json.loads((ROOT / "benchmarks" / "results" / "epyc-avx2.json").read_text())
    rows = results["networks"]["lenet5-1998"]["rows"]
    ratio = next(row["ratio"] for row in rows if (row["threads"], row["batch"]) == (1, 256))
    assert re.search(r"\*\*([\d.]+) times\*\*", README)[1] == f"{ratio:.1f}"
