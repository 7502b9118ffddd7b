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
#: No IDX file that this package is meant for holds more; a longer one is refused instead of filling the memory.
_MAX_BYTES = 1 << 30


def looks_like_idx(head: bytes) -> bool:
    """Whether a file that begins with `head` (4 bytes or more) is IDX of uint8 with 1 to 4 axes, or gzip."""
    return head[:2] == _GZIP or (head[:3] == bytes([0, 0, _UINT8]) and 1 <= head[3] <= 4)


def decompressed(data: bytes, name: str) -> bytes:
    """Return `data` without its gzip wrapping, where it has one; ValueError if that is damaged or too large."""
    if data[:2] != _GZIP:
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name}: wanted a whole gzip file, found a damaged one ({error})") from error
    if len(content) > _MAX_BYTES:
        raise ValueError(f"{name}: wanted at most {_MAX_BYTES:,} bytes of IDX, found more behind the gzip wrapping")
    return content


def parse_idx(data: bytes, name: str = "data") -> NDArray[np.uint8]:
    """Return the uint8 array in the bytes of an IDX file, gzip or plain; `name` stands in the errors."""
    content = decompressed(data, name)
    if len(content) < 4 or not looks_like_idx(content[:4]):
        raise ValueError(
            f"{name}: wanted IDX of uint8 (first bytes 00 00 08), found {content[:4].hex(' ') or 'nothing'}"
        )
    axes = content[3]
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    wanted = start + math.prod(shape)
    if len(content) < start or len(content) != wanted:
        raise ValueError(f"{name}: wanted {wanted:,} bytes for IDX of shape {shape}, found {len(content):,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """Return the uint8 array in an IDX file, gzip or plain; ValueError says what is wrong with any other file."""
    return parse_idx(Path(path).read_bytes(), str(path))
