"""weights/tensorflow.py: checkpoints by TensorFlow, and the same bytes written by the test."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
from pathlib import Path

import foreign_arrays
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.arrays import tensorflow
from lenet_fast.weights.files import File
from lenet_fast.weights.signatures import is_tensorflow
from lenet_fast.weights.source import KERAS
from protobuf_bytes import field, varint

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
TESTS = Path(__file__).parents[2]
MAGIC = bytes.fromhex("57fb808b247547db")
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lenet.index"


def crc32c(data):
    """Bit by bit, and masked as TensorFlow does."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def entry(dtype, shape, offset, size, checksum=None, shard=0, extra=b""):
    sizes = b"".join(field(2, field(1, n)) for n in shape)
    data = field(1, dtype) + field(2, sizes) + field(3, shard) + field(4, offset) + field(5, size)
    return data + (b"" if checksum is None else varint(6 << 3 | 5) + struct.pack("<I", checksum)) + extra


def block(records, compression=0):
    """Keys that share what they can with the key before."""
    data, last = b"", b""
    for key, value in records:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    data += struct.pack("<II", 0, 1) + bytes([compression])
    return data + struct.pack("<I", crc32c(data))


def index(entries, header=None, per_block=4, **how):
    """A table: blocks of records, an empty block, the block of blocks, the footer."""
    records = [(b"", field(1, 1) + field(3, field(1, 1)) if header is None else header), *sorted(entries.items())]
    data, handles = b"", []
    for i in range(0, len(records), per_block):
        part = block(records[i : i + per_block], **how)
        handles.append((records[i : i + per_block][-1][0], varint(len(data)) + varint(len(part) - 5)))
        data += part
    empty, blocks = block([]), block(handles)
    footer = varint(len(data)) + varint(len(empty) - 5) + varint(len(data + empty)) + varint(len(blocks) - 5)
    return data + empty + blocks + footer.ljust(40, b"\0") + MAGIC


def write(path, tensors, *, checksums=False, shards=1):
    """The two files, or one for the values of every shard."""
    values = [b""] * shards
    entries = {}
    for i, (name, array) in enumerate(tensors.items()):
        shard = i % shards
        checksum = crc32c(array.tobytes()) if checksums else None
        dtype = TYPES[array.dtype.name]
        entries[name.encode()] = entry(dtype, array.shape, len(values[shard]), array.nbytes, checksum, shard)
        values[shard] += array.tobytes()
    for i, data in enumerate(values):
        path.with_name(f"{path.stem}.data-{i:05d}-of-{shards:05d}").write_bytes(data)
    path.write_bytes(index(entries, header=field(1, shards)))


def read(path):
    assert is_tensorflow(path.read_bytes())
    return tensorflow.read(File.open(path))


@pytest.mark.parametrize("shards", [1, 3])
def test_bytes_as_documented(path, shards):
    tensors = foreign_arrays.hwio("weights", "biases")
    write(path, tensors, shards=shards)
    source = read(path)
    foreign_arrays.same_arrays(source.tensors, {name: tensors[name] for name in sorted(tensors)})
    assert source.layout == KERAS and source.format == "TensorFlow checkpoint"
    foreign_arrays.computes_like_torch(source)


def test_version_1_with_an_optimisers_memory(path):
    arrays = list(foreign_arrays.hwio().values())
    names = [f"Variable_{i}" if i else "Variable" for i in range(10)]
    tensors = dict(zip(names, arrays, strict=True))
    others = {f"{n}/{slot}": np.zeros_like(a) for n, a in tensors.items() for slot in ("Adam", "Adam_1")}
    others |= {"beta1_power": np.float32(0.9), "global_step": np.int64(3), "_CHECKPOINTABLE_OBJECT_GRAPH": np.int32(1)}
    write(path, {**tensors, **{name: np.asarray(a) for name, a in others.items()}})
    source = read(path)
    assert "global_step" not in source.tensors and "Variable_9/Adam_1" in source.tensors
    foreign_arrays.computes_like_torch(source)


def test_the_natural_order_of_names(path):
    names = ["layer_2/kernel", "layer_10/kernel", "layer_1/kernel"]
    write(path, {name: np.ones(1, np.float32) for name in names})
    assert list(read(path).tensors) == ["layer_1/kernel", "layer_2/kernel", "layer_10/kernel"]


def test_weights_that_an_optimiser_refers_to(path):
    """Keras 3: the checkpoint names a weight by the shortest way to it, which is the optimiser's list."""
    tensors = {
        f"model/optimizer/_trainable_variables/{i}{SUFFIX}": a for i, a in enumerate(foreign_arrays.hwio().values())
    }
    memory = {f"model/optimizer/_variables/{i + 2}{SUFFIX}": np.zeros_like(a) for i, a in enumerate(tensors.values())}
    write(path, {**tensors, **memory, f"model/optimizer/_iterations{SUFFIX}": np.int64(5) + np.zeros((), np.int64)})
    source = read(path)
    assert list(source.tensors) == [f"trainable_variables/{i}" for i in range(10)]
    foreign_arrays.computes_like_torch(source)


def test_weights_that_an_export_holds_twice(path):
    arrays = list(foreign_arrays.hwio().values())
    names = [f"{kind}/{i}{SUFFIX}" for kind in ("_all_variables", "variables") for i in range(10)]
    write(path, dict(zip(names, arrays[::-1] + arrays, strict=True)))
    source = read(path)
    assert list(source.tensors) == [f"variables/{i}" for i in range(10)]
    foreign_arrays.computes_like_torch(source)


def test_other_types(path):
    tensors = {"a": np.ones(2, np.float16), "b": np.ones((1, 2), np.float64), "c": np.ones(2, np.int32)}
    write(path, tensors, checksums=True)
    foreign_arrays.same_arrays(read(path).tensors, {name: tensors[name] for name in "ab"})


def test_bfloat16(path):
    path.with_name("lenet.data-00000-of-00001").write_bytes(struct.pack("<HH", 0x3F80, 0xC000))
    path.write_bytes(index({b"a": entry(14, (2,), 0, 4)}))
    foreign_arrays.same_arrays(read(path).tensors, {"a": np.array([1, -2], np.float32)})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (entry(1, (2,), 0, 4), "a of shape (2,) in 4 bytes"),
        (entry(1, (1 << 62, 1 << 62), 0, 8), "in 8 bytes"),
        (entry(1, (-1, -2), 0, 8), "a of shape (-1, -2)"),
        (entry(1, (2,), 4, 8), "a at 4 of 8 bytes"),
        (entry(1, (2,), -4, 8), "a at -4 of 8 bytes"),
        (entry(1, (2,), 0, 8, shard=1), "file 1 of 1"),
        (entry(1, (2,), 0, 8, shard=-1), "file -1 of 1"),
        (entry(1, (2,), 0, 8, checksum=1), "a, whose checksum differs"),
        (entry(1, (2,), 0, 8, extra=field(7, b"")), "found one in slices; save it without a partitioner"),
        (field(2, field(3, 1)), "a variable of unknown rank"),
        (field(2, 7), "a number where a message belongs"),
        (field(1, b"x"), "bytes where a number belongs"),
        (b"\x0b", "a protobuf field of kind 3"),
        (b"\x12\x7f", "a field of 127 bytes in 0"),
        (b"\xff" * 12, "a number of more than 64 bits"),
    ],
)
def test_contradictions(path, value, found):
    path.with_name("lenet.data-00000-of-00001").write_bytes(bytes(8))
    assert found in foreign_arrays.refused(tensorflow.read, path, index({b"a": value}))


def test_what_is_refused(path):
    values = path.with_name("lenet.data-00000-of-00001")
    one = {b"a": entry(1, (2,), 0, 8)}
    assert "found no such file; keep the two together" in foreign_arrays.refused(tensorflow.read, path, index(one))
    values.write_bytes(bytes(8))
    assert "a compressed index" in foreign_arrays.refused(tensorflow.read, path, index(one, compression=1))
    assert "big-endian" in foreign_arrays.refused(tensorflow.read, path, index(one, header=field(1, 1) + field(2, 1)))
    assert "file 0 of 1000" in foreign_arrays.refused(tensorflow.read, path, index(one, header=field(1, 1000)))
    values.rename(path.with_name("elsewhere"))
    values.symlink_to(path.with_name("elsewhere"))
    assert "no file elsewhere is ever opened" in foreign_arrays.refused(tensorflow.read, path, index(one))


def test_damage_of_the_index(path):
    write(path, foreign_arrays.hwio())
    foreign_arrays.survives_damage(tensorflow.read, path)


def test_damage_of_the_values(path):
    write(path, foreign_arrays.hwio())
    values = path.with_name("lenet.data-00000-of-00001")
    data = values.read_bytes()
    for place in np.random.default_rng(9).integers(0, len(data), 100):
        values.write_bytes(data[:place])
        with pytest.raises(WeightsError, match="found a damaged one"):
            read(path)


def test_the_index_in_a_folder(tmp_path, path):
    assert tensorflow.index_in(tmp_path) is None
    write(path, {})
    assert tensorflow.index_in(tmp_path) == path
    write(tmp_path / "other.index", {})
    assert tensorflow.index_in(tmp_path) is None
    (tmp_path / "variables").mkdir()
    write(tmp_path / "variables" / "variables.index", {})
    assert tensorflow.index_in(tmp_path) == tmp_path / "variables" / "variables.index"


# --- by TensorFlow ---


def keras_model(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential([tf.keras.Input((32, 32, 1))])
    for maps in (6, 16):
        model.add(layers.Conv2D(maps, 5, activation="relu"))
        model.add(layers.MaxPool2D())
    model.add(layers.Flatten())
    for units, activation in ((120, "relu"), (84, "relu"), (10, None)):
        model.add(layers.Dense(units, activation=activation))
    model.set_weights(list(foreign_arrays.hwio().values()))
    return model


def make(way, path):
    """Save the network as TensorFlow does; in a process of its own, for Keras to run on TensorFlow."""
    import tensorflow as tf

    if way == "version 1":
        return write_version_1(tf, path)
    if way == "module":
        module = tf.Module()
        module.weights = [tf.Variable(a) for a in foreign_arrays.hwio().values()]
        return tf.train.Checkpoint(module).write(str(path))
    model = keras_model(tf)
    if way == "model":
        tf.train.Checkpoint(model=model).write(str(path))
    elif way in ("trained", "saved_model"):
        model.compile(tf.keras.optimizers.Adam(0.0), "mse")
        model.fit(np.zeros((2, 32, 32, 1)), np.zeros((2, 10)), verbose=0)
        checkpoint = tf.train.Checkpoint(model)
        tf.saved_model.save(model, str(path)) if way == "saved_model" else checkpoint.write(str(path))
    elif way == "beside":
        optimiser = tf.keras.optimizers.SGD(momentum=0.9)
        optimiser.build(model.trainable_variables)
        tf.train.Checkpoint(net=model, trainer=optimiser).write(str(path))
    else:
        model.export(str(path), verbose=False)
    return None


@pytest.mark.parametrize("way", ["model", "trained", "beside", "export", "saved_model", "module", "version 1"])
def test_real_files(tmp_path, way):
    if not importlib.util.find_spec("tensorflow"):
        pytest.skip("tensorflow is not installed (pip install '.[tensorflow]')")
    path = tmp_path / "lenet"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-W", "ignore", __file__, way, path]
    done = subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    source = read(tensorflow.index_in(path) if path.is_dir() else path.with_name("lenet.index"))
    foreign_arrays.computes_like_torch(source)
    graphs = ["relu, max pooling, padding 0 in lenet.meta beside it"] if way == "version 1" else []
    assert [str(said) for said in source.said] == graphs


def write_version_1(tf, path):
    """With the graph of the network, and of all that trains it."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [v1.Variable(a, use_resource=False) for a in foreign_arrays.hwio().values()]
        x = v1.placeholder(tf.float32, (None, 32, 32, 1))
        for weight, bias in (variables[:2], variables[2:4]):
            x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, weight, 1, "VALID") + bias), 2, 2, "VALID")
        x = tf.reshape(x, (-1, 400))
        for place in (4, 6, 8):
            x = tf.matmul(x if place == 4 else tf.nn.relu(x), variables[place]) + variables[place + 1]
        v1.train.AdamOptimizer().minimize(tf.reduce_mean(tf.nn.log_softmax(x)))
        session.run(v1.global_variables_initializer())
        v1.train.Saver(variables).save(session, str(path))


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
