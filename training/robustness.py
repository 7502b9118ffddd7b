"""How far a model reads beyond MNIST: a fixed set of altered copies of its test digits, and scikit-learn's digits."""

from __future__ import annotations

import math

import lenet_fast
import numpy as np
import torch
from card import Labelled, table
from lenet_fast.calibration import share
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch.nn import functional

SEED = 1998


def copies(images: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """(n, 28, 28) uint8 digits -> altered ones, the same ones every time."""
    random = np.random.default_rng(SEED)
    n = len(images)

    def between(limit: float) -> NDArray[np.float64]:
        return random.uniform(-limit, limit, n)

    noise = random.normal(0, 64, images.shape)
    return {
        "shifted by up to 3 pixels": _moved(images, shift=random.integers(-3, 4, (n, 2))),
        "rotated by up to 20 degrees": _moved(images, angle=np.radians(between(20))),
        "scaled by 0.75 to 1.33": _moved(images, scale=np.exp(between(math.log(4 / 3)))),
        "with noise (deviation 64 of 255)": np.clip(np.rint(images + noise), 0, 255).astype(np.uint8),
        "inverted": 255 - images,
    }


def _moved(
    images: NDArray[np.uint8],
    *,
    shift: NDArray[np.int64] | None = None,
    angle: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """Each image shifted (pixels), rotated (radians) and scaled about its middle, black where nothing lies."""
    n, side = len(images), images.shape[-1]
    turn = np.zeros(n) if angle is None else angle
    matrix = np.zeros((n, 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(turn)
    matrix[:, 1, 0], matrix[:, 0, 1] = np.sin(turn), -np.sin(turn)
    matrix /= (np.ones(n) if scale is None else scale)[:, None, None]
    matrix[:, :, 2] = 0 if shift is None else shift * (2 / side)
    grid = functional.affine_grid(torch.from_numpy(matrix).float(), [n, 1, side, side], align_corners=False)
    moved = functional.grid_sample(torch.from_numpy(images.copy())[:, None].float(), grid, align_corners=False)
    return moved[:, 0].round().clamp(0, 255).byte().numpy()


def report(model: lenet_fast.Model, tested: Labelled) -> str:
    """A table of accuracies, as the images are and prepared with `lenet_fast.prepare_digits`."""
    others = load_digits()
    prepared = lenet_fast.prepare_digits(others.images)
    rows = [("scikit-learn's 1,797 digits, 8x8", "", _right(model, prepared, others.target))]
    for name, images in {"as they are": tested.images, **copies(tested.images)}.items():
        plain, brought = (_right(model, x, tested.labels) for x in (images, lenet_fast.prepare_digits(images)))
        rows.append((f"MNIST's test digits, {name}", plain, brought))
    head = ("images", "accuracy as they are", "prepared with `lenet_fast.prepare_digits`")
    return f"## Beyond MNIST\n\nNone of these were trained on or chosen by.\n\n{table(head, rows)}"


def _right(model: lenet_fast.Model, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    return share(int((model.predict(images) == labels).sum()), len(labels))
