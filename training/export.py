"""From a trained PyTorch network to the bundled file: export, check PyTorch against the engine, write the card."""

from __future__ import annotations

import math
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lenet_fast
import numpy as np
import torch
from mnist import Digits
from torch import nn

BACKGROUND, INK = -0.1, 1.175


def export(network: nn.Module, recipe: Any, train: Digits, test: Digits, out: Path) -> None:
    """Write digits.safetensors and digits.md into `out`; raises SystemExit if PyTorch and the engine disagree."""
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    preprocess = lenet_fast.Preprocess(scale=INK - BACKGROUND, shift=BACKGROUND)
    model = lenet_fast.Model(lenet_fast.networks()["lenet5-1998"], weights, preprocess=preprocess)
    difference = _check(network, model, test.images)

    validation = Digits(train.images[-5_000:], train.labels[-5_000:])
    facts = {
        "network": "LeNet-5 as published in 1998: connection table, trainable subsampling, fixed RBF codes",
        "data": "MNIST, 55,000 training images; the last 5,000 of the training set were held out",
        "data licence": "MNIST is by Yann LeCun and Corinna Cortes, from NIST Special Databases 1 and 3; CC BY-SA 3.0",
        "recipe": ", ".join(f"{key} {value}" for key, value in asdict(recipe).items()),
        "criterion": "MAP with a rubbish class (equation 9 of the paper)",
        "validation accuracy": _accuracy(model, validation),
        "test accuracy": _accuracy(model, test),
        "agreement with PyTorch": f"largest difference {difference:.1e} of an image's largest score, no label differs",
        "commit": _commit(),
    }
    out.mkdir(parents=True, exist_ok=True)
    card = lenet_fast.Model(model.network, weights, preprocess=preprocess, card=facts)
    card.save(out / "digits.safetensors")
    (out / "digits.md").write_text(_markdown(card, test))
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))


def _check(network: nn.Module, model: lenet_fast.Model, images: np.ndarray) -> float:
    """Largest difference between the two, as a share of each image's largest score."""
    unit = nn.functional.pad(torch.from_numpy(images.copy())[:, None].float() / 255, (2, 2, 2, 2))
    with torch.no_grad():
        wanted = torch.cat([network(x) for x in (BACKGROUND + (INK - BACKGROUND) * unit).split(1000)]).numpy()
    found = model.scores(images)
    difference = float((np.abs(found - wanted) / np.abs(wanted).max(1, keepdims=True)).max())
    if difference > 1e-5 or (found.argmin(1) != wanted.argmin(1)).any():
        raise SystemExit(f"PyTorch and lenet_fast disagree by {difference:.1e}; nothing was written")
    return difference


def _accuracy(model: lenet_fast.Model, digits: Digits) -> str:
    """Accuracy with its 95 % Wilson interval."""
    n, right = len(digits.labels), int((model.predict(digits.images) == digits.labels).sum())
    p, z = right / n, 1.959964
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return f"{p:.2%} ({right:,} of {n:,}; 95 % interval {low:.2%} to {high:.2%})"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return (
        subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False).stdout.strip()
        or "unknown"
    )


def _markdown(model: lenet_fast.Model, test: Digits) -> str:
    """The card as a page: facts, the table of layers, errors per digit."""
    wrong = model.predict(test.images) != test.labels
    lines = ["# digits", "", "White handwritten digits on black, 28x28 or 32x32, as in MNIST.", ""]
    lines += ["| fact | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in model.card.items()), ""]
    lines += ["```", model.summary(), "```", "", "| digit | test images | errors |", "| --- | --- | --- |"]
    lines += [f"| {d} | {(test.labels == d).sum():,} | {wrong[test.labels == d].sum()} |" for d in range(10)]
    lines += [
        "",
        "Known weaknesses: it takes every image for a digit (noise and letters too); digits not sized and centred",
        "as in MNIST are read badly, so bring them to that form with `lenet_fast.prepare_digits`.",
        "",
    ]
    return "\n".join(lines)
