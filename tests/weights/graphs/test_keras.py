"""weights/graphs/keras.py: a model's config is its graph, and computes what Keras computes."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed (pip install '.[frameworks]')")

from keras import Input, Sequential, layers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras's own


def assert_computes(model, path, x):
    """The saved file gives Keras's own outputs for images (n, channels, rows, columns) or as the model takes them."""
    model.save(path)
    wanted = np.asarray(model.predict(x, verbose=0))
    pixels = x if x.shape[1] == 3 else x.transpose(0, 3, 1, 2)
    found = lenet_fast.load(path).scores(pixels)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("flatten", ["channels_first", "channels_last", None])
@pytest.mark.parametrize("body", ["channels_first", "channels_last"])
def test_maps_are_flattened_as_keras_does(tmp_path, body, flatten):
    """Flatten(data_format="channels_first") moves the maps behind first, and any other takes values as they lie."""
    if body == "channels_first" and keras.backend.backend() == "tensorflow":
        pytest.skip("Keras on TensorFlow convolves channels first on a GPU only")
    shape = (3, 12, 12) if body == "channels_first" else (12, 12, 3)
    model = Sequential(
        [
            Input(shape),
            layers.Conv2D(4, 5, data_format=body, activation="tanh"),
            layers.MaxPooling2D(2, data_format=body),
            layers.Flatten(data_format=flatten),
            layers.Dense(5),
        ]
    )
    assert_computes(model, tmp_path / "m.keras", np.random.default_rng(1).random((6, *shape), np.float32))
