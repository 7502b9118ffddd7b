"""From a trained network to the bundled file: PyTorch compared with the engine, every figure measured through
`lenet_fast` on uint8 images, the card written, the checksum recorded.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lenet_fast
import numpy as np
import torch
from lenet_fast.calibration import MEASURES, Measure, share, wilson_interval
from numpy.typing import NDArray
from torch import Tensor, nn

CHECKSUMS = "checksums.txt"


class Labelled(NamedTuple):
    """Images as `Model.predict` takes them, and their classes."""

    images: NDArray[np.uint8]
    labels: NDArray[Any]


# ---- Agreement and choice ----


def check_agreement(network: nn.Module, model: lenet_fast.Model, images: NDArray[np.uint8], inputs: Tensor) -> float:
    """Largest difference of scores, as a share of the largest score; SystemExit above 1e-5 or if a label differs.

    Both compute in float32. Where folded biases and large sums cancel, either is off from a float64 result by up to
    1.4e-5 of the largest score of that very image, so the share is taken of the largest score of all images.
    """
    with torch.no_grad():
        wanted = torch.cat([network(x) for x in inputs.split(1000)]).numpy()
    found = model.scores(images)
    difference = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    best = wanted.argmin(1) if model.network.head == "rbf" else wanted.argmax(1)
    if not difference <= 1e-5 or (model.predict(images) != best).any():
        raise SystemExit(f"PyTorch and lenet_fast disagree by {difference:.1e}; nothing was written")
    return difference


def validation_loss(model: lenet_fast.Model, held: Labelled) -> float:
    """How unlikely the held-out labels are at their best temperature, mean over images: what a seed is chosen by."""
    calibrated = model.calibrate(*held, target_rejection=0)
    likely = calibrated.predict_proba(held.images)[np.arange(len(held.labels)), held.labels]
    return float(-np.log(np.maximum(likely, np.finfo(np.float32).tiny)).mean())


def calibrated(
    model: lenet_fast.Model, held: Labelled, target_error: float, *, beyond: float | None = None
) -> lenet_fast.Model:
    """The model with temperature and a threshold on the margin; without that threshold if none reaches the target.

    `beyond`: with a threshold on the distance too, which rejects this share of the images.
    """
    if beyond is None:
        before = model.calibrate(*held, target_rejection=0)
    else:
        before = model.calibrate(*held, measure="distance", target_rejection=beyond)
    try:
        return before.calibrate(*held, target_error=target_error)
    except ValueError as error:
        print(f"no threshold: {error}")
        return before


# ---- Figures ----


def accuracy(model: lenet_fast.Model, tested: Labelled) -> str:
    """Accuracy with its 95 % interval, as text."""
    return share(int((model.predict(tested.images) == tested.labels).sum()), len(tested.labels))


def accuracies(models: Mapping[int, lenet_fast.Model], tested: Labelled) -> str:
    """Accuracy of every seed and the median, as text."""
    right = {seed: 100 * float((m.predict(tested.images) == tested.labels).mean()) for seed, m in models.items()}
    each = ", ".join(f"seed {seed}: {percent:.2f} %" for seed, percent in right.items())
    return f"{each}; median {np.median(list(right.values())):.2f} %"


def per_class(model: lenet_fast.Model, tested: Labelled) -> str:
    """A table of accuracy per class."""
    found = model.predict(tested.images)
    rows = []
    for c, name in enumerate(model.classes_):
        mine = tested.labels == c
        right, total = int((found[mine] == c).sum()), int(mine.sum())
        low, high = wilson_interval(right, total)
        taken = np.bincount(found[mine], minlength=len(model.classes_))
        taken[c] = 0
        mistaken = f"{model.classes_[taken.argmax()]} ({taken.max()})" if taken.any() else ""
        interval = f"{100 * low:.2f} to {100 * high:.2f}"
        rows.append((name, f"{total:,}", total - right, f"{100 * right / max(total, 1):.2f}", interval, mistaken))
    head = ("class", "test images", "errors", "accuracy, %", "95 % interval", "most often taken for")
    return f"## Per class\n\n{table(head, rows)}"


def rejection(model: lenet_fast.Model, held: Labelled, tested: Labelled, targets: Sequence[float]) -> str:
    """What thresholds on the margin, set on the validation images, do to the test images, and those of this model."""
    bare = model.replace(calibration=None)
    rows = []
    for target in targets:
        try:
            calibrated = bare.calibrate(*held, target_error=target)
        except ValueError:  # not even the surest images are so often right
            continue
        rows.append((f"{100 * target:g} %", f"margin {calibrated.calibration.margin:.4g}", *left(calibrated, tested)))
    limits = {name: getattr(model.calibration, name) for name in ("margin", "distance")}
    as_shipped = ", ".join(f"{name} {limit:.4g}" for name, limit in limits.items() if limit is not None)
    rows.append(("as shipped", as_shipped, *left(model, tested)))
    measures: tuple[Measure, ...] = MEASURES if model.network.head == "rbf" else ("margin",)
    reached = [f"{fewest(model, tested, measure, targets)} by {measure}" for measure in measures]
    before, after = (
        lenet_fast.expected_calibration_error(m.predict_proba(tested.images), tested.labels) for m in (bare, model)
    )
    head = ("wanted error", "limit", "test images rejected", "errors among the others")
    return "\n".join(
        [
            "## Rejection and calibration",
            "",
            "Thresholds set on the validation images, measured on the test images:",
            "",
            table(head, rows),
            "",
            "To reach these errors with thresholds set on the test images themselves, as in Figure 10 of the paper, "
            "the share that must be rejected is "
            f"{'; '.join(reached)}.",
            "",
            f"Expected calibration error on the test images: {before:.4f} as trained, {after:.4f} at the temperature "
            f"of the validation images, {model.calibration.temperature:.3g}.",
        ]
    )


def fewest(model: lenet_fast.Model, tested: Labelled, measure: Measure, targets: Sequence[float]) -> str:
    """The smallest share of the images that leaves so few errors, as text."""
    curve = lenet_fast.rejection_curve(model, *tested, measure=measure)
    return ", ".join(
        f"{100 * curve.rejected[np.flatnonzero(curve.error <= target)[0]]:.2f} % (for {100 * target:g} %)"
        for target in targets
        if (curve.error <= target).any()
    )


def left(model: lenet_fast.Model, tested: Labelled) -> tuple[str, str]:
    """What the model rejects, and the errors among the others, as text."""
    found = model.predict(tested.images, reject=True)
    kept = found >= 0
    errors = int((found != tested.labels)[kept].sum())
    return share(int((~kept).sum()), len(kept)), share(errors, int(kept.sum()))


def rubbish(model: lenet_fast.Model, held: Labelled, tested: Labelled, kinds: Mapping[str, NDArray[np.uint8]]) -> str:
    """How many images that are no digits are rejected at thresholds that lose 2 % of the validation digits."""
    bare = model.replace(calibration=None)
    models = [bare.calibrate(*held, measure=m, target_rejection=0.02) for m in ("margin", "distance")] + [model]
    rows = [
        (name, f"{len(images):,}", *(f"{100 * (m.predict(images, reject=True) < 0).mean():.1f} %" for m in models))
        for name, images in {"MNIST's test digits (lost)": tested.images, **kinds}.items()
    ]
    head = ("images", "how many", "rejected by margin", "rejected by distance", "as shipped")
    return "\n".join(
        [
            "## Images that are no digits",
            "",
            "Thresholds that reject 2 % of the validation digits: on the difference of the two best scores, or on the "
            "distance of the nearest code. And the thresholds that the model is shipped with.",
            "",
            table(head, rows),
        ]
    )


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(list(head)), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


# ---- Writing ----


def as_text(recipe: Mapping[str, Any], *, without: str = "") -> str:
    """The numbers of a recipe in one line."""
    return ", ".join(f"{key} {value}" for key, value in recipe.items() if key != without)


def commit() -> str:
    """The commit that the recipe was run at; "-dirty" where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def write(model: lenet_fast.Model, name: str, summary: str, sections: Sequence[str], out: Path) -> None:
    """Write NAME.safetensors and NAME.md, and their checksum into checksums.txt."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.safetensors"
    model.save(path)
    facts = table(("fact", ""), model.card.items())
    page = [f"# {name}", summary, facts, f"```\n{model.summary()}\n```", f"Calibration: {model.calibration}", *sections]
    (out / f"{name}.md").write_text("\n\n".join(page) + "\n")
    record = out / CHECKSUMS
    lines = dict(line.split("  ")[::-1] for line in record.read_text().splitlines()) if record.exists() else {}
    lines[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    record.write_text("".join(f"{digest}  {file}\n" for file, digest in sorted(lines.items())))
    print("\n".join(f"{key}: {value}" for key, value in model.card.items()))
