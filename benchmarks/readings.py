"""How often `check=` finds the right reading of weights alone, and whether it ever certifies a wrong one.

`python benchmarks/readings.py --trials 2400` draws networks, weights, images and outputs, computes the outputs with
PyTorch, writes the weights as a .npz file, and loads it with nothing but `check=`. A quarter of the networks are none
of those that are tried. A reading is right if it computes what the trainer's network does, for images that were not
passed. Where the readings are no further apart in float64 than rounding in float32 may take two
programs, nobody can tell: such trials are counted apart. `--write` puts the table into docs/checking.md.

Needs torch (pip install ".[frameworks]").
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import lenet_fast
import numpy as np
import torch
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2, WeightsError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.arrays import numpy as npz
from lenet_fast.weights.build import Wishes
from lenet_fast.weights.checking import elimination, float64
from lenet_fast.weights.checking.outputs import CLOSE, Expected
from lenet_fast.weights.checking.readings import Reading, readings
from lenet_fast.weights.files import Archive, File
from torch.nn import functional

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "checking.md", ROOT / "benchmarks" / "results" / "readings.json"
COUNTS, KINDS, FRESH = (5, 20, 100), ("logits", "probabilities", "labels"), 64
#: What is kept of a trial; its number and the seed draw the rest again.
KEPT = ("number", "kind", "images", "tried", "told_apart", "silent", "ended")
#: Two programs may each be off by that, so readings that are nearer to each other cannot be told apart.
TOLD_APART = 2 * CLOSE

#: Activations that are tried, and some that are not.
TRIED = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "scaled_tanh": lambda x: 1.7159 * torch.tanh(2 / 3 * x),
    "sigmoid": torch.sigmoid,
    **{f"leaky_relu {s}": (lambda x, s=s: functional.leaky_relu(x, s)) for s in (0.01, 0.1, 0.2, 0.3)},
}
UNTRIED = {
    "leaky_relu 0.05": lambda x: functional.leaky_relu(x, 0.05),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "softsign": functional.softsign,
    "hardtanh": functional.hardtanh,
    "relu6": functional.relu6,
}
#: Scalings of pixels 0..1; in the second none that is tried.
SCALINGS: dict[str, Callable[[Any], Any]] = {
    "unit": lambda x: x,
    "mnist": lambda x: (x - 0.1307) / 0.3081,
    "symmetric": lambda x: x * 2 - 1,
    "lecun": lambda x: x * 1.275 - 0.1,
    "raw": lambda x: x * 255,
    "zscore": lambda x: (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True, correction=0),
}
UNTRIED_SCALINGS: dict[str, Callable[[Any], Any]] = {
    "(x - 0.5) / 0.25": lambda x: (x - 0.5) / 0.25,
    "(x - 0.13) / 0.31": lambda x: (x - 0.13) / 0.31,
    "1 - x": lambda x: 1 - x,
    "256ths": lambda x: x * (255 / 256),
}


@dataclass(frozen=True)
class Truth:
    """What the trainer's program computes."""

    network: Network  # of the shapes; activation, pooling and scaling are the fields below
    weights: dict[str, np.ndarray]
    activation: str
    pooling: str
    scaling: str
    is_float: bool  # images as they were fed to the framework, instead of uint8 pixels
    is_tried: bool

    def scaled(self, pixels: np.ndarray) -> torch.Tensor:
        scaling = {**SCALINGS, **UNTRIED_SCALINGS}[self.scaling]
        return scaling(torch.from_numpy(pixels.astype(np.float32) / np.float32(255)))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """In the type of x."""
        curve = {**TRIED, **UNTRIED}[self.activation]
        for layer, figures in zip(self.network.layers, self.network.figures, strict=True):
            tensors = [torch.from_numpy(self.weights[name]).to(x.dtype) for name in figures.parameters]
            match layer:
                case Conv5x5():
                    x = functional.conv2d(x, *tensors, padding=layer.padding)
                case Subsample2x2("trainable"):
                    x = functional.avg_pool2d(x, 2) * 4 * tensors[0][:, None, None] + tensors[1][:, None, None]
                case Subsample2x2():
                    x = {"max": functional.max_pool2d, "average": functional.avg_pool2d}[self.pooling](x, 2)
                case Dense():
                    x = functional.linear(x.flatten(1), *tensors)
                case RBF():
                    x = ((x.flatten(1).unsqueeze(1) - tensors[0]) ** 2).sum(-1)
            x = x if layer.activation == "identity" else curve(x) if not isinstance(layer, RBF) else x
        return x.flatten(1)


def drawn(random: np.random.Generator) -> Truth:
    """A network of the family, or one that is nearly of it."""
    is_tried = random.random() >= 0.25
    activation = str(random.choice(list(TRIED)))
    pooling, scaling = str(random.choice(["max", "average"])), str(random.choice(list(SCALINGS)))
    if not is_tried and random.random() < 0.5:
        activation = str(random.choice(list(UNTRIED)))
    elif not is_tried:
        scaling = str(random.choice(list(UNTRIED_SCALINGS)))
    template = TEMPLATES[str(random.choice(["lenet5-relu-max", "lenet5-relu-max", "lenet5-tanh-average"]))]
    side, padding = [(28, (2, 0)), (28, (0, 0)), (32, (0, 0)), (28, (2, 2))][random.integers(4)]
    name, _, slope = activation.partition(" ")
    known = name if name in ("relu", "tanh", "scaled_tanh", "sigmoid", "leaky_relu") else "relu"
    one = template.varied(
        side=side, padding=padding, activation=known, pooling=pooling, slope=float(slope) if slope else None
    )
    if random.random() < 0.1:
        one = one.varied(pooling="trainable")
    network = one.network()
    return Truth(network, _weights(network, random), activation, pooling, scaling, random.random() < 0.3, is_tried)


def _weights(network: Network, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Of one as a trainer's beginning, or so large that most units are saturated."""
    gain = random.uniform(4, 7) if random.random() < 0.5 else 1.4
    found = {}
    for figures in network.figures:
        for name, shape in figures.parameters.items():
            spread = gain / np.sqrt(max(1, np.prod(shape[1:]))) if len(shape) > 1 else 0.1
            found[name] = random.normal(0, spread, shape).astype(np.float32)
            if name.endswith("coefficient"):
                found[name] += np.float32(0.25)
    return found


@cache
def handwriting() -> np.ndarray:
    return lenet_fast.sample_digits(np.arange(1000) % 10, seed=1998)


def pixels(network: Network, count: int, random: np.random.Generator) -> np.ndarray:
    """uint8 images (count, channels, 28 or 32, the same): digits, in colours where there are three channels."""
    channels, side, _ = network.input
    digits = handwriting()[random.integers(0, len(handwriting()), count * channels)]
    margin = (side - 28) // 2
    framed = np.pad(digits, ((0, 0), (margin, margin), (margin, margin)))
    return framed.reshape(count, channels, side, side)


def outputs(logits: np.ndarray, kind: str, head: str) -> np.ndarray:
    if kind == "labels":
        return logits.argmin(1) if head == "rbf" else logits.argmax(1)
    if kind == "probabilities":
        return functional.softmax(torch.from_numpy(-logits if head == "rbf" else logits), 1).numpy()
    return logits


def trial(number: int, seed: int) -> dict[str, Any]:
    """Draw one, load it, and say what came."""
    random = np.random.default_rng([seed, number])
    truth, kind, count = drawn(random), str(random.choice(KINDS)), int(random.choice(COUNTS))
    shown, fresh = (pixels(truth.network, n, random) for n in (count, FRESH))
    passed = truth.scaled(shown).numpy() if truth.is_float else shown
    given = outputs(truth.logits(truth.scaled(shown)).numpy(), kind, truth.network.head)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.npz"
        np.savez(path, **{name.replace(".", "_"): array for name, array in truth.weights.items()})
        started = time.perf_counter()
        ended, model = loaded(path, passed, given)
        seconds = time.perf_counter() - started
        if ended == "certified":
            ended = "right" if is_right(model, truth, fresh) else "wrong"
        silent = bool(Expected.of(given, count).tells_nothing)
        told = ended == "right" or (not silent and is_told_apart(path, truth, passed, given))
    return {
        "kind": kind, "images": count, "tried": truth.is_tried, "ended": ended, "told_apart": told, "silent": silent,
        "number": number,
        "seconds": seconds, "activation": truth.activation, "pooling": truth.pooling, "scaling": truth.scaling,
        "float": truth.is_float, "said": str(model)[-400:],
    }  # fmt: skip


def loaded(path: Path, images: np.ndarray, given: np.ndarray) -> tuple[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "certified", lenet_fast.load(path, check=(images, given))
        except WeightsError as error:
            return "refused", error


def is_right(model: Model, truth: Truth, fresh: np.ndarray) -> bool:
    """Whether both compute the same of images that were not passed."""
    x = truth.scaled(fresh)
    exact = truth.logits(x.double()).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.scores(x.numpy() if truth.is_float else fresh)
    return bool(np.abs(found - exact).max() <= 1e-4 * np.ptp(exact))


def is_told_apart(path: Path, truth: Truth, passed: np.ndarray, given: np.ndarray) -> bool:
    """Whether no other reading gives, in float64, what the right one does."""
    source = npz.read_archive(File.open(path), Archive(File.open(path)))
    expected = Expected.of(given, len(given))
    exact = truth.logits(truth.scaled(passed).double() if not truth.is_float else torch.from_numpy(passed).double())
    near = 0
    for reading in readings(source, Wishes(), str(path), passed):
        for _, scaling in reading.scaled:
            near += _is_near(reading, scaling, passed, exact.numpy(), expected)
            if near > 1:
                return False
    return True


def _is_near(reading: Reading, scaling: Preprocess, passed: Any, exact: Any, expected: Expected) -> bool:
    network, weights = reading.parts.network, reading.parts.weights
    limit, rough_limit = (0.0, 0.0) if expected.kind == "labels" else (TOLD_APART, 1e-3)
    given = Expected.of(exact.argmin(1) if network.head == "rbf" else exact.argmax(1), len(exact))
    for part in (slice(0, 3), slice(None)):
        try:
            x = float64.scaled(passed[part], network.input, scaling)
        except ValueError:
            return False
        rough = elimination.scores(network, weights, x.astype(np.float32))
        if expected.kind == "labels":
            far = given[part].difference(rough, network.head)
        else:
            far = expected[part].apart(rough, exact[part], network.head)
        if far > rough_limit:
            return False
    found = float64.scores(network, weights, x)
    if expected.kind == "labels":
        return given.difference(found, network.head) <= limit
    return expected.apart(found, exact, network.head) <= limit


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each kind of outputs and number of images."""
    heads = (
        "outputs", "images", "trials", "told apart in float64", "of these found", "a wrong one certified",
        "none among those tried", "of these certified",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for kind in KINDS:
        for count in COUNTS:
            some = [row for row in rows if row["kind"] == kind and row["images"] == count]
            known = [row for row in some if row["tried"]]
            apart = [row for row in known if row["told_apart"]]
            unknown = [row for row in some if not row["tried"]]
            found = sum(row["ended"] == "right" for row in apart)
            wrong = sum(row["ended"] == "wrong" for row in known)
            certified = sum(row["ended"] == "wrong" for row in unknown)
            share = f"{found} ({100 * found / max(1, len(apart)):.1f} %)"
            lines.append(
                f"| {kind} | {count} | {len(some)} | {len(apart)} | {share} | {wrong} | {len(unknown)} | {certified} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2400)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="a file to which every trial is added, a line of JSON each")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name} and {RESULTS.name}")
    options = parser.parse_args()
    rows = []
    with Pool(options.jobs, torch.set_num_threads, (1,)) as pool:
        for row in pool.imap_unordered(partial(trial, seed=options.seed), range(options.trials), chunksize=4):
            rows.append(row)
            if options.log:
                with options.log.open("a") as log:
                    log.write(json.dumps(row) + "\n")
            if sys.stderr.isatty():
                print(f"\r{len(rows)} of {options.trials}", end="", file=sys.stderr, flush=True)
    rows.sort(key=lambda row: row["number"])
    print(table(rows))
    print(Counter((row["kind"], row["tried"], row["told_apart"], row["ended"]) for row in rows))
    if options.write:
        trials = [[row[key] for key in KEPT] for row in rows]
        RESULTS.write_text(json.dumps({"seed": options.seed, "columns": KEPT, "trials": trials}) + "\n")
        page = PAGE.read_text()
        begin, end = page.index("<!-- table -->"), page.index("<!-- end -->")
        PAGE.write_text(f"{page[:begin]}<!-- table -->\n{table(rows)}\n{page[end:]}")


if __name__ == "__main__":
    main()
