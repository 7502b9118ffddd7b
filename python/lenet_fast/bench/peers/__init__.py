"""The runtimes that we are measured against, each at its best: one file per peer, imported when it is asked for.

Every peer gets float32 images that are already scaled and of the network's size, in the layout that it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

from ...model import Model
from ...operations import Operation, plain
from ...tensors import Floats
from .folded import folded


@dataclass(frozen=True)
class Way:
    """One way to run a model: settings of a peer whose best one counts.

    Parameters
    ----------
    name
        What is special about it.
    run
        A prepared batch -> (n, classes) float32 scores, or probabilities for a softmax head.
    prepare
        (n, c, h, w) float32 images -> what `run` takes slices of; not timed.
    """

    name: str
    run: Callable[[Any], Floats]
    prepare: Callable[[Floats], Any] = lambda images: images


@dataclass(frozen=True)
class Peer:
    """A runtime by its title, the file that knows it, and the packages it needs, itself first."""

    title: str
    module: str
    packages: tuple[str, ...]

    def version(self) -> str | None:
        """The installed version, or None where a package is missing."""
        try:
            versions = [metadata.version(package) for package in self.packages]
        except metadata.PackageNotFoundError:
            return None
        return versions[0]

    def ways(self, model: Model, threads: int, batch: int) -> Iterator[Way]:
        """The ways it runs `model` in batches of `batch` images; none where it cannot."""
        return import_module(f"{__name__}.{self.module}").ways(model, threads, batch)  # type: ignore[no-any-return]


PEERS = {
    "onnxruntime": Peer("ONNX Runtime", "onnxruntime", ("onnxruntime", "onnx")),
    "openvino": Peer("OpenVINO", "openvino", ("openvino", "onnx")),
    "torch": Peer("PyTorch", "torch", ("torch",)),
    "litert": Peer("LiteRT", "litert", ("ai-edge-litert",)),
    "ncnn": Peer("ncnn", "ncnn", ("ncnn",)),
}


def writings(model: Model) -> Iterator[tuple[str, list[Operation]]]:
    """The model as elementary operations, in both writings if they differ."""
    operations, fewer = plain(model), folded(model)
    yield "plain", operations
    if len(fewer) < len(operations):
        yield "folded", fewer
