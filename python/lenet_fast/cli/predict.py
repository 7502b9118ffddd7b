"""`lenet-fast predict`: labels for image files, .npy arrays and IDX files."""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digits import prepare_digits, sample_digits
from ..idx import looks_like_idx, parse_idx
from ..model import Model
from ..pretrained import pretrained
from .source import read

_NPY = b"\x93NUMPY"
_MAX_BYTES = 1 << 30
_MOST_PIXELS = 1 << 24  # of a picture, which takes some sixty bytes each on its way


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "predict",
        help="label images",
        description="Print label and confidence of every image. A picture is taken as a scan of one digit, dark on light or light on dark: cut out, scaled and centred, unless it is 28x28 or 32x32 and light on dark.",
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
    parser.add_argument(
        "--model",
        metavar="FILE",
        default="digits",
        help=f"a model file, or a bundled model: {', '.join(pretrained())} (default: %(default)s)",
    )
    parser.add_argument(
        "--reject",
        action="store_true",
        help="say 'rejected' where the model is not sure; the bundled models are calibrated for it",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="with --labels, print the accuracy only")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Label what the options name."""
    if bool(options.files) == options.samples:
        raise ValueError(
            "predict: wanted image files or --samples, found " + ("both" if options.samples else "neither")
        )
    if options.samples and options.labels:
        raise ValueError("predict: wanted --labels with image files, found it with --samples")
    model = read(options.model).model
    if options.samples:
        _show_samples(model, options.reject)
        return
    if options.reject and not (model.calibration and model.calibration.rejects):
        raise ValueError(
            f"--reject: wanted a model with a threshold, found {options.model} without; give it one in Python: model.calibrate(images, labels).save(file)"
        )
    wanted = _read_labels(options.labels, len(model.classes_)) if options.labels else None
    labels = []
    for name in options.files:
        images = _read_images(name, model)
        if images is None:
            labels.append(np.array([-1]))
            print(f"{name}  no digit: nothing is drawn there")
            continue
        found, confidence = model.topk(images, 1)
        labels.append(model.predict(images, reject=True) if options.reject else found[:, 0])
        if not (options.quiet and wanted is not None):
            _print_rows(model, name, found[:, 0], labels[-1] < 0, confidence[:, 0])
    if wanted is not None:
        _print_accuracy(np.concatenate(labels), wanted)


def _read(file: str) -> bytes:
    """All of a file, which may be a pipe; ValueError if it holds more than any file that this command is meant for."""
    with Path(file).open("rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(
            f"{file}: wanted at most {_MAX_BYTES:,} bytes, found more; use lenet_fast from Python for so many images"
        )
    return data


def _read_images(file: str, model: Model) -> NDArray[Any] | None:
    """What the file holds; None for a scan on which nothing is drawn."""
    data = _read(file)
    if data.startswith(_NPY):
        return _parse_npy(data, file)
    if looks_like_idx(data[:4]):
        return parse_idx(data, file)
    return _parse_picture(data, file, model)


def _parse_npy(data: bytes, file: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise ValueError(f"{file}: wanted a whole .npy file of numbers, found a damaged one ({error})") from error
    return array


def _parse_picture(data: bytes, file: str, model: Model) -> NDArray[Any] | None:
    """One picture as the model wants it: in colour, or a digit that is light on dark, sized and centred, if any."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        way_out = "reading pictures needs Pillow, which is not installed: pip install pillow"
        raise ImportError(f"{file}: wanted a .npy array or an IDX file, found something else; {way_out}") from error
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                raise ValueError(
                    f"{file}: wanted one picture, found {picture.n_frames} in one file; save the one that counts"
                )
            if picture.width * picture.height > _MOST_PIXELS:
                raise ValueError(
                    f"{file}: wanted a picture of at most {_MOST_PIXELS:,} pixels, found {picture.width}x{picture.height}; scale it down"
                )
            upright = ImageOps.exif_transpose(picture)
            rgba = np.asarray(
                (_to_8_bits(upright) if upright.mode.startswith("I") else upright).convert("RGBA"), np.float32
            )
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{file}: wanted a picture of at most {_MOST_PIXELS:,} pixels, found a larger one; scale it down"
        ) from error
    except (OSError, SyntaxError) as error:
        raise ValueError(
            f"{file}: wanted a picture, a .npy array or an IDX file, found something else or a damaged one"
        ) from error
    opaque = rgba[..., 3:] / 255
    colours: NDArray[np.uint8] = np.rint(rgba[..., :3] * opaque + 255 * (1 - opaque)).astype(
        np.uint8
    )  # transparent means paper
    channels, height, width = model.network.input
    if channels == 3:
        return colours
    grey: NDArray[np.uint8] = np.rint(colours @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    fits = grey.shape in ((height, width), (height - 4, width - 4))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if fits and np.median(edge) < 128:
        return grey
    prepared = prepare_digits(grey)
    return prepared if prepared.any() else None


def _to_8_bits(picture: Any) -> Any:
    """A 16-bit grey picture, which PIL would clip at 255 instead of scaling it."""
    from PIL import Image

    values = np.asarray(picture, np.float64)
    return Image.fromarray(np.clip(np.rint(values / 257), 0, 255).astype(np.uint8))


def _read_labels(file: str, classes: int) -> NDArray[Any]:
    data = _read(file)
    labels = _parse_npy(data, file) if data.startswith(_NPY) else parse_idx(data, file)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{file}: wanted one whole number per image, found {labels.dtype} of shape {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"{file}: wanted classes from 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
    return labels


def _print_rows(
    model: Model, name: str, labels: NDArray[np.int64], rejected: NDArray[np.bool_], confidence: NDArray[np.float32]
) -> None:
    for i, (label, left, share) in enumerate(zip(labels, rejected, confidence, strict=True)):
        place = name if len(labels) == 1 else f"{name}[{i}]"
        text = f"{model.classes_[label]}  {share:.1%}"
        print(f"{place}  {f'rejected ({text})' if left else text}")


def _print_accuracy(found: NDArray[np.int64], wanted: NDArray[Any]) -> None:
    if len(found) != len(wanted):
        raise ValueError(f"--labels: wanted one label per image ({len(found)}), found {len(wanted)}")
    kept = found >= 0
    right, counted = int((found == wanted)[kept].sum()), int(kept.sum())
    rejected = f"; rejected {1 - counted / len(found):.2%}" if counted < len(found) else ""
    print(f"accuracy {right / max(counted, 1):.2%} ({right:,} of {counted:,}){rejected}")


def _show_samples(model: Model, reject: bool) -> None:
    """Ten drawn digits, up to five side by side as the terminal is wide, each with its label below."""
    images = sample_digits(range(10))
    labels, confidence = model.topk(images, 1)
    rejected = model.predict(images, reject=reject) < 0
    per_row = min(5, max(1, shutil.get_terminal_size((140, 24)).columns // images.shape[2]))
    for start in range(0, 10, per_row):
        print(_as_text(np.concatenate(list(images[start : start + per_row]), axis=1)))
        captions = (
            "rejected" if rejected[i] else f"{labels[i, 0]}  {confidence[i, 0]:.1%}"
            for i in range(start, min(10, start + per_row))
        )
        print("".join(caption.center(images.shape[2]) for caption in captions).rstrip())


def _as_text(image: NDArray[np.uint8]) -> str:
    """Two rows of pixels per line of text."""
    shades = " .:-=+*#%@"
    levels = (image[::2].astype(int) + image[1::2]) * (len(shades) - 1) // 510
    return "\n".join("".join(shades[level] for level in row).rstrip() for row in levels)
