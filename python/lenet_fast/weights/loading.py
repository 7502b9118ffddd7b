"""Reading a model from a file: `load`, and what the command line wants to know beside it."""

from __future__ import annotations

from pathlib import Path

from numpy.typing import ArrayLike

from ..budget import Budget, spending
from ..errors import shown
from ..images import Preprocess
from ..model import Model
from ..network import Network
from .build import Imported, Wishes, imported, parts_of
from .mapping.answers import Answers
from .partners import shard
from .sniff import read
from .verify import Finding, best, verify

__all__ = ["load", "read_model", "verify_file"]


def load(
    path: str | Path,
    *,
    network: str | Network | None = None,
    preprocess: str | Preprocess | None = None,
    check: tuple[ArrayLike, ArrayLike] | None = None,
    activation: str | None = None,
    pooling: str | None = None,
    padding: int | tuple[int, int] | None = None,
    slope: float | None = None,
    flatten: str | None = None,
    coefficients: str | None = None,
    compact: str | None = None,
    budget: Budget | None = None,
) -> Model:
    """Read a model from a file of any trainer.

    The file's content decides what it is, not its name. A format with a graph (ONNX, Keras, TFLite, files that
    `Model.save` wrote) says everything; weights alone (a PyTorch state dict, .npz, bare safetensors) want `network`.
    What fits in two ways is refused with the keyword that settles it.

    Parameters
    ----------
    path
        A file: safetensors, .npz, .npy dictionary, PyTorch, Keras, ONNX, TFLite and others; docs/formats.md lists them.
    network
        A name of `lenet_fast.networks()`, whose channels, classes, image size and padding follow the weights, or a
        `Network`. Not wanted where the file has a graph.
    preprocess
        How training scaled the pixels: "unit", "mnist", "symmetric", "lecun", "raw", "zscore" (see `Preprocess.named`)
        or a `Preprocess`. Where neither this nor the file says, floating-point images are taken as already scaled and
        uint8 images are refused.
    check
        (images, outputs): the trainer's outputs, (n, classes), or labels, (n,), that the model must reproduce within
        1e-5 of an image's largest output. What the file and the other arguments leave open (network, order of axes,
        scaling) is tried until one reading does.
    activation, pooling, padding, slope
        Where the named network is varied: "tanh", "relu", ...; "average", "max", "trainable"; of both convolutions; of
        "leaky_relu" below zero (PyTorch takes 0.01, Keras 0.3).
    flatten
        "CHW" or "HWC": the order in which maps became a vector, where the file does not tell.
    coefficients
        "sum" or "mean": what the coefficients of trainable subsampling are multiplied with, where the file does not
        tell.
    compact
        "ascending" or "wrapped": the order of C3's kernels, where they are stored without gaps.
    budget
        The most that loading may take; the default one holds any LeNet. Beyond it the file is refused, within a second.

    Raises
    ------
    WeightsError
        If the file is not a model of the family, is damaged, reads in two ways, or does not compute what it should;
        `OverBudgetError`, which is one, if it asks for more than the budget.
    ImportError
        If reading the format needs a package that is not installed; the message has the line that installs it.
    OSError
        If the file cannot be opened.

    Notes
    -----
    No pickle is executed, and no other file is opened but those that the file names in its own folder (external data of
    ONNX, for example).
    """
    if not isinstance(path, (str, Path)):
        way_out = "live objects go to lenet_fast.from_torch, from_keras, from_onnx or from_state_dict"
        raise TypeError(f"path: wanted a file name, found {type(path).__name__}; {way_out}")
    if not str(path):
        raise ValueError("path: wanted a file name, found an empty text")
    given = {"activation": activation, "pooling": pooling, "padding": padding, "slope": slope}
    variations = {key: value for key, value in given.items() if value is not None}
    wishes = Wishes(network, preprocess, variations, Answers(flatten, coefficients, compact))
    with spending(budget):
        if check is None:
            return read_model(path, wishes).model
        if not isinstance(check, (tuple, list)) or len(check) != 2:
            raise TypeError(f"check: wanted a pair (images, outputs), found {shown(check)}")
        return best(verify_file(path, wishes, *check), str(path)).model


def read_model(path: str | Path, wishes: Wishes | None = None) -> Imported:
    """What `load` reads, with the format and the source name of every tensor."""
    with spending(), shard(Path(path).name):
        parts = parts_of(read(Path(path)), wishes or Wishes(), str(path))  # the file's bytes go with its source
        return imported(parts, str(path))


def verify_file(path: str | Path, wishes: Wishes, images: ArrayLike, expected: ArrayLike) -> list[Finding]:
    """Every reading of a file and how near it comes to a trainer's outputs, the best first."""
    with spending():
        source = read(Path(path))
    return verify(source, wishes, images, expected, str(path))
