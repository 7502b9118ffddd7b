"""Train the bundled models for CIFAR-10: LeNet-5 with 62,006 parameters, tanh and average pooling or relu and max.

    pip install ".[training]"
    python training/cifar10.py tanh --out python/lenet_fast/pretrained     # cifar10
    python training/cifar10.py relu --out python/lenet_fast/pretrained     # cifar10-relu

Pictures are mirrored and shifted at random; AdamW, one learning-rate cycle, batch normalisation and averaged weights as
in the recipe for digits. So small a network never learns its training pictures by heart: nothing is done to hold it
back, but a larger network, trained first on the same pictures, tells it how likely it finds each class (teacher.py).
The last 5,000 training pictures, in a fixed random order, are kept aside to calibrate; the test pictures
are looked at once, at the end. A killed run goes on from its last whole pass.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import card
import cifar
import lenet_fast
import loop
import numpy as np
import torch
from card import Labelled
from distortions import flip_and_shift
from lenet5_62006 import Activation, LeNet5
from loop import Recipe, Task, train
from numpy.typing import NDArray
from teacher import Teacher, answering, taught
from torch import Tensor, nn
from torch.nn import functional

VALIDATION = 5_000
TARGET_ERROR = 0.1  # of the threshold that the models are shipped with
NAMES: dict[Activation, str] = {"tanh": "cifar10", "relu": "cifar10-relu"}
NETWORKS = {"tanh": "tanh, average pooling, softmax", "relu": "relu, max pooling"}
FLATTEN = """## Order of the flattened maps

The 400 inputs of the first full connection are in the order channel, height, width (PyTorch's, and this project's).
Keras flattens height, width, channel: to put these weights into a Keras model, use
`weights["F5.weight"].reshape(120, 16, 5, 5).transpose(2, 3, 1, 0).reshape(400, 120)` as the kernel of its first `Dense`
layer. Keras files of your own are read in Keras's order by `lenet_fast.load`, which asks where it cannot tell."""
WEAKNESSES = """## Known weaknesses

It knows ten kinds of pictures of 32x32 pixels, and takes every picture for one of them. Cats, dogs, birds and deer are
mistaken for each other often. Larger photographs must be cut out and scaled first. This is a network of 62,006
parameters from the last century: for pictures that matter, use a larger one."""


@dataclass(frozen=True)
class PicturesRecipe(Recipe):
    """The numbers of this recipe."""

    seed: int = 1
    passes: int = 150
    peak_rate: float = 5e-3
    shift: int = 4  # pixels, at most


@dataclass(frozen=True)
class TaughtRecipe(PicturesRecipe):
    """And of what the teacher adds; `lessons` are its own passes."""

    lessons: int = 30
    hints: float = 0.9  # share of the criterion
    temperature: float = 3.0


def prepared(directory: Path | None) -> tuple[Labelled, Labelled, str]:
    """Pictures to train on and those kept aside, (n, 32, 32, 3) uint8 in a fixed random order; what they are."""
    pictures = cifar.load("train", directory)
    order = np.random.default_rng(0).permutation(len(pictures.labels))
    images, labels = pictures.images[order], pictures.labels[order]
    known, held = (Labelled(images[s], labels[s]) for s in (slice(-VALIDATION), slice(-VALIDATION, None)))
    return known, held, pictures.source


def scaling(images: NDArray[np.uint8]) -> lenet_fast.Preprocess:
    """Mean 0 and deviation 1 per channel."""
    unit = images.reshape(-1, 3) / 255
    return lenet_fast.Preprocess.from_mean_std(unit.mean(0).round(4).tolist(), unit.std(0).round(4).tolist())


def as_input(images: NDArray[np.uint8], preprocess: lenet_fast.Preprocess) -> Tensor:
    """(n, 32, 32, 3) uint8 -> (n, 3, 32, 32) float32, scaled."""
    scale, shift = (torch.tensor(v)[:, None, None] for v in preprocess.per_channel(3))
    unit = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
    return unit * scale + shift


def teacher_task(recipe: PicturesRecipe, known: Labelled, held: Labelled) -> Task:
    """The teacher, and what it is trained on."""
    torch.manual_seed(recipe.seed)
    return _task(
        Teacher(3, 10), recipe, known, held, lambda logits, labels, _: functional.cross_entropy(logits, labels)
    )


def task(activation: Activation, recipe: TaughtRecipe, teacher: Teacher, known: Labelled, held: Labelled) -> Task:
    """The network of this seed, and what it is trained on."""
    torch.manual_seed(recipe.seed)

    answer = answering(teacher)

    def criterion(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        return taught(logits, labels, answer(images), share=recipe.hints, temperature=recipe.temperature)

    return _task(LeNet5(activation), recipe, known, held, criterion)


def _task(
    network: nn.Module, recipe: PicturesRecipe, known: Labelled, held: Labelled, criterion: loop.Criterion
) -> Task:
    preprocess = scaling(known.images)
    return Task(
        network=network,
        images=as_input(known.images, preprocess),
        labels=torch.from_numpy(known.labels.astype(np.int64)),
        held_images=as_input(held.images, preprocess),
        held_labels=torch.from_numpy(held.labels.astype(np.int64)),
        distorted=partial(flip_and_shift, shift=recipe.shift),
        criterion=criterion,
        answers=lambda logits: logits.argmax(1),
    )


def to_engine(
    network: nn.Module, activation: Activation, preprocess: lenet_fast.Preprocess, held: Labelled
) -> lenet_fast.Model:
    """Bring a trained network into the engine through the importer, and compare the two."""
    head: list[nn.Module] = [nn.Softmax(1)] if activation == "tanh" else []
    model = lenet_fast.from_torch(
        nn.Sequential(network, *head), example=torch.zeros(1, 3, 32, 32), preprocess=preprocess
    )
    card.check_agreement(network, model, held.images, as_input(held.images, preprocess))
    return model.replace(classes=cifar.CLASSES)


def release(
    model: lenet_fast.Model, activation: Activation, recipe: PicturesRecipe, data: Path | None, out: Path
) -> None:
    """Calibrate, look at the test pictures once, and write model and card."""
    _, held, source = prepared(data)
    test = Labelled(*cifar.load("test", data)[:2])
    facts = {
        "network": f"LeNet-5 with 62,006 parameters for 3x32x32: {NETWORKS[activation]}",
        "data": f"{source}: 45,000 training pictures, 5,000 more to calibrate, 10,000 to test",
        "data licence": "CIFAR-10 is by Alex Krizhevsky (Learning Multiple Layers of Features from Tiny Images, 2009); "
        "no licence is stated, its authors ask to be cited",
        "recipe": card.as_text(asdict(recipe)),
        "teacher": f"a larger network, trained on the same pictures for {recipe.lessons} passes, whose probabilities "
        f"at temperature {recipe.temperature:g} are {100 * recipe.hints:.0f} % of the criterion",
        "validation accuracy": card.accuracy(model, held),
        "test accuracy": card.accuracy(model, test),
        "commit": card.commit(),
    }
    finished = card.calibrated(model, held, TARGET_ERROR).replace(card=facts)
    sections = [
        card.per_class(finished, test),
        card.rejection(finished, held, test, targets=(0.2, 0.1, 0.05)),
        FLATTEN,
        WEAKNESSES,
    ]
    card.write(finished, NAMES[activation], "Colour pictures, 32x32, of ten kinds of things.", sections, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("activation", choices=list(NAMES), help="tanh (average pooling) or relu (max pooling)")
    parser.add_argument("--data", type=Path, help="folder with CIFAR-10 (default: LENET_FAST_DATA, or a download)")
    parser.add_argument("--work", type=Path, default=Path("training/runs"), help="folder for checkpoints and logs")
    parser.add_argument("--out", type=Path, required=True, help="folder for model, card and checksum")
    parser.add_argument("--passes", type=int, default=TaughtRecipe.passes, help="default: %(default)s")
    parser.add_argument("--lessons", type=int, default=TaughtRecipe.lessons, help="passes of the teacher (%(default)s)")
    parser.add_argument("--seed", type=int, default=TaughtRecipe.seed, help="default: %(default)s")
    arguments = parser.parse_args()

    recipe = TaughtRecipe(seed=arguments.seed, passes=arguments.passes, lessons=arguments.lessons)
    name = NAMES[arguments.activation]
    known, held, _ = prepared(arguments.data)
    lessons = PicturesRecipe(passes=recipe.lessons)
    teacher = train(teacher_task(lessons, known, held), lessons, arguments.work / "teacher", title="teacher")
    network = train(task(arguments.activation, recipe, teacher, known, held), recipe, arguments.work / name, title=name)
    model = to_engine(network, arguments.activation, scaling(known.images), held)
    release(model, arguments.activation, recipe, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
