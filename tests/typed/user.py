"""A user's program over all that is public: it runs as it stands, and `mypy --strict` takes it with these types.

`mypy` reads the installed package here, as it does for whoever wrote such a program: without `py.typed` in it every type
would be Any, which `assert_type` refuses. Where an error is wanted, `type: ignore` is unused, and so an error, without it.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_type

import lenet_fast
import numpy as np
from lenet_fast import (
    RBF,
    Budget,
    Calibration,
    Conv5x5,
    Dense,
    Model,
    Network,
    OverBudgetError,
    Preprocess,
    Subsample2x2,
    WeightsError,
)
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Labels = NDArray[np.int64]
Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


class OnlyDLPack:
    """A tensor of a framework that NumPy does not know."""

    def __init__(self, array: Bytes) -> None:
        self.array = array

    def __dlpack__(self, *, stream: int | None = None, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class OnlyInterface:
    """An object of NumPy's older protocol."""

    def __init__(self, array: Bytes) -> None:
        self.array = array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.array.__array_interface__


class OnlyArray:
    """An object that becomes an array when asked."""

    def __init__(self, array: Bytes) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Bytes:
        return self.array


def images_of_every_kind(digits: Bytes) -> None:
    pictures = [Image.fromarray(digit) for digit in digits]
    assert_type(lenet_fast.predict(digits), Labels)
    assert_type(lenet_fast.predict(digits, reject=True, check_finite=False), Labels)
    labels = [
        lenet_fast.predict(digits[0]),
        lenet_fast.predict((digits / 255).tolist()),
        lenet_fast.predict([digits[0], digits[1]]),
        lenet_fast.predict(pictures[0]),
        lenet_fast.predict(pictures),
        lenet_fast.predict(tuple(pictures)),
        lenet_fast.predict([pictures[0], digits[1]]),
        lenet_fast.predict(OnlyDLPack(digits)),
        lenet_fast.predict([OnlyDLPack(digits[0]), OnlyDLPack(digits[1])]),
        lenet_fast.predict(OnlyInterface(digits)),
        lenet_fast.predict([OnlyInterface(digits[0])]),
        lenet_fast.predict(OnlyArray(digits)),
        passed_on(digits),
    ]
    assert [label[0] for label in labels] == [3] * len(labels)
    for prepared in (pictures, OnlyDLPack(digits), [OnlyDLPack(digits[0])], digits.tolist()):
        assert lenet_fast.prepare_digits(prepared).shape[1:] == (28, 28)
    assert_type(lenet_fast.prepare_digits(pictures[0], ink="light"), Bytes)


def passed_on(images: ArrayLike) -> Labels:
    """Who wraps the package may say ArrayLike of images."""
    return lenet_fast.predict(images)


def what_is_no_image(digits: Bytes) -> None:
    for mistake in (
        lambda: lenet_fast.predict(Path("three.png")),  # type: ignore[arg-type]
        lambda: lenet_fast.predict(None),  # type: ignore[arg-type]
        lambda: lenet_fast.pretrained("digits").scores({"image": digits}),  # type: ignore[arg-type]
        lambda: lenet_fast.predict(digits, reject="yes"),  # type: ignore[arg-type]
        lambda: lenet_fast.pretrained("digits").calibrate(digits, range(2), measure="score"),  # type: ignore[arg-type]
        lambda: lenet_fast.predictions(digits),  # type: ignore[attr-defined]
    ):
        try:
            mistake()
        except (TypeError, ValueError, AttributeError):
            continue
        raise AssertionError


def every_method(digits: Bytes) -> None:
    assert_type(lenet_fast.pretrained(), tuple[str, ...])
    model = assert_type(lenet_fast.pretrained("digits"), Model)
    picture = Image.fromarray(digits[0])
    assert_type(model.predict(picture, reject=True, check_finite=True, out=np.empty(1, np.int64)), Labels)
    assert_type(model.predict_proba([picture], rubbish=100.0), Floats)
    assert_type(model.scores(digits, out=np.empty((2, 10), np.float32)), Floats)
    assert_type(model.topk(picture, k=3), tuple[Labels, Floats])
    assert_type(model.features(picture), Floats)
    assert_type(model.activations([picture]), dict[str, Floats])
    assert_type(model.network, Network)
    assert_type(model.weights, Mapping[str, Floats])
    assert_type(model.preprocess, Preprocess)
    assert_type(model.card, Mapping[str, str])
    assert_type(model.classes_, NDArray[Any])
    assert_type(model.summary(), str)
    assert_type(model.replace(classes=[*"abcdefghij"]), Model)


def calibration(model: Model) -> None:
    images, labels = lenet_fast.sample_digits(list(range(10)) * 10), np.arange(100) % 10
    mine = assert_type(model.calibrate(images, labels, measure="distance", target_rejection=0.02), Model)
    found = assert_type(mine.calibration, Calibration | None)
    assert found is not None
    assert_type(found.temperature, float)
    assert_type(found.margin, float | None)
    assert_type(found.error_interval, tuple[float, float])
    assert_type(lenet_fast.expected_calibration_error(mine.predict_proba(images), labels), float)
    curve = lenet_fast.rejection_curve(mine, images, labels, measure="margin")
    assert_type(curve.rejected, NDArray[np.float64])
    model.replace(calibration=Calibration(temperature=2.0, margin=1.0))


def networks() -> Model:
    assert_type(lenet_fast.networks(), dict[str, Network])
    network = Network(
        input=(1, 12, 12),
        layers=(Conv5x5(2, "tanh", padding=0, connections=((0,), (0,))), Subsample2x2("max"), Dense(84), RBF(10)),
        head="rbf",
    )
    assert_type(network.parameters, dict[str, tuple[int, ...]])
    assert_type(network.classes, int)
    assert_type(network.summary(), str)
    assert_type(Network.from_dict(network.to_dict()), Network)
    assert_type(Preprocess.named("mnist"), Preprocess)
    assert_type(Preprocess.from_mean_std([0.5], [0.5]), Preprocess)
    assert_type(lenet_fast.rbf_codes("0123456789"), Floats)
    weights = {name: np.zeros(shape) for name, shape in network.parameters.items()}
    return Model(network, weights, preprocess=Preprocess(scale=(2.0,), shift=(-1.0,)), card={"data": "none"})


def layers_alone() -> None:
    maps = np.ones((1, 1, 6, 6))
    assert_type(lenet_fast.kernels.conv5x5(maps, np.ones((2, 1, 5, 5)), activation="relu"), Floats)
    assert_type(lenet_fast.kernels.subsample2x2(maps, "max"), Floats)
    assert_type(lenet_fast.kernels.dense([[1.0, 2.0]], [[3.0, 4.0]], bias=[1.0]), Floats)
    assert_type(lenet_fast.kernels.rbf_distances([[1.0]], [[2.0]]), Floats)
    for curve in (lenet_fast.kernels.squash, lenet_fast.kernels.tanh, lenet_fast.kernels.sigmoid):
        assert_type(curve([0.5]), Floats)
    assert_type(lenet_fast.kernels.relu(-1.0), Floats)


def files(model: Model, folder: Path) -> None:
    model.save(folder / "model.safetensors")
    assert_type(lenet_fast.load(folder / "model.safetensors"), Model)
    model.save(str(folder / "model.npz"))
    assert_type(lenet_fast.load(str(folder / "model.npz"), network=None, padding=None), Model)
    assert_type(lenet_fast.from_state_dict(model.weights, model.network, preprocess=Preprocess()), Model)
    try:
        lenet_fast.load(__file__)
    except WeightsError as error:
        assert_type(str(error), str)
    try:
        lenet_fast.load(folder / "model.safetensors", budget=Budget(parameters=1000))
    except OverBudgetError as error:
        assert_type(error.resource, str)


def live(module: Any, keras_model: Any, proto: Any) -> None:
    """Frameworks' objects: typed, and not run."""
    assert_type(lenet_fast.from_torch(module, preprocess="mnist"), Model)
    assert_type(lenet_fast.from_keras(keras_model, preprocess=Preprocess()), Model)
    assert_type(lenet_fast.from_onnx(proto), Model)
    lenet_fast.plot_rejection({"mine": lenet_fast.pretrained("digits")}, module, keras_model, "curve.png")


def main() -> None:
    assert_type(lenet_fast.__version__, str)
    assert_type(lenet_fast.info(), dict[str, Any])
    lenet_fast.set_num_threads(1)
    digits = assert_type(lenet_fast.sample_digits([3, 1]), Bytes)
    images_of_every_kind(digits)
    what_is_no_image(digits)
    every_method(digits)
    calibration(lenet_fast.pretrained("digits"))
    layers_alone()
    with TemporaryDirectory() as folder:
        files(networks(), Path(folder))


if __name__ == "__main__":
    main()
