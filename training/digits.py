"""Train the bundled `digits` model: the classic LeNet-5 of 1998 on MNIST, exported with its card.

    pip install ".[training]"
    python training/digits.py --out python/lenet_fast/pretrained

The network and the criterion are the paper's (lenet5_1998.py). What the paper could not afford is new: every image is
distorted afresh on every pass (a small random affine map, as the paper's own "distorted" set, section III-A), and
AdamW with one learning-rate cycle takes the place of the stochastic diagonal Levenberg-Marquardt method.

The last 5,000 training images are kept aside to watch the error; the test images are looked at once, at the end.
A killed run goes on from its last whole pass; runs with the same seed on the same machine give the same weights.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import mnist
import torch
from export import BACKGROUND, INK, export
from lenet5_1998 import LeNet5, map_criterion
from lenet_fast.codes import rbf_codes
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

VALIDATION = 5_000


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; stored in the card."""

    seed: int = 1998
    passes: int = 40
    batch: int = 128
    peak_rate: float = 3e-3
    weight_decay: float = 0.01
    rubbish: float = 1.0
    rotation: float = 12.0  # degrees, uniform in +-
    scaling: float = 0.12  # relative, uniform in +-, per axis
    shear: float = 0.15  # horizontal, uniform in +-
    shift: float = 1.5  # pixels, uniform in +-


def canvas(images: Tensor) -> Tensor:
    """(n, 28, 28) uint8 -> (n, 1, 32, 32) float32 with ink 1 on background 0, the digit centred."""
    return functional.pad(images[:, None].float() / 255, (2, 2, 2, 2))


def grey(unit: Tensor) -> Tensor:
    """Ink fraction 0..1 -> the paper's grey levels."""
    return BACKGROUND + (INK - BACKGROUND) * unit


def distorted(unit: Tensor, recipe: Recipe, random: torch.Generator) -> Tensor:
    """Each image under an affine map of its own: rotation, scaling, shear and shift; outside is background."""

    def between(limit: float, *shape: int) -> Tensor:
        return (torch.rand(len(unit), *shape, generator=random) * 2 - 1) * limit

    angle, shear = between(math.radians(recipe.rotation)), between(recipe.shear)
    scale = torch.exp(between(recipe.scaling, 2))
    shift = between(recipe.shift * 2 / unit.shape[-1], 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    shearing = torch.eye(2).repeat(len(unit), 1, 1)
    shearing[:, 0, 1] = shear
    matrix = torch.cat([rotation @ shearing * scale[:, None, :], shift[:, :, None]], 2)
    return functional.grid_sample(
        unit, functional.affine_grid(matrix, unit.shape, align_corners=False), align_corners=False
    )


def accuracy(network: LeNet5, unit: Tensor, labels: Tensor) -> float:
    """Share of images whose nearest code is the right one."""
    network.eval()
    with torch.no_grad():
        right = sum(
            int((network(grey(x)).argmin(1) == y).sum())
            for x, y in zip(unit.split(1000), labels.split(1000), strict=True)
        )
    return right / len(labels)


def train(recipe: Recipe, digits: mnist.Digits, work: Path) -> LeNet5:
    """Train from the last checkpoint in `work`, or from the start; writes checkpoint.pt and log.jsonl there."""
    torch.manual_seed(recipe.seed)
    unit, labels = canvas(torch.from_numpy(digits.images.copy())), torch.from_numpy(digits.labels.copy()).long()
    held_unit, held_labels = unit[-VALIDATION:], labels[-VALIDATION:]
    unit, labels = unit[:-VALIDATION], labels[:-VALIDATION]

    network = LeNet5(torch.from_numpy(rbf_codes()))
    optimiser = torch.optim.AdamW(network.parameters(), recipe.peak_rate, weight_decay=recipe.weight_decay)
    steps = -(-len(unit) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.peak_rate, recipe.passes * steps)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    done = _resume(work / "checkpoint.pt", parts, recipe)

    progress = tqdm(range(done, recipe.passes), initial=done, total=recipe.passes, unit="pass")
    for number in progress:
        random = torch.Generator().manual_seed(recipe.seed * 1_000 + number)  # a pass is the same after a restart
        network.train()
        total = 0.0
        for chosen in torch.randperm(len(unit), generator=random).split(recipe.batch):
            loss = map_criterion(network(grey(distorted(unit[chosen], recipe, random))), labels[chosen], recipe.rubbish)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        entry = {"pass": number + 1, "loss": total / len(unit), "validation": accuracy(network, held_unit, held_labels)}
        with (work / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        progress.set_postfix(loss=f"{entry['loss']:.4f}", validation=f"{entry['validation']:.2%}")
        _save(work / "checkpoint.pt", parts, recipe, number + 1)
    return network.eval()


def _resume(path: Path, parts: dict[str, object], recipe: Recipe) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["recipe"] != asdict(recipe):
        raise SystemExit(
            f"{path}: made by another recipe ({state['recipe']}); remove it or choose another --work folder"
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["passes"])


def _save(path: Path, parts: dict[str, object], recipe: Recipe, passes: int) -> None:
    partial = path.with_suffix(".part")
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save(state | {"recipe": asdict(recipe), "passes": passes}, partial)
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="folder with the four MNIST files (default: LENET_FAST_DATA, or a download)"
    )
    parser.add_argument("--work", type=Path, default=Path("training/runs/digits"), help="folder for checkpoint and log")
    parser.add_argument("--out", type=Path, required=True, help="folder for digits.safetensors and digits.md")
    parser.add_argument(
        "--passes", type=int, default=Recipe.passes, help="passes over the training set (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=Recipe.seed, help="random seed (default: %(default)s)")
    arguments = parser.parse_args()

    recipe = Recipe(seed=arguments.seed, passes=arguments.passes)
    arguments.work.mkdir(parents=True, exist_ok=True)
    network = train(recipe, mnist.load("train", arguments.data), arguments.work)
    export(network, recipe, mnist.load("train", arguments.data), mnist.load("t10k", arguments.data), arguments.out)


if __name__ == "__main__":
    main()
