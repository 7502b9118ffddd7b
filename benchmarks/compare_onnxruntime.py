"""Images per second of lenet_fast and of ONNX Runtime, same weights, one thread each, in one run.

    pip install ".[bench]" && python benchmarks/compare_onnxruntime.py

Answers are compared first. Rounds are interleaved, so that a drift of the machine's speed meets both; every figure is
the median of the rounds. lenet_fast gets uint8 28x28 images and scales and centres them itself; ONNX Runtime gets its
best case, float32 images that are already scaled and 32x32, and the faster of two graphs at each batch size.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lenet_fast
import numpy as np
import onnxruntime
from onnx_graph import folded, plain

BATCHES = (1, 16, 256, 4096)
IMAGES = 8192  # different ones


def session(graph: bytes) -> Callable[[Any], Any]:
    """One thread, every optimisation, no spinning beside the one that works."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    run = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]).run
    return lambda images: run(None, {"images": images})[0]


def seconds(function: Callable[[Any], Any], images: Any, batch: int, count: int) -> float:
    """Time for `count` images in batches."""
    start = time.perf_counter()
    for i in range(0, count, batch):
        function(images[i : i + batch])
    return time.perf_counter() - start


def compare(rounds: int) -> list[dict[str, Any]]:
    """One row per batch size: images per second of each, and the ratio with its range over the rounds."""
    lenet_fast.set_num_threads(1)
    model = lenet_fast.pretrained("digits")
    digits = np.concatenate([lenet_fast.sample_digits(seed=seed) for seed in range(64)])
    noise = np.random.default_rng(0).integers(0, 64, (IMAGES, 28, 28), np.uint8)
    images = np.maximum(np.resize(digits, (IMAGES, 28, 28)), noise)
    scaled = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None].astype(np.float32) / 255 * 1.275 - 0.1
    peers = {"plain": session(plain(model)), "folded": session(folded(model))}
    wanted = model.scores(images)
    for name, peer in peers.items():
        found = np.concatenate([peer(scaled[i : i + 1024]) for i in range(0, IMAGES, 1024)])
        error = float((np.abs(found - wanted) / wanted.max(1, keepdims=True)).max())
        differ = (found.argmin(1) != wanted.argmin(1)).sum()
        print(f"answers: {name} graph differs by {error:.1e} of an image's largest score, {differ} labels differ")
        if error > 1e-4:
            raise SystemExit("the answers differ: nothing was timed")
    rows = []
    for batch in BATCHES:
        count = min(IMAGES, max(batch, 2048 if batch < 16 else IMAGES))
        contestants = {"lenet_fast": (model.predict, images), **{name: (peer, scaled) for name, peer in peers.items()}}
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for warm in range(rounds + 1):
            for name, (function, data) in contestants.items():
                taken = seconds(function, data, batch, count)
                if warm:
                    times[name].append(taken)
        best = min(peers, key=lambda name: statistics.median(times[name]))
        ratios = sorted(peer / ours for peer, ours in zip(times[best], times["lenet_fast"], strict=True))
        rows.append(
            {
                "batch": batch,
                "lenet_fast": count / statistics.median(times["lenet_fast"]),
                "onnxruntime": count / statistics.median(times[best]),
                "graph": best,
                "ratio": statistics.median(ratios),
                "lowest": ratios[0],
                "highest": ratios[-1],
            }
        )
    return rows


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    cpu = next(
        (
            line.split(": ")[1]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    facts = {
        "cpu": cpu,
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }
    return (
        facts
        | {k: str(v) for k, v in lenet_fast.info().items()}
        | {"onnxruntime": onnxruntime.__version__, "numpy": np.__version__}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="counted rounds per batch size (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    rows = compare(arguments.rounds)
    print("\nimages per second, one thread, median of the rounds")
    print(
        f"{'batch':>6}  {'lenet_fast':>12}  {'ONNX Runtime':>12}  {'ratio':>6}  range over rounds  ONNX Runtime's graph"
    )
    for row in rows:
        figures = f"{row['batch']:>6}  {row['lenet_fast']:>12,.0f}  {row['onnxruntime']:>12,.0f}  {row['ratio']:>5.2f}x"
        print(f"{figures}  {row['lowest']:.2f} to {row['highest']:.2f}       {row['graph']}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
