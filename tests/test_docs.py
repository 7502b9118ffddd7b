"""The examples in docstrings and in the README, run as they stand."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import lenet_fast
import numpy as np
import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
NAMES = ("codes", "digits", "images", "kernels", "network", "networks", "pretrained")
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


def test_readme_states_the_accuracy_of_the_card():
    accuracy = lenet_fast.pretrained("digits").card["test accuracy"].split()[0]
    assert accuracy.replace("%", " %") in README
