"""Error against rejection: how many images a model must leave to somebody else for the rest to be right.

Figure 10 of the 1998 paper gives, for several classifiers of MNIST's test digits, the share that must be rejected for
0.5 % of the others to be wrong. It has no row for LeNet-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .calibration import Curve, Measure, as_distances, as_labels, checked_measure, confidence, curve
from .extras import needs
from .images import Images
from .model import Model
from .tensors import several_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # for who asks at run time what annotations stand for: Matplotlib may not be there, and takes long to import
    Axes = Figure = Any

#: Figure 10 of the paper: the share of digits, in per cent, rejected to reach the error below.
FIGURE_10 = {
    "K-NN, deslanted": 8.1,
    "LeNet-1": 3.7,
    "tangent distance": 1.9,
    "LeNet-4": 1.8,
    "SVM": 1.8,
    "LeNet-4, K-NN last": 1.6,
    "LeNet-4, local last": 1.4,
    "boosted LeNet-4": 0.5,
}
FIGURE_10_ERROR = 0.5  # per cent
_FORMATS = (".png", ".svg", ".pdf")
_MARKERS = "os^vD<>P"
_COLOURS = ("#c1272d", "#0072b2", "#009e73", "#e69f00", "#7b52ab")


def rejection_curve(model: Model, images: Images, labels: ArrayLike, *, measure: Measure = "margin") -> Curve:
    """Return what each threshold would leave: `rejected`, `error` and `threshold`, (m,) each, no rejection first.

    Images whose margin is below a threshold, or whose distance is above it, are rejected there.

    Parameters
    ----------
    model
        Any model; its own thresholds are not looked at.
    images, labels
        Images as in `Model.predict` that the model was not trained on, and their right classes, (n,) whole numbers.
    measure
        "margin", the difference of the two best scores, or "distance", that of the nearest RBF code.

    Raises
    ------
    TypeError, ValueError
        If images and labels do not fit, or the network has no such measure.

    Examples
    --------
    >>> curve = lenet_fast.rejection_curve(lenet_fast.pretrained("digits"), lenet_fast.sample_digits(), range(10))
    >>> float(curve.error[0])
    0.0
    """
    if not isinstance(model, Model):
        raise TypeError(f"model: wanted a lenet_fast.Model, found {model!r}")
    several_classes(model.network, "rejection_curve")
    head = checked_measure(measure, model.network.head)
    scores = model.scores(images)
    wanted = as_labels(labels, *scores.shape)
    points = curve(confidence(scores, head, measure), as_distances(scores, head).argmin(1) == wanted)
    return points if measure == "margin" else points._replace(threshold=-points.threshold)


def plot_rejection(
    models: Model | Mapping[str, Model],
    images: Images,
    labels: ArrayLike,
    path: str | Path | None = None,
    *,
    measure: Measure = "margin",
    figure_10: bool | None = None,
) -> Figure:
    """Draw error against rejection, and return the Matplotlib figure.

    Parameters
    ----------
    models
        A model, or several by the names that the legend gives them.
    images, labels, measure
        As in `rejection_curve`.
    path
        Where to write the figure too: .png, .svg or .pdf.
    figure_10
        Whether to mark what the 1998 paper reports for other classifiers of MNIST's digits; by default where every
        model reads grey images of ten classes.

    Raises
    ------
    ImportError
        If matplotlib is missing, with the line that installs it.
    TypeError, ValueError
        As in `rejection_curve`.
    """
    if path is not None and Path(path).suffix.lower() not in _FORMATS:
        raise ValueError(f"path: wanted a name that ends in {', '.join(_FORMATS)}, found {str(path)!r}")
    if path is not None and not Path(path).parent.is_dir():
        raise FileNotFoundError(f"path: wanted a file in a folder that exists, found {str(path)!r}")
    needs("matplotlib", "matplotlib", "drawing")
    from matplotlib.figure import Figure

    named = {"this model": models} if isinstance(models, Model) else models
    if not isinstance(named, Mapping) or not named:
        raise TypeError(f"models: wanted a lenet_fast.Model, or a dictionary of them by name, found {models!r}")
    curves = {name: rejection_curve(model, images, labels, measure=measure) for name, model in named.items()}
    if figure_10 is None:
        figure_10 = all((m.network.input[0], m.network.classes) == (1, 10) for m in named.values())
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots()
    for colour, (name, points) in zip(_COLOURS * len(curves), curves.items(), strict=False):
        axes.step(
            100 * points.rejected,
            100 * points.error,
            where="post",
            color=colour,
            linewidth=1.8,
            label=f"{_legible(name)}{'' if points.error.any() else ', no errors'}",
        )
    if figure_10:
        _mark_figure_10(axes)
    _frame(axes, list(curves.values()), figure_10)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _legible(name: object) -> str:
    """A name that the legend shows: Matplotlib leaves out what is empty or begins with "_"."""
    return f" {name}" if str(name).startswith("_") else str(name) or "(no name)"


def _mark_figure_10(axes: Axes) -> None:
    for marker, (name, rejected) in zip(_MARKERS, FIGURE_10.items(), strict=True):
        label = f"1998: {name}, {rejected:g} %"
        axes.plot(rejected, FIGURE_10_ERROR, marker, color="#555555", markersize=6, fillstyle="none", label=label)


def _frame(axes: Axes, curves: list[Curve], figure_10: bool) -> None:
    """All of a curve down to its last error; beside the figures of 1998, as far as those reach."""
    last = max(100 * points.rejected[points.error > 0].max(initial=0.01) for points in curves)
    right = 9.0 if figure_10 else last
    seen = [100 * points.error[(100 * points.rejected <= right) & (points.error > 0)] for points in curves]
    if figure_10 or not any(len(errors) for errors in seen):
        seen.append(np.array([0.1, FIGURE_10_ERROR]))
    errors = np.concatenate(seen)
    lowest, highest = errors.min(), errors.max()
    axes.set(xlim=(0, right), xlabel="images rejected, %", ylabel="errors among the others, %")
    axes.set_ylim(lowest / 1.5, highest * 1.5)  # before the scale: then a curve without an error is no matter
    axes.set_yscale("log")
    for pick in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        pick(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
    axes.grid(which="both", linewidth=0.4, alpha=0.5)
    axes.legend(frameon=False, fontsize=8)
