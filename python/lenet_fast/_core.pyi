"""The C++ core: what Python sees of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str

def activate(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]: ...
def available_isas() -> list[str]: ...
def chosen_isa() -> str: ...
def compiler() -> str: ...
def num_threads() -> int: ...
def pixel_range(images: NDArray[np.float32]) -> tuple[float, float, bool]: ...
def set_num_threads(threads: int) -> None: ...

class Network:
    def __init__(self, input: tuple[int, ...], layers: Sequence[tuple[Any, ...]], head: str) -> None: ...
    def figures(self) -> list[tuple[Any, ...]]: ...

class Plan:
    def __init__(
        self,
        network: Network,
        weights: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
        scale: Sequence[float],
        shift: Sequence[float],
        background: float,
        every_layer: bool,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def predict(self, images: object) -> NDArray[np.int64] | None: ...
    def run(
        self,
        images: NDArray[Any],
        *,
        layers: Sequence[tuple[int, NDArray[np.float32]]] = ...,
        labels: NDArray[np.int64] | None = None,
        probabilities: NDArray[np.float32] | None = None,
        rubbish: float | None = None,
    ) -> None: ...
