"""weights/pickles.py: Paddle's files, and pickles of NumPy arrays by anybody, of every protocol; none is executed."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
import time

import foreign_arrays
import numpy as np
import pytest
from lenet_fast.weights.arrays import pickles
from lenet_fast.weights.files import File
from lenet_fast.weights.signatures import is_pickle
from lenet_fast.weights.source import PADDLE, UNKNOWN


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lenet.pkl"


def read(path, data):
    path.write_bytes(data)
    assert is_pickle(data)
    return pickles.read(File.open(path))


def paddle_tensors():
    """Paddle keeps full connections as (inputs, outputs)."""
    return {name: np.ascontiguousarray(a.T) if a.ndim == 2 else a for name, a in foreign_arrays.lenet().items()}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_dictionary(path, protocol):
    source = read(path, pickle.dumps(foreign_arrays.lenet(), protocol))
    foreign_arrays.same_arrays(source.tensors, foreign_arrays.lenet())
    assert source.layout == UNKNOWN and source.format == "pickle"
    foreign_arrays.computes_like_torch(source, flatten="CHW")


def test_a_list_as_keras_gets_weights(path):
    arrays = list(foreign_arrays.hwio().values())
    source = read(path, pickle.dumps(arrays))
    foreign_arrays.same_arrays(source.tensors, {str(n): a for n, a in enumerate(arrays)})
    foreign_arrays.computes_like_torch(source, flatten="HWC")


def test_nested_and_fortran_and_lists_of_numbers(path):
    a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    source = read(
        path, pickle.dumps({"epoch": 3, "model": {"a": a, "b": (a[0].copy(), [[1, 2.5], [3, 4]])}, "names": ["x"]})
    )
    foreign_arrays.same_arrays(
        source.tensors, {"model.a": a, "model.b.0": a[0], "model.b.1": np.array([[1, 2.5], [3, 4]], np.float64)}
    )


def test_one_after_another(path):
    """As the tutorials of Theano dumped their parameters."""
    arrays = list(foreign_arrays.lenet().values())
    source = read(path, b"".join(pickle.dumps(array, 2) for array in arrays))
    foreign_arrays.same_arrays(source.tensors, {str(n): a for n, a in enumerate(arrays)})


@pytest.mark.parametrize("pairs", [False, True])
def test_paddle_as_documented(path, pairs):
    tensors = {n: (f"linear_{i}.w_0", a) if pairs else a for i, (n, a) in enumerate(paddle_tensors().items())}
    table = {} if pairs else {"StructuredToParameterName@@": {n: n for n in tensors}}
    source = read(path, pickle.dumps({**tensors, **table}, 4))
    foreign_arrays.same_arrays(source.tensors, paddle_tensors())
    assert source.layout == PADDLE and source.format == "PaddlePaddle"
    foreign_arrays.computes_like_torch(source)


def test_paddles_bfloat16(path):
    tensors = {"a": np.array([0x3F80, 0xC000], np.uint16), "StructuredToParameterName@@": {}}
    foreign_arrays.same_arrays(read(path, pickle.dumps(tensors)).tensors, {"a": np.array([1, -2], np.float32)})


PADDLE_SCRIPT = """
import sys
import numpy, paddle

tensors, path, protocol, nested = numpy.load(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "True"
layers = {}
for name, a in tensors.items():
    if a.ndim > 1:
        conv = a.ndim == 4
        layers[name[: -len(".weight")]] = paddle.nn.Conv2D(a.shape[1], a.shape[0], 5) if conv else paddle.nn.Linear(*a.shape)
module = paddle.nn.LayerDict(layers)
module.set_state_dict(dict(tensors))
state = module.state_dict()
paddle.save({"model": state} if nested else state, path, protocol=protocol)
"""


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("nested", [False, True])
def test_real_paddle(path, protocol, nested):
    """In a process of its own: some builds of Paddle and TensorFlow crash in one."""
    if importlib.util.find_spec("paddle") is None:
        pytest.skip("paddle is not installed (pip install paddlepaddle)")
    arrays = path.with_name("arrays.npz")
    np.savez(arrays, **paddle_tensors())
    subprocess.run([sys.executable, "-c", PADDLE_SCRIPT, arrays, path, str(protocol), str(nested)], check=True)
    source = pickles.read(File.open(path))
    assert source.layout == PADDLE
    foreign_arrays.same_arrays(source.tensors, {f"model.{n}" if nested else n: a for n, a in paddle_tensors().items()})
    foreign_arrays.computes_like_torch(source)


class Evil:
    def __reduce__(self):
        return (eval, ("open('/nowhere/at/all', 'w')",))


def test_nothing_is_executed(path):
    source = read(path, pickle.dumps({"evil": Evil(), "a": np.ones(2)}))
    foreign_arrays.same_arrays(source.tensors, {"a": np.ones(2)})


def test_what_has_no_arrays(path):
    assert "numpy.savez" in foreign_arrays.refused(pickles.read, path, pickle.dumps({"a": "text", "b": [None]}))
    assert "numpy.savez" in foreign_arrays.refused(pickles.read, path, pickle.dumps(np.array([{}, {}], object)))
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    assert "torch.save" in foreign_arrays.refused(pickles.read, path, pickle.dumps({"a": torch.ones(2)}))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}N" + b"\x85" * 400_000 + b"K\x01s.",  # a key too deep to hash
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",  # lists in lists
        b"\x80\x02](" + b"K\x01" * 50_000 + b"Neq\x010](" + b"h\x01" * 100_000 + b"e.",  # no numbers, again and again
        b"\x80\x02](" + b"K\x01" * 1000 + b"eq\x010](" + b"h\x01" * 1000 + b"eq\x020](" + b"h\x02" * 1000 + b"e.",
        b"\x80\x02.",
        b"\x80\x02}",
        b"\x80\x05}\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)
def test_hostile_pickles(path, data):
    begin = time.process_time()
    foreign_arrays.outcome(pickles.read, path, data)
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_damage(path, protocol):
    path.write_bytes(pickle.dumps({n: a for n, a in foreign_arrays.lenet().items() if a.size < 5000}, protocol))
    foreign_arrays.survives_damage(pickles.read, path)
