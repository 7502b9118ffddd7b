"""Train the 62,006-parameter LeNet-5 (tanh, average pooling, softmax) on CIFAR-10 with Keras instead of PyTorch.

    pip install ".[training]" keras
    KERAS_BACKEND=torch python training/cifar10_keras.py --out models     # or any other backend of Keras

The same network, pictures and schedule as `cifar10.py tanh`, with what Keras brings: its own progress bar, log.csv and
backup (a killed run goes on from its last whole pass). The trained model is saved as cifar10-keras.keras, read back by
`lenet_fast.load`, which flattens maps in Keras's order, and compared with what Keras computes; its card is written like
those of the bundled models.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import card
import cifar
import keras
import lenet_fast
import numpy as np
from card import Labelled
from cifar10 import FLATTEN, NETWORKS, TARGET_ERROR, WEAKNESSES, PicturesRecipe, prepared, scaling
from keras import layers
from loop import draw_curve
from numpy.typing import NDArray

NAME = "cifar10-keras"


def network(preprocess: lenet_fast.Preprocess) -> keras.Model:
    """(n, 32, 32, 3) pixels from 0 to 1 -> (n, 10) probabilities; the model scales its pixels itself."""
    scale, shift = preprocess.per_channel(3)
    pixels = keras.Input((32, 32, 3))
    mean, variance = [-b / a for a, b in zip(scale, shift, strict=True)], [1 / a**2 for a in scale]
    x = layers.Normalization(mean=mean, variance=variance)(pixels)
    for maps in (6, 16):
        x = layers.Conv2D(maps, 5, use_bias=False)(x)
        x = layers.Activation("tanh")(layers.BatchNormalization()(x))
        x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    for units in (120, 84):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.Activation("tanh")(layers.BatchNormalization()(x))
    return keras.Model(pixels, layers.Dense(10, activation="softmax")(x))


class Distorted(keras.utils.PyDataset):
    """Batches of pictures, mirrored and shifted at random: the same ones in the same pass of every run."""

    def __init__(self, known: Labelled, recipe: PicturesRecipe) -> None:
        super().__init__()
        self.known, self.recipe = known, recipe
        self.start(0)

    def start(self, number: int) -> None:
        """Begin this pass."""
        self.random = np.random.default_rng((self.recipe.seed, number))
        self.order = self.random.permutation(len(self.known.labels))

    def __len__(self) -> int:
        return len(self.known.labels) // self.recipe.batch

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        chosen = self.order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
        images, shift = self.known.images[chosen], self.recipe.shift
        padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
        rows, columns = self.random.integers(0, 2 * shift + 1, (2, len(images), 1)) + np.arange(32)
        columns = np.where(self.random.random((len(images), 1)) < 0.5, columns[:, ::-1], columns)
        moved = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
        return (moved / np.float32(255)).astype(np.float32), self.known.labels[chosen].astype(np.int64)


def train(recipe: PicturesRecipe, known: Labelled, held: Labelled, work: Path) -> keras.Model:
    """Train from the last backup in `work`, or from the start; log.csv, log.jsonl and curve.png stay there."""
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    batches = Distorted(known, recipe)
    steps = len(batches) * recipe.passes
    rising = int(steps * recipe.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - rising, 1), warmup_target=recipe.peak_rate, warmup_steps=rising
    )
    model = network(scaling(known.images))
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    _same_recipe(work / "recipe.json", recipe)
    log = keras.callbacks.CSVLogger(str(work / "log.csv"), append=True)
    try:
        _fit(model, batches, recipe, held, work, log)
    finally:
        if log.csv_file:  # Keras leaves it open when it is interrupted
            log.csv_file.close()
    _as_jsonl(work)
    draw_curve(work)
    return model


def _fit(
    model: keras.Model,
    batches: Distorted,
    recipe: PicturesRecipe,
    held: Labelled,
    work: Path,
    log: keras.callbacks.Callback,
) -> None:
    model.fit(
        batches,
        epochs=recipe.passes,
        validation_data=(held.images / np.float32(255), held.labels.astype(np.int64)),
        callbacks=[
            keras.callbacks.BackupAndRestore(work / "backup", delete_checkpoint=False),
            log,
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda number, logs: batches.start(number)),
        ],
        shuffle=False,
    )


def _same_recipe(path: Path, recipe: PicturesRecipe) -> None:
    if path.exists() and json.loads(path.read_text()) != asdict(recipe):
        raise SystemExit(f"{path}: made by another recipe; remove its folder or choose another --work folder")
    path.write_text(json.dumps(asdict(recipe)))


def _as_jsonl(work: Path) -> None:
    """Keras's log in the form of the other recipes; Keras averages no weights here."""
    with (work / "log.csv").open(newline="") as log:
        lines = [
            {
                "pass": int(row["epoch"]) + 1,
                "loss": float(row["loss"]),
                "validation": float(row["val_accuracy"]),
                "averaged": float(row["val_accuracy"]),
            }
            for row in csv.DictReader(log)
        ]
    (work / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def to_engine(model: keras.Model, held: Labelled, path: Path) -> lenet_fast.Model:
    """Save with Keras, read the file back with the importer, and compare the two; SystemExit if they disagree.

    Where scores are off by a share of the largest one, probabilities are off by that share times the largest score.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    loaded = lenet_fast.load(path, preprocess="unit")
    wanted = model.predict(held.images / np.float32(255), batch_size=500, verbose=0)
    found = loaded.predict_proba(held.images)
    difference = float(np.abs(found - wanted).max() / max(1, np.abs(loaded.scores(held.images)).max()))
    if not difference <= 1e-5:
        raise SystemExit(f"Keras and lenet_fast disagree by {difference:.1e} of the largest score")
    return loaded.replace(classes=cifar.CLASSES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with CIFAR-10 (default: LENET_FAST_DATA, or a download)")
    parser.add_argument("--work", type=Path, default=Path("training/runs") / NAME, help="folder for backup and log")
    parser.add_argument("--out", type=Path, required=True, help="folder for both models, card and checksum")
    parser.add_argument("--passes", type=int, default=PicturesRecipe.passes, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=PicturesRecipe.seed, help="default: %(default)s")
    arguments = parser.parse_args()

    recipe = PicturesRecipe(seed=arguments.seed, passes=arguments.passes)
    known, held, source = prepared(arguments.data)
    trained = train(recipe, known, held, arguments.work)
    model = to_engine(trained, held, arguments.out / f"{NAME}.keras")
    test = Labelled(*cifar.load("test", arguments.data)[:2])
    facts: dict[str, Any] = {
        "network": f"LeNet-5 with 62,006 parameters for 3x32x32: {NETWORKS['tanh']}",
        "data": f"{source}: 45,000 training pictures, 5,000 more to calibrate, 10,000 to test",
        "recipe": f"Keras {keras.__version__} on {keras.backend.backend()}, {card.as_text(asdict(recipe))}",
        "validation accuracy": card.accuracy(model, held),
        "test accuracy": card.accuracy(model, test),
        "commit": card.commit(),
    }
    finished = card.calibrated(model, held, TARGET_ERROR).replace(card=facts)
    sections = [
        card.per_class(finished, test),
        card.rejection(finished, held, test, (0.2, 0.1, 0.05)),
        FLATTEN,
        WEAKNESSES,
    ]
    card.write(finished, NAME, "Colour pictures, 32x32, of ten kinds of things.", sections, arguments.out)


if __name__ == "__main__":
    main()
