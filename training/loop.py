"""The training loop of every PyTorch recipe: AdamW, one learning-rate cycle, averaged weights, killed and resumed.

A recipe is plain numbers; a task is what is trained on what. After each pass the loop writes checkpoint.pt, a line of
log.jsonl and the learning curve, curve.png, into its folder. A killed run goes on from its last whole pass and ends
with the same weights. What is returned are the weights averaged over the last steps (exponentially, `averaging` per
step): they vary less than those of any one step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

#: Outputs, labels and the images that they are for -> what is to be made small, batch mean.
Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; stored in the card."""

    seed: int = 1998
    passes: int = 40
    batch: int = 128
    peak_rate: float = 3e-3
    warm_up: float = 0.15  # share of the run in which the rate rises
    weight_decay: float = 0.01
    averaging: float = 0.999  # what each step leaves of the average before it


@dataclass(frozen=True)
class Task:
    """What is trained on what: (n, channels, height, width) floats as the network takes them, and (n,) labels."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    held_images: Tensor
    held_labels: Tensor
    distorted: Callable[[Tensor, torch.Generator], Tensor]
    criterion: Criterion
    answers: Callable[[Tensor], Tensor]  # outputs -> labels


def train(task: Task, recipe: Recipe, work: Path, *, title: str = "", line: int = 0) -> nn.Module:
    """Train from the last checkpoint in `work`, or from the start; the averaged network, ready to be exported.

    `title` and `line` place the progress bar where several runs share a terminal.
    """
    work.mkdir(parents=True, exist_ok=True)
    network = task.network
    averaged = AveragedModel(network, avg_fn=partial(average, recipe.averaging), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    parts = {"network": network, "averaged": averaged, "optimiser": optimiser}
    done = _resume(work / "checkpoint.pt", parts, recipe)
    steps = len(task.images) // recipe.batch
    progress = tqdm(range(done, recipe.passes), title, initial=done, total=recipe.passes, unit="pass", position=line)
    for number in progress:
        random = torch.Generator().manual_seed(recipe.seed * 10_007 + number)  # a pass is the same after a restart
        total = 0.0
        network.train()
        for step, chosen in enumerate(torch.randperm(len(task.images), generator=random).split(recipe.batch)[:steps]):
            for group in optimiser.param_groups:
                group["lr"] = rate(recipe, (number * steps + step) / (recipe.passes * steps))
            images = task.distorted(task.images[chosen], random)
            loss = task.criterion(network(images), task.labels[chosen], images)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            averaged.update_parameters(network)
            total += float(loss.detach())
        entry = {
            "pass": number + 1,
            "loss": total / steps,
            "validation": accuracy(task, network),
            "averaged": accuracy(task, averaged),
        }
        _write_log(work, entry)
        progress.set_postfix(loss=f"{entry['loss']:.4f}", validation=f"{entry['averaged']:.2%}")
        _save(work / "checkpoint.pt", parts, recipe, number + 1)
    draw_curve(work)
    return averaged.module.eval()


def average(averaging: float, before: Tensor, now: Tensor, steps: Tensor) -> Tensor:
    """Move the average towards this step's values; faster at the beginning, so that the first ones are forgotten."""
    if not before.is_floating_point():  # batch normalisation's counter
        return now
    return torch.lerp(before, now, 1 - min(averaging, (1 + int(steps)) / (10 + int(steps))))


def rate(recipe: Recipe, share: float) -> float:
    """The learning rate when this share of the run is done: up in a line, then down along a cosine."""
    if share < recipe.warm_up:
        return recipe.peak_rate * share / recipe.warm_up
    return recipe.peak_rate * (1 + math.cos(math.pi * (share - recipe.warm_up) / (1 - recipe.warm_up))) / 2


def accuracy(task: Task, network: nn.Module) -> float:
    """Share of the held-out images that get their label."""
    network.eval()
    with torch.no_grad():
        right = sum(
            int((task.answers(network(x)) == y).sum())
            for x, y in zip(task.held_images.split(500), task.held_labels.split(500), strict=True)
        )
    return right / len(task.held_labels)


def _resume(path: Path, parts: dict[str, Any], recipe: Recipe) -> int:
    if not path.exists():
        path.with_name("log.jsonl").unlink(missing_ok=True)
        return 0
    state = torch.load(path, weights_only=True)
    if state["recipe"] != asdict(recipe):
        raise SystemExit(
            f"{path}: made by another recipe ({state['recipe']}); remove it or choose another --work folder"
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["passes"])


def _save(path: Path, parts: dict[str, Any], recipe: Recipe, passes: int) -> None:
    partial = path.with_suffix(".part")
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save(state | {"recipe": asdict(recipe), "passes": passes}, partial)
    partial.replace(path)


def _write_log(work: Path, entry: dict[str, float]) -> None:
    """One line per pass; a pass that was logged but not saved before a kill is logged once."""
    path = work / "log.jsonl"
    lines = path.read_text().splitlines()[: int(entry["pass"]) - 1] if path.exists() else []
    path.write_text("\n".join([*lines, json.dumps(entry)]) + "\n")


def draw_curve(work: Path) -> None:
    """Draw what log.jsonl tells: the loss, and the validation error of the last step's and of the averaged weights."""
    entries = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    passes = [entry["pass"] for entry in entries]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(passes, [entry["loss"] for entry in entries], color="#555555")
    left.set(xlabel="pass", ylabel="training loss, distorted images", yscale="log")
    for key, colour, label in (("validation", "#0072b2", "last step"), ("averaged", "#c1272d", "averaged")):
        right.plot(passes, [100 * (1 - entry[key]) for entry in entries], color=colour, label=label)
    right.set(xlabel="pass", ylabel="validation error, %")
    if min(entry["averaged"] for entry in entries) < 1 and min(entry["validation"] for entry in entries) < 1:
        right.set_yscale("log")
    right.legend(frameon=False)
    for axes in (left, right):
        for pick in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            pick(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
        axes.grid(which="both", linewidth=0.4, alpha=0.5)
    figure.savefig(work / "curve.png", dpi=120)
