"""LeNet-5 and its family on a CPU: fast, exact and careful.

>>> import lenet_fast
>>> lenet_fast.predict(lenet_fast.sample_digits([3, 1, 4]))
array([3, 1, 4])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import lenet_fast  # so that annotations can name what is imported later

from ._core import __version__
from .errors import OverBudgetError, WeightsError
from .network import RBF, Conv5x5, Dense, Network, Subsample2x2
from .networks import networks
from .pretrained import pretrained

if TYPE_CHECKING:
    from . import images as images
    from . import kernels
    from .budget import Budget
    from .calibration import Calibration, expected_calibration_error
    from .codes import rbf_codes
    from .digits import prepare_digits, sample_digits
    from .images import Preprocess
    from .machine import info, set_num_threads
    from .model import Model
    from .rejection import plot_rejection, rejection_curve
    from .weights.live import from_keras, from_onnx, from_state_dict, from_torch
    from .weights.loading import load

__all__ = [
    "RBF",
    "Budget",
    "Calibration",
    "Conv5x5",
    "Dense",
    "Model",
    "Network",
    "OverBudgetError",
    "Preprocess",
    "Subsample2x2",
    "WeightsError",
    "__version__",
    "expected_calibration_error",
    "from_keras",
    "from_onnx",
    "from_state_dict",
    "from_torch",
    "info",
    "kernels",
    "load",
    "networks",
    "plot_rejection",
    "predict",
    "prepare_digits",
    "pretrained",
    "rbf_codes",
    "rejection_curve",
    "sample_digits",
    "set_num_threads",
]

#: Where the names lie that are imported when they are first used: an import costs little more than NumPy's.
_LATER = {
    "Budget": "budget",
    "Calibration": "calibration",
    "Model": "model",
    "Preprocess": "images",
    "expected_calibration_error": "calibration",
    "from_keras": "weights.live",
    "from_onnx": "weights.live",
    "from_state_dict": "weights.live",
    "from_torch": "weights.live",
    "images": "",
    "info": "machine",
    "kernels": "",
    "load": "weights.loading",
    "plot_rejection": "rejection",
    "prepare_digits": "digits",
    "rbf_codes": "codes",
    "rejection_curve": "rejection",
    "sample_digits": "digits",
    "set_num_threads": "machine",
}

if not TYPE_CHECKING:  # to a type checker a module with `__getattr__` has every name

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if not _LATER[name]:
            return import_module(f"{__name__}.{name}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return value


def __dir__() -> list[str]:
    """What is public, and Python's own names."""
    return [*__all__, *(name for name in globals() if name.startswith("__") and name not in __all__)]


def predict(images: lenet_fast.images.Images, *, reject: bool = False, check_finite: bool = True) -> NDArray[np.int64]:
    """Return the digit in each image, (n,) int64, as the bundled `digits` model reads it.

    Parameters
    ----------
    images
        White digits on black as in MNIST: (n, 28, 28), (n, 32, 32), (n, 1, h, w), (n, h, w, 1) or one image without n;
        uint8 0..255 or floating point 0..1; NumPy, DLPack or PIL. `prepare_digits` brings other digits to this form.
    reject
        Whether what the model is not sure of, or what looks like no digit, gets -1.
    check_finite
        False allows NaN and infinity in the pixels.

    Raises
    ------
    TypeError, ValueError
        If the images are something else.

    Examples
    --------
    >>> lenet_fast.predict(lenet_fast.sample_digits(range(10)))
    array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    return pretrained("digits").predict(images, reject=reject, check_finite=check_finite)
