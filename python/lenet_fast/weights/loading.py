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
from .checking.elimination import Progress
from .checking.verify import Verdict, verify
from .mapping.answers import Answers
from .partners import refuse_shorter, shard
from .sniff import read

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
    kernels: str | None = None,
    dense: str | None = None,
    fraction_bits: int | None = None,
    budget: Budget | None = None,
) -> Model:
    """Read a model from a file of any trainer.

    The file's content decides what it is, not its name. A format with a graph (ONNX, Keras, TFLite, a pickled
    nn.Sequential, files that `Model.save` wrote) says everything; weights alone (a PyTorch state dict, .npz, bare
    safetensors) want `network`. What else a file says is used: layers of a pickled module, TorchScript's code, settings
    in a checkpoint's dictionary or in a config.json, the graph of a TensorFlow checkpoint. What contradicts the
    arguments, or fits in two ways, is refused with the keyword that settles it.

    Parameters
    ----------
    path
        A file: safetensors, .npz, .npy dictionary, PyTorch, Keras, ONNX, TFLite and others; docs/formats.md lists them.
    network
        A name of `lenet_fast.networks()`, which says what the layers compute: channels, maps, units, the number of full
        connections, classes, image size and padding follow the weights ("lenet5-1998" has its own maps and units). Or a
        `Network`. Not wanted where the file has a graph, or where `activation` and `pooling`, passed or said in the
        file's settings, leave one of the named networks.
    preprocess
        How training scaled the pixels: "unit", "mnist", "symmetric", "lecun", "raw", "zscore" (see `Preprocess.named`)
        or a `Preprocess`. Where neither this nor the file says, floating-point images are taken as already scaled and
        uint8 images are refused.
    check
        (images, outputs): the trainer's outputs, (n, classes), or labels, (n,), that the model must reproduce: within
        1e-5 of their spread, in the space in which they are given (docs/checking.md). What the file and the other
        arguments leave open (network, activation, order of axes, scaling, ...) is tried until one reading does; the
        model's card says what was compared.
    activation, pooling, padding, slope
        Where the named network is varied: "tanh", "relu", ...; "average", "max", "trainable"; of both convolutions; of
        "leaky_relu" below zero (PyTorch takes 0.01, Keras 0.3), if the file does not say it.
    flatten
        "CHW" or "HWC": the order in which maps became a vector, where the file does not tell.
    coefficients
        "sum" or "mean": what the coefficients of trainable subsampling are multiplied with, where the file does not
        tell.
    compact
        "ascending" or "wrapped": the order of C3's kernels, where they are stored without gaps.
    kernels, dense
        "OIHW", "HWIO", "OHWI", "IOHW" or "IHWO", and "OI" or "IO": the order of the axes of convolutions and of full
        connections (O outputs, I inputs, H rows, W columns, the slowest first), where shapes do not tell: square ones,
        and arrays that are stored flat.
    fraction_bits
        0 to 15: how many bits stand behind the point where weights are words of 16 bits, the same in all tensors.
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
    No pickle is executed, and no other file is opened but these in the same folder, and no links: external data that
    ONNX names; the .caffemodel of a .prototxt; the .bin of OpenVINO's .xml and ncnn's .param; the .data-* and the .meta
    of TensorFlow's .index; the config.json beside Keras's .weights.h5, model.safetensors or pytorch_model.bin.
    """
    if not isinstance(path, (str, Path)):
        way_out = "live objects go to lenet_fast.from_torch, from_keras, from_onnx or from_state_dict"
        raise TypeError(f"path: wanted a file name, found {type(path).__name__}; {way_out}")
    if not str(path):
        raise ValueError("path: wanted a file name, found an empty text")
    given = {"activation": activation, "pooling": pooling, "padding": padding, "slope": slope}
    variations = {key: value for key, value in given.items() if value is not None}
    answers = Answers(flatten, coefficients, compact, kernels, dense, fraction_bits)
    wishes = Wishes(network, preprocess, variations, answers)
    with spending(budget):
        if check is None:
            return read_model(path, wishes).model
        if not isinstance(check, (tuple, list)) or len(check) != 2:
            raise TypeError(f"check: wanted a pair (images, outputs), found {shown(check)}")
        return verify_file(path, wishes, *check).best(str(path)).model


def read_model(path: str | Path, wishes: Wishes | None = None) -> Imported:
    """What `load` reads, with the format and the source name of every tensor."""
    with spending(), shard(Path(path).name):
        wishes = wishes or Wishes()
        parts = parts_of(read(Path(path)), wishes, str(path))  # the file's bytes go with its source
        if not isinstance(wishes.network, Network):
            refuse_shorter(Path(path).name, parts.network)
        return imported(parts, str(path))


def verify_file(
    path: str | Path, wishes: Wishes, images: ArrayLike, expected: ArrayLike, progress: Progress | None = None
) -> Verdict:
    """Every reading of a file and how near it comes to a trainer's outputs, the best first."""
    with shard(Path(path).name):
        with spending():
            source = read(Path(path))
        return verify(source, wishes, images, expected, str(path), progress)
