"""weights/arrays/torch_code.py: the operators that TorchScript's code calls, found without running or compiling it."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import lenet_fast
import numpy as np
import pytest
from lenet_fast import OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.arrays import torch_code
from lenet_fast.weights.files import Archive, File
from lenet_fast.weights.said import Curve


def said(*texts):
    """Of these files of code."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"m/code/__torch__/part{number}.py", text)
        archive.writestr("m/code/__torch__.py.debug_pkl", "torch.gelu(x)")
        archive.writestr("m/data.pkl", "torch.gelu(x)")
    return torch_code.said_in(Archive(File(Path("m.pt"), stream.getvalue())))


TRACED = """
class A(Module):
  def forward(self, x: Tensor) -> Tensor:
    input = torch._convolution(x, weight, bias, [1, 1], [2, 2], [1, 1], False, [0, 0], 1, False)
    _0 = torch.leaky_relu((a).forward((c1).forward(input, ), ), 0.10000000000000001)
    x0 = torch.max_pool2d(_0, [2, 2], annotate(List[int], []), [0, 0], [1, 1])
    _1 = torch.conv2d(x0, CONSTANTS.c2, CONSTANTS.c3)
    return torch.log_softmax(torch.linear(torch.flatten(_1, 1), w, b), 1)
"""
SCRIPTED = """
    _0 = __torch__.torch.nn.functional._max_pool2d
    _1 = __torch__.torch.nn.functional.leaky_relu
    x0 = _0((a).forward(x, ), [2, 2], None, [0, 0], [1, 1], False, False, )
    _3 = _1((c2).forward(x0, ), 0.2, False, )
    _4 = torch.conv2d(_3, weight, bias, [1, 1], "same", [1, 1])
def leaky_relu(input: Tensor, negative_slope: float=0.01, inplace: bool=False) -> Tensor:
    result0 = torch.leaky_relu_(input, negative_slope)
"""


def test_traced_code_says_what_it_calls():
    found = said(TRACED)
    assert found.activations == [Curve("leaky_relu", 0.1)]
    assert (found.poolings, found.paddings) == ({"max"}, {0, 2})


def test_scripted_code_calls_functions_by_another_name():
    found = said(SCRIPTED)
    assert found.activations == [Curve("leaky_relu", 0.2)]
    assert (found.poolings, found.paddings) == ({"max"}, {2})


def test_all_files_of_code_and_nothing_else_are_looked_at():
    assert said("torch.relu_(x)", "torch.avg_pool2d(x, [2, 2])", TRACED).poolings == {"average", "max"}
    assert not said("class Net(Module):\n  torch : int\n", "x = mytorch.gelu(x)", "x.torch.gelu(x)", "torch.mean(x)")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("torch.gelu(x)", "found gelu in its TorchScript code"),
        ("torch.elu_(x, 1.)", "found elu in its TorchScript code"),
        ("torch.max_pool2d(x, [3, 3], [2, 2])", r"max_pool2d: wanted kernel_size 2, found \[3, 3\]"),
        ("torch.avg_pool2d(x, [2, 2], [1, 1])", r"avg_pool2d: wanted stride 2, found \[1, 1\]"),
        ("torch.max_pool2d(x, [2, 2], [2, 2], [1, 1])", "max_pool2d: wanted padding 0"),
        ("torch._convolution(x, w, b, [2, 2], [0, 0])", "convolution: wanted stride 1"),
        ("torch.leaky_relu(x, 2.5)", "wanted a slope from 0 to 1, found 2.5"),
    ],
)
def test_what_there_is_none_of_here_is_refused_by_name(line, words):
    with pytest.raises(WeightsError, match=words):
        said(f"    x = {line}\n")


@pytest.mark.parametrize(
    "text",
    [
        "torch.leaky_relu(",
        "torch.leaky_relu(x",
        "torch.leaky_relu(x, slope)",
        "torch.leaky_relu(" + "(" * 1000 + ", 0.1)",
    ],
)
def test_a_slope_that_is_not_written_down_is_not_known(text):
    assert said(text).activations == [Curve("leaky_relu")]


@pytest.mark.parametrize("padding", ["pad", "[1, 2]", "[x, x]", "self.padding"])
def test_a_padding_that_is_not_written_down_says_nothing(padding):
    assert said(f"torch.conv2d(x, w, b, [1, 1], {padding}, [1, 1])").paddings == set()


def test_code_of_megabytes_is_another_network():
    with pytest.raises(WeightsError, match="TorchScript code of at most 1,048,576 bytes"):
        said(*["#" * (1 << 19)] * 3)


def test_calls_inside_of_calls_are_counted():
    with pytest.raises(OverBudgetError), spending():
        said(("torch.a(" * 20 + ")" * 19) * 4000)


# --- what PyTorch itself writes ---


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["trace", "script", "freeze"])
def test_code_of_pytorch_is_used_and_held_against_the_user(tmp_path, how):
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    from trainers import VARIANTS, torch_module, torch_outputs

    variant = VARIANTS["leaky relu, slope 0.1, max"].filled()
    module = torch_module(variant)
    script = torch.jit.trace(module, torch.zeros(1, 1, 28, 28)) if how == "trace" else torch.jit.script(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (torch.jit.freeze(script) if how == "freeze" else script).save(tmp_path / "m.pt")
    if how == "freeze":  # whose tensors are constants
        archive = Archive(File(tmp_path / "m.pt", (tmp_path / "m.pt").read_bytes()))
        assert torch_code.said_in(archive).activations == [Curve("leaky_relu", 0.1)]
        return
    model = lenet_fast.load(tmp_path / "m.pt", network="lenet5-relu-max", activation="leaky_relu")
    images = np.random.default_rng(3).random((16, 1, 28, 28), np.float32)
    wanted = torch_outputs(module, images)
    assert np.abs(model.scores(images) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    for name in (
        "lenet5-relu-max",
        "lenet5-tanh-average",
        TEMPLATES["lenet5-relu-max"].varied(side=28, padding=2).network(),
    ):
        with pytest.raises(WeightsError, match="activation is leaky_relu of slope 0.1, as in its TorchScript code"):
            lenet_fast.load(tmp_path / "m.pt", network=name)
    with pytest.raises(WeightsError, match="in which order .*, found leaky_relu of slope 0.1, max pooling, padding 0"):
        lenet_fast.load(tmp_path / "m.pt")
