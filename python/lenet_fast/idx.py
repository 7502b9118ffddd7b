"""IDX, the format of the MNIST files: a magic number, big-endian sizes, then uint8 values; gzip or plain."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_GZIP = b"\x1f\x8b"
_UINT8 = 0x08
_MOST_AXES = 4
#: No IDX file that this package is meant for holds more; a longer one is refused instead of filling the memory.
_MAX_BYTES = 1 << 30


def looks_like_idx(head: bytes) -> bool:
    """Whether a file that begins with `head` can be meant as IDX: two zeros and a type code, or gzip around it."""
    return head[:2] == _GZIP or (head[:2] == b"\0\0" and head[2:3] != b"" and 0x08 <= head[2] <= 0x0E)


def decompressed(data: bytes, name: str, at_most: int = _MAX_BYTES) -> bytes:
    """Return the first `at_most` bytes of `data` without its gzip wrapping, where it has one; ValueError if damaged."""
    if data[:2] != _GZIP:
        return data[:at_most]
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return stream.read(at_most)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name}: wanted a whole gzip file, found a damaged one ({error})") from error


def parse_idx(data: bytes, name: str = "data") -> NDArray[np.uint8]:
    """Return the uint8 array in the bytes of an IDX file, gzip or plain; `name` stands in the errors."""
    head = decompressed(data, name, 4 + 4 * _MOST_AXES)
    if len(head) < 4 or head[:3] != bytes([0, 0, _UINT8]) or not 1 <= head[3] <= _MOST_AXES:
        found = head[:4].hex(" ") or "nothing"
        raise ValueError(f"{name}: wanted IDX of uint8 with 1 to {_MOST_AXES} axes (00 00 08 01 to 04), found {found}")
    start = 4 + 4 * head[3]
    shape = tuple(int.from_bytes(head[i : i + 4], "big") for i in range(4, start, 4))
    wanted = start + math.prod(shape)
    if wanted > _MAX_BYTES:
        raise ValueError(f"{name}: wanted at most {_MAX_BYTES:,} bytes, found IDX of shape {shape}")
    content = decompressed(data, name, wanted + 1)
    if len(content) != wanted:
        found = f"{len(content):,}" if len(content) < wanted else "more"
        raise ValueError(f"{name}: wanted {wanted:,} bytes for IDX of shape {shape}, found {found}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """Return the uint8 array in an IDX file, gzip or plain; ValueError says what is wrong with any other file."""
    return parse_idx(Path(path).read_bytes(), str(path))
