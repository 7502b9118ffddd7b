"""Images that are no digits: to train the rubbish class with, and, of other kinds, to see how many are rejected.

The paper lists "rubbish" images among what a recogniser meets (section III-C). What is reported was not trained with:
other typefaces, textures and random numbers. Blank images are the exception, since there are but 256 of them.
"""

from __future__ import annotations

from pathlib import Path

import lenet_fast
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

#: Latin letters that no hand-written digit looks like.
LETTERS = "ACEFHJKLMNPQRTUVWXYacdefhjkmnprtuvwxy"
TRAINING_FACES = (
    *("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSansDisplay"),
    *("DejaVuSansMono", "DejaVuSansMono-Oblique", "DejaVuSansMono-Bold"),
    *("DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold", "DejaVuSerifDisplay"),
)
REPORTED_FACES = ("STIXGeneral", "STIXGeneralItalic", "cmr10", "cmtt10", "cmss10")

Images = NDArray[np.uint8]


def letters(faces: tuple[str, ...]) -> Images:
    """Every letter in every face, prepared like a digit; (n, 28, 28) uint8. The typefaces come with Matplotlib."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    drawn = []
    for face in faces:
        font = ImageFont.truetype(folder / f"{face}.ttf", 64)
        for letter in LETTERS:
            canvas = Image.new("L", (128, 128))
            ImageDraw.Draw(canvas).text((32, 24), letter, fill=255, font=font)
            drawn.append(np.asarray(canvas))
    return lenet_fast.prepare_digits(np.stack(drawn), ink="light")


def blank() -> Images:
    """Every grey, evenly."""
    return np.repeat(np.arange(256, dtype=np.uint8), 28 * 28).reshape(256, 28, 28)


def noise(images: int, random: np.random.Generator) -> dict[str, Images]:
    """Independent pixels: uniform or normal greys, a share of them white on black, salt and pepper on grey."""
    shape = (images, 28, 28)
    shares = {"a tenth": 0.1, "half": 0.5, "seven tenths": 0.7}
    chance = random.random(shape)
    kinds = {
        "uniform noise, 0 to 255": random.integers(0, 256, shape, np.uint8),
        "normal noise, mean 128, deviation 64": np.clip(np.rint(random.normal(128, 64, shape)), 0, 255),
        **{f"noise, {name} white": np.where(chance < share, 255, 0) for name, share in shares.items()},
        "grey with a tenth salt, a tenth pepper": np.select([chance < 0.1, chance > 0.9], [255, 0], 128),
    }
    return {name: pixels.astype(np.uint8) for name, pixels in kinds.items()}


def smooth_noise(images: int, random: np.random.Generator) -> Images:
    """Clouds of random coarseness, contrast and mean; (images, 28, 28) uint8."""
    made = []
    for _ in range(images):
        points = int(random.integers(2, 15))
        cloud = Image.fromarray(random.random((points, points)).astype(np.float32)).resize((28, 28), Image.BICUBIC)
        low, high = np.sort(random.uniform(-100, 355, 2))
        made.append(np.clip(low + (high - low) * np.asarray(cloud), 0, 255))
    return np.stack(made).astype(np.uint8)


def strokes(images: int, random: np.random.Generator) -> Images:
    """A few random lines and arcs, white on black; (images, 28, 28) uint8."""
    made = []
    for _ in range(images):
        canvas = Image.new("L", (112, 112))
        draw = ImageDraw.Draw(canvas)
        for _ in range(int(random.integers(3, 8))):  # fewer may be a 1, a 4 or a 7
            (a, b), (c, d) = np.sort(random.uniform(8, 104, (2, 2)), axis=1)
            width = int(random.integers(6, 16))
            if random.random() < 0.6:
                ends = [a, c, b, d] if random.random() < 0.5 else [a, d, b, c]
                draw.line(ends, fill=255, width=width)
            else:
                draw.arc([a, c, max(b, a + 8), max(d, c + 8)], *random.uniform(0, 360, 2), fill=255, width=width)
        made.append(np.asarray(canvas.resize((28, 28), Image.BOX)))
    return np.stack(made)


def scraps(digits: Images, images: int, random: np.random.Generator) -> Images:
    """The left half of one digit beside the right half of another, moved apart or together; (images, 28, 28) uint8."""
    left, right = digits[random.integers(0, len(digits), (2, images))]
    made = np.zeros_like(left)
    for i, move in enumerate(random.integers(4, 9, images)):
        made[i, :, : 14 - move] = left[i, :, move:14]
        made[i, :, 14 + move :] = right[i, :, 14 : 28 - move]
    return made


def sheets(images: int, random: np.random.Generator) -> Images:
    """Scans of light paper, 120x120, on which nothing is written, as `prepare_digits` makes them."""
    grain = random.normal(245, 4, (images, 120, 120))
    return lenet_fast.prepare_digits(np.clip(np.rint(grain), 0, 255).astype(np.uint8))


def for_training(digits: Images, seed: int) -> Images:
    """Some 4,000 images of every kind but those that are reported."""
    random = np.random.default_rng(seed)
    flat = np.repeat(random.integers(0, 256, 200, np.uint8), 28 * 28).reshape(-1, 28, 28)
    dots = [np.where(random.random((100, 28, 28)) < share, 255, 0) for share in (0.02, 0.05, 0.2, 0.35, 0.8)]
    kinds = [letters(TRAINING_FACES), smooth_noise(1500, random), strokes(1000, random), flat]
    return np.concatenate([*kinds, *np.array(dots, np.uint8), scraps(digits, 500, random)])


def for_reporting(pictures: NDArray[np.uint8]) -> dict[str, Images]:
    """What the card reports; `pictures` are (n, 32, 32, 3) uint8 photographs, taken in grey, their middle 28x28."""
    grey = np.rint(pictures[:, 2:30, 2:30] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return {
        **noise(20_000, np.random.default_rng(28)),
        "blank, every grey": blank(),
        "printed letters that resemble no digit": letters(REPORTED_FACES),
        "photographs in grey": grey,
        "empty sheets with grain, prepared": sheets(200, np.random.default_rng(29)),
    }
