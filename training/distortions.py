"""What the recipes do to a batch of images, another way each time: no image is seen twice in training."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_GRID = 7  # points across the image of which each is displaced on its own


def affine_and_elastic(
    images: Tensor,
    random: torch.Generator,
    *,
    background: float,
    rotation: float,
    scaling: float,
    shear: float,
    shift: float,
    elastic: float,
) -> Tensor:
    """Each image under a map of its own; (n, 1, h, w) -> the same shape, background where nothing lies.

    Rotation (degrees), scaling per axis (of its logarithm), horizontal shear and shift (pixels) are uniform in +- these
    limits, as in the paper's own distorted set (section III-A). Then a smooth field moves every pixel: normal with a
    deviation of `elastic` pixels at each of 7x7 points, bicubic between them.
    """

    def between(limit: float, *shape: int) -> Tensor:
        return (torch.rand(len(images), *shape, generator=random) * 2 - 1) * limit

    side = images.shape[-1]
    angle, slant = between(math.radians(rotation)), between(shear)
    scale, move = torch.exp(between(scaling, 2)), between(shift * 2 / side, 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotated = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    sheared = torch.eye(2).repeat(len(images), 1, 1)
    sheared[:, 0, 1] = slant
    matrix = torch.cat([rotated @ sheared * scale[:, None, :], move[:, :, None]], 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    field = torch.randn(len(images), 2, _GRID, _GRID, generator=random) * (elastic * 2 / side)
    grid = grid + functional.interpolate(field, side, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return functional.grid_sample(images - background, grid, align_corners=False) + background


def noisy(
    images: Tensor, random: torch.Generator, *, share: float, deviation: float, lowest: float, highest: float
) -> Tensor:
    """The images, a share of them with normal noise on every pixel, of deviations up to this one, and clipped."""
    n = len(images)
    chosen = (torch.rand(n, generator=random) < share).nonzero()[:, 0]
    strength = deviation * torch.rand(len(chosen), 1, 1, 1, generator=random)
    noise = strength * torch.randn(len(chosen), *images.shape[1:], generator=random)
    return images.index_put((chosen,), (images[chosen] + noise).clamp(lowest, highest))


def flip_and_shift(images: Tensor, random: torch.Generator, *, shift: int) -> Tensor:
    """Each image mirrored or not, and moved by up to `shift` pixels; (n, c, h, w) -> the same shape.

    What comes in at the edge is the image's own, reflected.
    """
    n, channels, height, width = images.shape
    padded = functional.pad(images, (shift,) * 4, mode="reflect")
    moves = torch.randint(0, 2 * shift + 1, (n, 2), generator=random)
    rows, columns = moves[:, :1] + torch.arange(height), moves[:, 1:] + torch.arange(width)
    mirrored = torch.rand(n, 1, generator=random) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    image, channel = torch.arange(n)[:, None, None, None], torch.arange(channels)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
