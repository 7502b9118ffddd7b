"""weights/arrays/keras.py: arrays in HDF5 by the layers that Keras 2 and 3 keep them under, in the order of each."""

from __future__ import annotations

import io

import numpy as np
import pytest
from lenet_fast.weights.arrays import keras
from lenet_fast.weights.source import KERAS, UNKNOWN

h5py = pytest.importorskip("h5py", reason="h5py is not installed (pip install '.[readers]')")


def hdf5(fill):
    from lenet_fast.weights.arrays.hdf5 import Hdf5

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return Hdf5(stream.getvalue())


def array(number, *shape):
    return np.full(shape, number, np.float32)


def keras_3(names, place="layers/{}/vars"):
    """Layers with two arrays each, a kernel of ones and biases of the layer's number, the biases written first."""

    def fill(file):
        for i, name in enumerate(names):
            for key, value in (("1", array(i, 4)), ("0", array(i, 4, 4))):
                file[f"{place.format(name)}/{key}"] = value

    return fill


def test_layers_of_keras_3_come_in_the_order_of_their_numbers():
    """conv2d_10 behind conv2d_9; in a layer 0 before 1, and 10 behind 9."""
    names = ["dense_10", "dense_9", "dense"]
    found = keras.by_layer_3(hdf5(keras_3(names)))
    assert list(found) == ["dense", "dense_9", "dense_10"]
    assert [[path.rpartition("/")[2] for path, _ in arrays] for arrays in found.values()] == [["0", "1"]] * 3
    many = keras.by_layer_3(hdf5(lambda file: [file.__setitem__(f"a/vars/{i}", array(i, 2)) for i in range(12)]))
    assert [int(values[0]) for _, values in many["a"]] == list(range(12))


def test_a_layer_of_keras_3_may_say_what_it_is_called():
    def fill(file):
        keras_3(["z", "a"])(file)
        file["layers/z/vars"].attrs["name"] = "conv"

    assert set(keras.by_layer_3(hdf5(fill))) == {"conv", "a"}


def test_an_optimisers_memory_is_no_layer():
    def fill(file):
        keras_3(["dense"])(file)
        file["optimizer/vars/0"] = array(1, 4, 4)
        file["beside"] = array(1, 4)

    assert list(keras.by_layer_3(hdf5(fill))) == ["dense"]


def keras_2(file, layers):
    file.attrs["layer_names"] = [name.encode() for name in layers]
    for name, weights in layers.items():
        group = file.create_group(name)
        group.attrs["weight_names"] = [path.encode() for path in weights] or np.zeros(0)
        for path, values in weights.items():
            group[path] = values


def test_layers_of_keras_2_come_in_the_order_that_it_wrote_down():
    layers = {
        "b": {"b/kernel:0": array(1, 2, 2), "b/bias:0": array(1, 2)},
        "flatten": {},
        "a": {"a/kernel:0": array(2, 2, 3), "a/bias:0": array(2, 3)},
    }
    file = hdf5(lambda file: keras_2(file, layers))
    found = keras.by_layer_2(file, file.root)
    assert {name: [path for path, _ in arrays] for name, arrays in found.items()} == {
        "b": ["b/kernel:0", "b/bias:0"], "a": ["a/kernel:0", "a/bias:0"]
    }  # fmt: skip


def test_a_model_inside_a_model_has_its_layers_by_their_own_names_too():
    """Each array once, where all are wanted."""
    layers = {"inner": {"conv/kernel:0": array(1, 2, 2), "full/kernel:0": array(2, 2, 3)}}
    file = hdf5(lambda file: keras_2(file, layers))
    found = keras.by_layer_2(file, file.root)
    assert {name: len(arrays) for name, arrays in found.items()} == {"conv": 1, "inner": 2, "full": 1}
    assert [int(a.flat[0]) for a in keras.flat(found).values()] == [1, 2]


def test_weights_alone_say_kernel_or_bias():
    source = keras.weights(hdf5(keras_3(["dense", "dense_1"])))
    assert (source.format, source.layout) == ("Keras weights", KERAS)
    assert list(source.tensors) == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    layers = {"dense": {"dense/kernel:0": array(1, 2, 2), "dense/bias:0": array(1, 2)}}
    source = keras.weights(hdf5(lambda file: keras_2(file, layers)))
    assert source.layout == KERAS and list(source.tensors) == ["dense/kernel:0", "dense/bias:0"]


def test_batch_normalisation_is_named_as_such():
    """So that whoever reads weights alone does not take its vectors for biases."""
    source = keras.weights(hdf5(lambda file: [file.__setitem__(f"layers/n/vars/{i}", array(i, 3)) for i in range(4)]))
    assert list(source.tensors) == [f"n/batch_normalization {i}" for i in range(4)]


def test_arrays_of_anybody_are_not_in_keras_order():
    def fill(file):
        file["net/w"], file["empty"] = array(1, 2, 2), np.zeros(0)

    source = keras.weights(hdf5(fill))
    assert (source.format, source.layout, list(source.tensors)) == ("HDF5", UNKNOWN, ["net/w"])
