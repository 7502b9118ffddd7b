"""The scaling of the pixels: what the user names, what a graph has in it, and that nothing is scaled twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import refuse
from ..images import Preprocess

_SMALL = 20.0  # what pixels that were scaled in training do not exceed


def one_scaling(wish: Preprocess | None, own: Preprocess) -> Preprocess:
    """The scaling that the user names, then the file's own; refused if the file's own already takes raw pixels."""
    if wish is None or wish == own:
        return own
    if own.white is not None:
        way_out = "leave preprocess out, the file says everything"
        refuse("preprocess", "one scaling of the pixels", f"one in the file too ({own})", way_out)
    channels = max(map(len, (wish.scale, wish.shift, own.scale, own.shift)))
    scale, shift = (np.broadcast_to(v, channels) for v in (wish.scale, wish.shift))
    behind, added = (np.broadcast_to(v, channels) for v in (own.scale, own.shift))
    return replace(wish, scale=tuple(scale * behind), shift=tuple(shift * behind + added))


def refuse_faint(wish: Preprocess | None) -> None:
    """Refuse a scaling to small pixels in front of kernels that have one in them, as far as one can see."""
    if wish is None or wish.white is None:
        return
    brightest = wish.white * max(map(abs, wish.scale))
    if brightest > _SMALL and not wish.per_image:
        return
    wanted = (
        "a scaling of pixels that the first kernels can see, which are so small that one of 1/255 seems to be in them"
    )
    found = f"one that makes at most {brightest:g} of them" if not wish.per_image else "one to deviation 1"
    way_out = "pass preprocess='raw' if the trainer's model rescaled pixels itself; else load it without preprocess and use model.replace(preprocess=...)"  # noqa: E501
    refuse("preprocess", wanted, found, way_out)
