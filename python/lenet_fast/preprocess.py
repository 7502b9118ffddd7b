"""Preprocess: what a model does to pixels before its first layer, as data, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import shown
from .finite import TINY, finite, fit_float32, number


@dataclass(frozen=True)
class Preprocess:
    """What a model does to pixels before its first layer: x = pixel * scale + shift, per channel.

    Floating-point pixels are taken as they are; a uint8 value v stands for the pixel v / 255 * white.

    Parameters
    ----------
    scale, shift
        One value per channel, or one for all.
    background
        Pixel value around an image that is smaller than the network's input, in the units of floating-point pixels.
    white
        The pixel value of full brightness: 1 where floating-point pixels count from 0 to 1, 255 where they count from 0
        to 255, None where that is not known. Then uint8 images are refused.
    per_image
        Whether every image is first brought to mean 0 and standard deviation 1, over all its values ("z-score"); an
        image of one value becomes 0.

    Examples
    --------
    >>> lenet_fast.Preprocess(scale=1.275, shift=-0.1)  # the paper's grey levels: background -0.1, ink 1.175
    Preprocess(scale=(1.275,), shift=(-0.1,), background=0.0, white=1.0, per_image=False)
    >>> lenet_fast.Preprocess.named("lecun") == _
    True
    """

    scale: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)
    background: float = 0.0
    white: float | None = 1.0
    per_image: bool = False

    def __post_init__(self) -> None:
        for name in ("scale", "shift"):
            values = _row(name, getattr(self, name))
            if not values or not fit_float32(*values):
                raise ValueError(f"{name}: wanted finite float32 numbers, found {getattr(self, name)}")
            object.__setattr__(self, name, values)
        object.__setattr__(self, "background", finite("background", self.background))
        if self.white is not None:
            object.__setattr__(self, "white", number("white", self.white))
            if not fit_float32(self.white) or self.white < TINY:
                raise ValueError(
                    f"white: wanted a positive float32 number, {TINY:.3g} at least, or None where it is not known, found {self.white}"
                )
        self._check_range()

    def _check_range(self) -> None:
        """Whether what becomes of white and background is finite."""
        brightest = max(self.white or 0.0, abs(self.background))
        scale, shift = (max(map(abs, values)) for values in (self.scale, self.shift))
        if not fit_float32(scale * brightest, scale * brightest + shift):
            raise ValueError(
                f"scale: wanted pixels that stay finite float32 numbers, found {scale:g} for pixels up to {brightest:g} and shift {shift:g}"
            )

    @classmethod
    def named(cls, name: str) -> Preprocess:
        """Return a scaling by the name that trainers' habits have; ValueError if there is none of this name.

        "unit" 0..1, "mnist" (x - 0.1307) / 0.3081, "symmetric" -1..1, "lecun" -0.1..1.175 (the 1998 paper), "raw"
        0..255, "zscore" (each image to mean 0 and standard deviation 1), "as-is" (floats as they are, uint8 refused).
        """
        if name not in _SCALINGS:
            raise ValueError(
                f"preprocess: wanted one of {', '.join(_SCALINGS)} or a lenet_fast.Preprocess, found {shown(name)}"
            )
        return cls(**_SCALINGS[name])

    @classmethod
    def from_mean_std(cls, mean: ArrayLike, std: ArrayLike, *, background: float = 0.0) -> Preprocess:
        """Return the scaling (x - mean) / std of pixels 0..1, per channel or for all, as Normalize of torchvision."""
        mean, std = np.atleast_1d(np.asarray(mean, np.float64)), np.atleast_1d(np.asarray(std, np.float64))
        if not (std > 0).all():
            raise ValueError(f"std: wanted positive numbers, found {std.tolist()}")
        return cls(tuple(1 / std), tuple(-mean / std), background)

    def per_channel(self, channels: int) -> tuple[list[float], list[float]]:
        """Scale and shift for each channel; ValueError if they were given for another number of channels."""
        result = []
        for name, values in (("scale", self.scale), ("shift", self.shift)):
            if len(values) not in (1, channels):
                raise ValueError(f"{name}: wanted 1 value or one per channel ({channels}), found {len(values)}")
            result.append(list(values) * (channels if len(values) == 1 else 1))
        return result[0], result[1]


def scaling(wish: str | Preprocess | None) -> Preprocess | None:
    """The scaling that a name of `Preprocess.named` stands for; None where nobody said one."""
    if wish is None or isinstance(wish, Preprocess):
        return wish
    if isinstance(wish, str):
        return Preprocess.named(wish)
    raise TypeError(f"preprocess: wanted a name or a lenet_fast.Preprocess, found {shown(wish)}")


_SCALINGS: dict[str, dict[str, Any]] = {
    "unit": {},
    "mnist": {"scale": (1 / 0.3081,), "shift": (-0.1307 / 0.3081,)},
    "symmetric": {"scale": (2.0,), "shift": (-1.0,)},
    "lecun": {"scale": (1.275,), "shift": (-0.1,)},
    "raw": {"white": 255.0},
    "zscore": {"per_image": True},
    "as-is": {"white": None},
}


def _row(name: str, values: Any) -> tuple[float, ...]:
    """A number or several as plain ones; TypeError for what is none."""
    several = isinstance(values, (tuple, list)) or (isinstance(values, np.ndarray) and values.ndim > 0)
    return tuple(number(name, value) for value in (values if several else [values]))
