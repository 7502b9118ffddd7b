"""`lenet-fast predict`: labels for image files, .npy arrays and IDX files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digits import prepare_digits, sample_digits
from ..idx import looks_like_idx, parse_idx
from ..model import Model
from ..pretrained import pretrained
from ..weights import load

_NPY = b"\x93NUMPY"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "predict",
        help="label images",
        description="Print label and confidence of every image. Pictures of another size are taken as "
        "scans of one digit each: cut out, scaled and centred, dark on light or light on dark.",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="pictures (PNG, JPEG), NumPy arrays (.npy) or IDX files, also gzipped"
    )
    parser.add_argument(
        "--samples", action="store_true", help="draw ten digits, show them and label them; needs no file"
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="the right labels, IDX or .npy, one per image: prints the accuracy"
    )
    parser.add_argument("--model", metavar="FILE", help="a model file (default: the bundled digits model)")
    parser.add_argument("-q", "--quiet", action="store_true", help="with --labels, print the accuracy only")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Label what the options name."""
    if bool(options.files) == options.samples:
        raise ValueError(
            "predict: wanted image files or --samples, found " + ("both" if options.samples else "neither")
        )
    model = load(options.model) if options.model else pretrained("digits")
    if options.samples:
        _show_samples(model)
        return
    wanted = _read_labels(options.labels) if options.labels else None
    labels = []
    for name, images in _images(options.files, model):
        found, confidence = model.topk(images, 1)
        labels.append(found[:, 0])
        if not (options.quiet and wanted is not None):
            _print_rows(model, name, found[:, 0], confidence[:, 0])
    if wanted is not None:
        _print_accuracy(np.concatenate(labels), wanted)


def _images(files: list[str], model: Model) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name and images of each file."""
    for file in files:
        data = Path(file).read_bytes()
        if data.startswith(_NPY):
            yield file, _read_npy(file)
        elif looks_like_idx(data[:4]):
            yield file, parse_idx(data, file)
        else:
            yield file, _read_picture(file, model)


def _read_npy(file: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file}: wanted a whole .npy file of numbers, found a damaged one ({error})") from error
    return array


def _read_picture(file: str, model: Model) -> NDArray[Any]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError(f"{file}: reading pictures needs Pillow; install it with: pip install pillow") from error
    try:
        with Image.open(file) as picture:
            grey = np.asarray(picture.convert("RGBA"), np.float32)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(
            f"{file}: wanted a picture, a .npy array or an IDX file, found something that is none of them ({error})"
        ) from error
    channels, height, width = model.network.input
    opaque = grey[..., 3:] / 255
    colours = np.rint(grey[..., :3] * opaque + 255 * (1 - opaque)).astype(np.uint8)  # transparent means paper
    if channels == 3:
        return colours
    light = np.rint(colours @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return light if light.shape in ((height, width), (height - 4, width - 4)) else prepare_digits(light)


def _read_labels(file: str) -> NDArray[Any]:
    data = Path(file).read_bytes()
    labels = _read_npy(file) if data.startswith(_NPY) else parse_idx(data, file)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{file}: wanted one whole number per image, found {labels.dtype} of shape {labels.shape}")
    return labels


def _print_rows(model: Model, name: str, labels: NDArray[np.int64], confidence: NDArray[np.float32]) -> None:
    for i, (label, share) in enumerate(zip(labels, confidence, strict=True)):
        place = name if len(labels) == 1 else f"{name}[{i}]"
        print(f"{place}  {model.classes_[label]}  {share:.1%}")


def _print_accuracy(found: NDArray[np.int64], wanted: NDArray[Any]) -> None:
    if len(found) != len(wanted):
        raise ValueError(f"--labels: wanted one label per image ({len(found)}), found {len(wanted)}")
    right = int((found == wanted).sum())
    print(f"accuracy {right / max(len(found), 1):.2%} ({right:,} of {len(found):,})")


def _show_samples(model: Model) -> None:
    """Ten drawn digits in two rows, half a character cell per pixel, each with its label."""
    images = sample_digits(range(10))
    labels, confidence = model.topk(images, 1)
    for start in (0, 5):
        print(_as_text(np.concatenate(list(images[start : start + 5]), axis=1)))
        captions = (f"{labels[i, 0]}  {confidence[i, 0]:.1%}" for i in range(start, start + 5))
        print("".join(caption.center(images.shape[2]) for caption in captions).rstrip())


def _as_text(image: NDArray[np.uint8]) -> str:
    """Two rows of pixels per line of text."""
    shades = " .:-=+*#%@"
    levels = (image[::2].astype(int) + image[1::2]) * (len(shades) - 1) // 510
    return "\n".join("".join(shades[level] for level in row).rstrip() for row in levels)
