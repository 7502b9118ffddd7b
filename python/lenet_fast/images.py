"""Images of any kind -> one batch (n, channels, height, width) of uint8 or float32 that the core reads in place.

Nothing is copied unless it must be: uint8 and float32 arrays of any strides are passed on as views; other floats are
converted to float32. Scaling happens later, inside the kernels' first pass.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import DefaultArithmetic, pixel_range
from .batch import Batch, Pixels, pieces
from .errors import warn
from .preprocess import Preprocess as Preprocess


class SupportsArrayInterface(Protocol):
    """What speaks NumPy's array interface: PIL images, which are not imported to say so, and others."""

    @property
    def __array_interface__(self) -> Mapping[str, Any]: ...


class SupportsDLPack(Protocol):
    """What speaks DLPack: the tensors of most frameworks."""

    def __dlpack__(self, *args: Any, **options: Any) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


#: What is read as one image, or as several in one array.
Image: TypeAlias = ArrayLike | SupportsArrayInterface | SupportsDLPack
#: What everything that takes images takes.
Images: TypeAlias = Image | Sequence[Image]

#: An image this much smaller than the network's input in both directions is centred on background: 28x28 in 32x32.
MARGIN = 4
_PREPARED = " (lenet_fast.prepare_digits does it for digits)"


def as_batch(
    images: Images, size: tuple[int, int, int], preprocess: Preprocess | None = None, *, check_finite: bool = True
) -> Pixels:
    """Return `images` as a (n, channels, height, width) view of uint8 or float32.

    Parameters
    ----------
    images
        Anything with the array interface or DLPack, a PIL image, or a sequence of them: (n, h, w), (n, c, h, w),
        (n, h, w, c) or one image without n, where h x w is the network's input or 4 pixels less in both directions.
    size
        The network's input (channels, height, width).
    preprocess
        What the pixels stand for; 0..1 by default.
    check_finite
        Whether NaN and infinity are refused.

    Raises
    ------
    TypeError
        If the pixels are neither uint8 nor floating point, or not readable as an array, or uint8 and `preprocess` does
        not know what that stands for.
    ValueError
        If the shape does not fit, or a pixel is NaN or infinite.
    """
    return batch_of(images, size, preprocess or Preprocess(), check_finite=check_finite).whole()


def batch_of(images: Images, size: tuple[int, int, int], preprocess: Preprocess, *, check_finite: bool) -> Batch:
    """The same, converted piece by piece as it is read."""
    batch = Batch(_in_order(_checked_dtype(as_array(images, size[0])), size))
    if batch.images.dtype == np.uint8 and preprocess.white is None:
        raise TypeError(
            "images: wanted floating point, scaled as in training, found uint8; the file does not say how its trainer scaled pixels, so load it with preprocess='unit', 'mnist', 'symmetric', 'lecun', 'raw', 'zscore' or a lenet_fast.Preprocess, or with check=(images, outputs) with uint8 images, which settles it, or scale the pixels yourself"
        )
    if batch.images.size and batch.images.dtype != np.uint8:
        _check_range(batch, preprocess.white or 0.0, check_finite)
    elif batch.images.size and _is_binary(batch.images):
        warn("images: uint8 pixels are counted from 0 to 255, found 0 and 1 only; multiply by 255")
    return batch.standardised() if preprocess.per_image else batch


def _is_binary(images: Pixels) -> bool:
    """Whether 1 is the largest value."""
    largest = 0
    for part in pieces(images):
        largest = max(largest, int(images[part].max()))
        if largest > 1:
            return False
    return largest == 1


def as_array(images: Any, channels: int) -> NDArray[Any]:
    """Return `images` as one array; TypeError if NumPy cannot read them, ValueError if they are not of one size."""
    several = isinstance(images, Sequence) and not isinstance(images, (str, bytes, bytearray, memoryview))
    items = [_from_pil(image, channels) for image in (images if several else [images])]
    sizes = {tuple(image.shape) for image in items if several and hasattr(image, "shape")}
    if len(sizes) > 1:
        way_out = "resize them first" + _PREPARED * (channels == 1)
        raise ValueError(f"images: wanted images of one size, found {min(sizes)} and {max(sizes)}; {way_out}")
    unmasked("images", images)
    try:
        arrays = [_from_dlpack(image) for image in items]
        return np.asarray(arrays if several else arrays[0])
    except Exception as error:
        raise TypeError(
            f"images: wanted something NumPy can read as an array, found {type(images).__name__} ({error}); a tensor that needs gradients or lies on another device wants .detach().cpu() first"
        ) from error


def _from_pil(image: Any, channels: int) -> Any:
    return from_pil(image, channels) if is_pil(image) else image


def _from_dlpack(image: Any) -> Any:
    """An array of what speaks DLPack only."""
    return np.from_dlpack(image) if hasattr(image, "__dlpack__") and not hasattr(image, "__array__") else image


def unmasked(name: str, values: Any) -> Any:
    """Return `values`, or refuse them if they are a masked array that hides some: the mask would be lost."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name}: wanted plain values, found a masked array; fill the gaps first, with .filled(0) for example"
        )
    return values


def is_pil(image: Any) -> bool:
    """Whether this is a PIL image; PIL is not imported for it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def from_pil(image: Any, channels: int) -> NDArray[np.uint8]:
    """A PIL image knows its colour space, so it is converted to the network's: grey or RGB.

    Where every pixel is opaque, what is noted of transparency says nothing and is dropped.
    """
    if image.mode.startswith(("I", "F")):
        raise ValueError(
            f"images: wanted 8-bit pixels, found PIL mode {image.mode}; scale it to 0..255 and convert('L')"
        )
    if image.mode[-1] in "Aa" or "transparency" in image.info:
        image = _opaque(image)
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _opaque(image: Any) -> Any:
    """The image without its transparency, if it has none but the means for it."""
    painted = image.convert("LA" if image.mode == "La" else "RGBA")
    least = painted.getchannel("A").getextrema()[0] if min(image.size) else 255
    if least < 255:
        raise ValueError(
            f"images: wanted an opaque image, found mode {image.mode} with transparency (alpha down to {least} of 255); paste it on its background"
        )
    return painted


def _checked_dtype(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.uint8 or array.dtype.kind == "f":
        return array
    if array.dtype.kind in "iu":
        way_out = "for pixels 0..255 pass images.astype(np.uint8)"
    elif array.dtype.kind == "b":
        way_out = "pass images.astype(np.uint8) * 255"
    else:
        way_out = "convert the pixels to one of them"
    raise TypeError(f"images: wanted uint8 or floating point, found {array.dtype}; {way_out}")


def _in_order(array: NDArray[Any], size: tuple[int, int, int]) -> NDArray[Any]:
    """Name the axes of `array`, which may lack n and, for one channel, c, and put them in order."""
    channels, height, width = size
    readings = set()
    for h, w in ((height, width), (height - MARGIN, width - MARGIN)):
        if min(h, w) < 1:
            continue
        for axes in ("chw", "hwc", "hw"):
            shape = tuple({"c": channels, "h": h, "w": w}[axis] for axis in axes)
            if (
                (axes != "hw" or channels == 1)
                and array.ndim in (len(shape), len(shape) + 1)
                and array.shape[-len(shape) :] == shape
            ):
                readings.add(("n" if array.ndim > len(shape) else "") + axes)
    if array.shape == (0,):  # an empty list
        return array.reshape(0, channels, height, width)
    readings -= {"chw", "hwc"} if "nhw" in readings else set()  # (1, h, w) and (h, w, 1) fit too: the same pixels
    if not readings:
        raise ValueError(_unfit(array.shape, size))
    if len(readings) > 1 and channels != 1:
        raise ValueError(
            f"images: shape {array.shape} reads as {' and as '.join(sorted(readings))}; transpose to (n, c, h, w)"
        )
    return _transposed(array, sorted(readings)[0])


def _transposed(array: NDArray[Any], axes: str) -> NDArray[Any]:
    if "n" not in axes:
        array, axes = array[None], "n" + axes
    if "c" not in axes:
        array, axes = array[:, None], "nc" + axes[1:]
    return np.transpose(array, [axes.index(axis) for axis in "nchw"])


def _unfit(shape: tuple[int, ...], size: tuple[int, int, int]) -> str:
    channels, height, width = size
    forms = [f"(n, {channels}, {height}, {width})", f"(n, {height}, {width}, {channels})"]
    if channels == 1:
        forms.insert(0, f"(n, {height}, {width})")
    smaller = f"; {height - MARGIN}x{width - MARGIN} is centred" if min(height, width) > MARGIN else ""
    if len(shape) not in (2, 3, 4):
        return f"images: wanted {', '.join(forms)} or one image without n, found {len(shape)} axes, {shape}"
    if found := _other_channels(shape, channels):
        return f"images: wanted {channels} channel{'s' * (channels > 1)}, found {found}"
    way_out = "resize the images first" + _PREPARED * (channels == 1)
    return f"images: wanted {' or '.join(forms)}{smaller}, found {shape}; {way_out}"


def _other_channels(shape: tuple[int, ...], channels: int) -> str:
    """Other channels than the network's, and the way out; "" where it is something else that is wrong."""
    axis = _axis_of_channels(shape, channels)
    found = 1 if axis is None and len(shape) < 4 else 0 if axis is None else shape[axis]
    if channels == 1 and found in (3, 4):
        return f"{found} in shape {shape}; convert them to grey first"
    if channels == 3 and found == 1:
        code = "np.stack([images] * 3, axis=-3)" if axis is None else f"np.repeat(images, 3, axis={axis})"
        return f"grey images of shape {shape}; pass {code} (PIL images need nothing, or convert('RGB') before)"
    if channels == 3 and found == 4:
        code = "images[..., :3]" if axis == -1 else "images[..., :3, :, :]"
        return f"4 in shape {shape}; if the fourth is alpha, and opaque, pass {code}"
    return ""


def _axis_of_channels(shape: tuple[int, ...], channels: int) -> int | None:
    """The axis of 1, 3 or 4 beside two larger ones: grey, colour, colour with alpha. (3, h, w) may be three grey."""
    for axis, sides in ((-1, shape[-3:-1]), (-3, shape[-2:])):
        if len(shape) < 3 or shape[axis] not in (1, 3, 4) or min(sides) <= 4:
            continue
        if axis == -1 or len(shape) == 4 or shape[0] in (1, channels):
            return axis
    return None


def _check_range(batch: Batch, white: float, check_finite: bool) -> None:
    ranges = []
    for part, pixels in batch.pieces():
        with DefaultArithmetic():  # for Python's floats
            smallest, largest, finite, _ = pixel_range(pixels, white)
        if not finite:
            return _refuse_what_is_not_finite(pixels, part.start) if check_finite else None
        ranges += [smallest, largest]
    smallest, largest, _, usual = pixel_range(np.array(ranges, np.float32).reshape(1, 1, 1, -1), white)
    if not usual:
        warn(
            f"images: float pixels are counted from 0 to {white:g}, found {smallest:g} to {largest:g}; {_likely(smallest, largest, white)}"
        )


def _refuse_what_is_not_finite(batch: Pixels, first: int) -> None:
    """`first` is the number of the first image."""
    for part in pieces(batch):
        for place in map(tuple, np.argwhere(~np.isfinite(batch[part]))[:1].tolist()):
            raise ValueError(
                f"images: wanted finite pixels, found {batch[part][place]} in image {first + part.start + place[0]} at (channel, row, column) {place[1:]}; pass check_finite=False to allow it"
            )


def _likely(smallest: float, largest: float, white: float) -> str:
    if white > 2 and smallest >= 0 and largest <= 1:
        return f"that looks like 0..1: pass uint8, or multiply by {white:g}"
    if smallest >= 0 and largest <= 256:
        return "that looks like 0..255: pass uint8, or divide by 255"
    if smallest >= 0 and largest <= 65536:
        return "that looks like 16 bits: divide by 65535"
    if smallest >= -1.01 and largest <= 1.01:
        return "that looks like -1..1: pass (images + 1) / 2, the model scales them itself"
    return "that looks like pixels with a mean subtracted: pass them unscaled, the model scales them itself"
