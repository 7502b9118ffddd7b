"""Model: a network with its weights and preprocessing, ready to run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import calibration
from ._core import Plan
from .batch import Batch
from .calibration import Calibration, Measure
from .errors import shown
from .finite import finite
from .images import Images, Preprocess, batch_of
from .network import RBF, Dense, Network, Subsample2x2, items
from .plan import plan_of
from .preprocess import scaling
from .tensors import Floats, checked, likeliest, output, several_classes


class Model:
    """A network, its weights and what it does to pixels first: immutable, safe from many threads, cheap to pickle.

    Parameters
    ----------
    network
        The layers.
    weights
        Every tensor of `network.parameters` by name, in its shape; converted to float32 and copied.
    preprocess
        Scaling of the pixels: a `Preprocess`, or its name, as `Preprocess.named` has them; as they are (0..1) by default.
    classes
        Class names, one per class; the numbers 0, 1, ... by default.
    card
        Facts about the model (data, recipe, accuracy, ...) that travel with it, text to text.
    calibration
        Temperature of the probabilities and thresholds for rejection, as `calibrate` finds them; none by default.

    Raises
    ------
    ValueError
        If a tensor is missing, unknown, of another shape, not finite, or non-zero where nothing is connected.

    Notes
    -----
    Every method that takes `images` accepts what `lenet_fast.predict` does, and ends with KeyboardInterrupt soon after
    Ctrl-C. One image gives the same bits at any batch size, position, thread count and instruction set.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, ArrayLike],
        *,
        preprocess: str | Preprocess | None = None,
        classes: Sequence[str] | None = None,
        card: Mapping[str, str] | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if not isinstance(network, Network):
            found = f"{shown(network)}; lenet_fast.networks() has named ones"
            raise TypeError(f"network: wanted a lenet_fast.Network, found {found}")
        self._network = network
        self._weights = MappingProxyType(checked(network, weights))
        self._preprocess = scaling(preprocess) or Preprocess()
        self._classes = None if classes is None else tuple(map(str, items("classes", classes, "a name per class")))
        if self._classes is not None and len(self._classes) != network.classes:
            raise ValueError(f"classes: wanted {network.classes} names, found {len(self._classes)}")
        if not isinstance(card, Mapping | None):
            raise TypeError(f"card: wanted texts by their names, found {shown(card)}")
        self._card = MappingProxyType({str(key): str(text) for key, text in (card or {}).items()})
        if not isinstance(calibration, Calibration | None):
            raise TypeError(f"calibration: wanted a lenet_fast.Calibration, found {shown(calibration)}")
        if calibration is not None and calibration.distance is not None and network.head != "rbf":
            raise ValueError(f"calibration: wanted no distance, since the network's head is {network.head}, not rbf")
        self._calibration = calibration
        self._plan = self._make_plan(every_layer=False)
        self._direct = None if self._preprocess.per_image else self._plan  # for arrays that need no work in Python

    @property
    def network(self) -> Network:
        """The layers, as plain data."""
        return self._network

    @property
    def weights(self) -> Mapping[str, Floats]:
        """Tensor name -> read-only float32 array."""
        return self._weights

    @property
    def preprocess(self) -> Preprocess:
        """What happens to pixels before the first layer."""
        return self._preprocess

    @property
    def card(self) -> Mapping[str, str]:
        """Facts about the model: data, recipe, accuracy."""
        return self._card

    @property
    def calibration(self) -> Calibration | None:
        """Temperature and thresholds that `calibrate` found; None where it was not called."""
        return self._calibration

    @property
    def classes_(self) -> NDArray[Any]:
        """(classes,) array that a label indexes: class names, or the numbers 0, 1, ... where none were given."""
        return np.arange(self._network.classes) if self._classes is None else np.array(self._classes)

    def predict(
        self,
        images: Images,
        *,
        reject: bool = False,
        check_finite: bool = True,
        out: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Return the label of each image.

        Parameters
        ----------
        images
            (n, h, w), (n, c, h, w), (n, h, w, c) or one image without n; uint8 0..255 or floating point 0..1; anything
            with the array interface or DLPack, PIL images too. Read in place, never written; not copied if uint8 or
            float32.
        reject
            Whether an image that the model is not sure of gets -1, by the thresholds of `calibration`.
        check_finite
            False allows NaN and infinity in the pixels; the outputs of such an image mean nothing.
        out : (n,) int64
            Where to write the labels: C-contiguous, writeable, apart from the images. A new array by default. What it
            holds after an interrupt is not defined.

        Returns
        -------
        labels : (n,) int64
            The smallest distance (RBF head) or the largest score, the first of equals, never NaN while there is a
            number; -1 for a rejected image.
            `out` where that is given.

        Raises
        ------
        TypeError, ValueError
            If the images do not fit the network (see `lenet_fast.images.as_batch`), it has one class only, or the model
            has no threshold.
        """
        if reject not in (False, True):
            raise TypeError(f"reject: wanted True or False, found {shown(reject)}")
        if reject and not (self._calibration and self._calibration.rejects):
            raise ValueError(
                "reject: wanted a model with a threshold, found one without; model.calibrate(images, labels) returns one with it"
            )
        if self._direct and (direct := self._direct.predict(images, out, bool(reject))) is not None:
            return direct  # arrays of the usual shapes, without a detour
        several_classes(self._network, "predict")
        batch = self._batch(images, check_finite)
        labels = output(out, (len(batch),), np.int64, batch.images)
        batch.run(self._plan, labels=labels, reject=bool(reject))
        return labels

    def predict_proba(self, images: Images, *, rubbish: float | None = None, check_finite: bool = True) -> Floats:
        """Return the probability of each class, (n, classes) float32.

        A softmax of the scores, or of the negated distances where the network ends in RBF units, divided by the
        temperature T of `calibration` (1 without one): p_i is proportional to exp(-y_i / T). With `rubbish`, the
        constant j of the paper's equation 9, a class "none of them" at distance j (or with score j) takes part: rows
        then sum to 1 minus its probability, without it to 1. Classes that are infinitely good share evenly; a NaN among
        the scores makes the row NaN. A network of one class is refused.
        """
        if rubbish is None and self._direct and (direct := self._direct.predict_proba(images)) is not None:
            return direct
        several_classes(self._network, "predict_proba")
        none_of_them = None if rubbish is None else finite("rubbish", rubbish)
        batch = self._batch(images, check_finite)
        probabilities = np.empty((len(batch), self._network.classes), np.float32)
        batch.run(self._plan, probabilities=probabilities, rubbish=none_of_them)
        return probabilities

    def scores(self, images: Images, *, check_finite: bool = True, out: Floats | None = None) -> Floats:
        """Return the raw outputs, (n, classes) float32: RBF distances (the smallest wins) or logits (the largest).

        With `out`, a C-contiguous array of that shape and type apart from the images, they are written there; what it
        holds after an interrupt is not defined.
        """
        if self._direct and (direct := self._direct.scores(images, out)) is not None:
            return direct
        batch = self._batch(images, check_finite)
        scores = output(out, (len(batch), self._network.classes), np.float32, batch.images)
        batch.run(self._plan, {len(self._network.layers) - 1: scores})
        return scores

    def topk(
        self, images: Images, k: int | None = None, *, check_finite: bool = True
    ) -> tuple[NDArray[np.int64], Floats]:
        """Return the k likeliest labels and their probabilities, (n, k) int64 and (n, k) float32, best first.

        The best 3 by default, of two classes both; a network of one class is refused.
        """
        several_classes(self._network, "topk")
        k = min(3, self._network.classes) if k is None else k
        if not isinstance(k, (int, np.integer)) or not 1 <= k <= self._network.classes:
            raise ValueError(f"k: wanted a whole number from 1 to {self._network.classes}, found {shown(k)}")
        batch = self._batch(images, check_finite)
        scores = np.empty((len(batch), self._network.classes), np.float32)
        probabilities = np.empty_like(scores)
        batch.run(self._plan, {len(self._network.layers) - 1: scores}, probabilities=probabilities)
        return likeliest(scores, probabilities, self._network.head, int(k))

    def features(self, images: Images, *, check_finite: bool = True) -> Floats:
        """Return the layer before the output, (n, units) float32: 84 numbers per image in LeNet-5."""
        if len(self._network.layers) < 2:
            raise ValueError("features: wanted a layer before the output, found a network of one layer")
        batch = self._batch(images, check_finite)
        inside = isinstance(self._network.layers[-1], Subsample2x2)  # then the layer before it is computed inside it
        return self._layer(batch, len(self._network.layers) - 2, self._make_plan(every_layer=True) if inside else None)

    def activations(self, images: Images, *, check_finite: bool = True) -> dict[str, Floats]:
        """Return every layer's output by name: (n, maps, height, width) float32, or (n, units) for dense layers."""
        batch = self._batch(images, check_finite)
        outputs = [self._empty(batch, layer) for layer in range(len(self._network.layers))]
        batch.run(self._make_plan(every_layer=True), dict(enumerate(outputs)))
        return {figures.name: output for figures, output in zip(self._network.figures, outputs, strict=True)}

    def calibrate(
        self,
        images: Images,
        labels: ArrayLike,
        target_error: float = 0.005,
        *,
        measure: Measure = "margin",
        target_rejection: float | None = None,
    ) -> Model:
        """Return this model with a temperature and a threshold fitted to images that it was not trained on.

        Parameters
        ----------
        images, labels
            At least some hundred images as in `predict`, and their right classes, (n,) whole numbers. Fewer than 100
            bring a warning: they say little of others.
        target_error
            How many of the images that are not rejected may be wrong, as a share of them; as few as possible are
            rejected for it.
        measure
            What a threshold is set on: "margin", the difference of the two best scores (section III-C of the paper),
            or "distance", that of the nearest RBF code, which finds what is no such thing at all. A threshold on the
            other measure stays, and what it rejects counts as rejected.
        target_rejection
            Instead of an error: the largest share of the images to reject.

        Returns
        -------
        Model
            `predict(images, reject=True)` gives -1 for images it rejects, `predict_proba` uses its temperature, and
            its `calibration` tells both, with the shares rejected and wrong and their 95 % intervals. Temperature and
            thresholds are those that suit these images best, so of others a few more are rejected or wrong. Where
            every image gets its label, which says nothing of the temperature, it stays what it was.

        Raises
        ------
        TypeError, ValueError
            If images and labels do not fit, or no threshold leaves so few errors.
        """
        several_classes(self._network, "calibrate")
        calibration.checked_measure(measure, self._network.head)
        fitted = calibration.fitted(
            self.scores(images), labels, self._network.head, measure, self._calibration, target_error, target_rejection
        )
        return self.replace(calibration=fitted)

    def replace(self, **parts: Any) -> Model:
        """Return a model with other parts, by the names of the arguments of `Model`: `replace(classes=names)`.

        The calibration is one of them, and goes with network, weights and preprocessing: a model in which one of these
        is another has none unless you pass it.
        """
        own = self._parts()
        if unknown := sorted(set(parts) - set(own)):
            raise TypeError(f"replace: wanted some of {', '.join(own)}, found {shown(unknown[0])}")
        if any(parts.get(name, own[name]) is not own[name] for name in ("network", "weights", "preprocess")):
            own["calibration"] = None
        return Model(**(own | parts))

    def summary(self) -> str:
        """Return the table of layers with parameter and connection counts, and the preprocessing."""
        p = self._preprocess
        scale, shift = (", ".join(f"{v:g}" for v in values) for values in (p.scale, p.shift))
        counted = "as given, uint8 refused" if p.white is None else f"0..{p.white:g}"
        counted += ", each image to mean 0 and deviation 1 first" if p.per_image else ""
        table = self._network.summary()
        return f"{table}\npixels {counted}: x = pixel * {scale} + {shift}, background {p.background:g}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that `lenet_fast.load` reads back to the same bits.

        The ending says in which format: ".safetensors", ".npz" (NumPy's archive) or ".onnx", a graph that other
        runtimes run with the same outputs (needs the onnx package). The first two carry a few inputs with their
        outputs, which are run again when loaded. Without one of these endings nothing is written: ValueError.
        """
        from .weights.saving import save

        save(self, path)

    def __repr__(self) -> str:
        parameters = sum(figures.trainable for figures in self._network.figures)
        size = "x".join(map(str, self._network.input))
        return f"<lenet_fast.Model {size} -> {self._network.classes} classes, {parameters:,} trainable parameters>"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Model, **self._parts()), ()

    def _parts(self) -> dict[str, Any]:
        """What makes a model, by the names of the arguments."""
        return {
            "network": self._network,
            "weights": dict(self._weights),
            "preprocess": self._preprocess,
            "classes": self._classes,
            "card": dict(self._card),
            "calibration": self._calibration,
        }

    def _make_plan(self, *, every_layer: bool) -> Plan:
        return plan_of(
            self._network, self._weights, self._preprocess, self._calibration or Calibration(), every_layer=every_layer
        )

    def _batch(self, images: Images, check_finite: bool) -> Batch:
        return batch_of(images, self._network.input, self._preprocess, check_finite=check_finite)

    def _empty(self, batch: Batch, layer: int) -> Floats:
        maps, height, width = self._network.figures[layer].output
        flat = isinstance(self._network.layers[layer], (Dense, RBF))
        return np.empty((len(batch), maps) if flat else (len(batch), maps, height, width), np.float32)

    def _layer(self, batch: Batch, layer: int, plan: Plan | None = None) -> Floats:
        output = np.empty((len(batch), prod(self._network.figures[layer].output)), np.float32)
        batch.run(plan or self._plan, {layer: output})
        return output
