"""What is no regular file: pipes, devices, links and folders in circles, by name or where a companion should be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from . import arrays, graphs, texts
from .case import Case


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _pipe_in(name: str) -> Callable[[Path], None]:
    """A folder with a pipe of this name."""

    def write(path: Path) -> None:
        (path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(path / name)

    return write


def _link_in(name: str, target: str) -> Callable[[Path], None]:
    """A folder with a link of this name."""

    def write(path: Path) -> None:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).symlink_to(target)

    return write


def _beside(case: Case, ending: str, make: Callable[[Path], None]) -> Callable[[Path], bytes | None]:
    """A file of one of the other tables, and something else where its companion was."""

    def write(path: Path) -> bytes | None:
        content = case.write(path)
        path.with_suffix(ending).unlink(missing_ok=True)
        make(path.with_suffix(ending))
        return content

    return write


def _external(make: Callable[[Path], None]) -> Callable[[Path], bytes]:
    """An ONNX model whose data are no file."""

    def write(path: Path) -> bytes:
        make(path.parent / "data")
        content = graphs.CASES["onnx_data_above"].write(path)
        assert content is not None
        return content.replace(b"../d", b"data")

    return write


def _checkpoint(make: Callable[[Path], None]) -> Callable[[Path], bytes]:
    """The index of a checkpoint whose values are no file."""

    def write(path: Path) -> bytes:
        make(path.with_suffix(".data-00000-of-00001"))
        return arrays.checkpoint({b"a": (1, (4,), 0, 16)})

    return write


def _circle(path: Path) -> None:
    """A folder that holds itself, and no tensor."""
    (path / "variables").symlink_to(path)


def _folder_as_tensor(path: Path) -> None:
    (path / "a.npy").mkdir()


_NCNN, _XML = texts.CASES["ncnn_infinite"], texts.CASES["openvino_long_kind"]
_PROTOTXT = texts.CASES["prototxt_digits"]

CASES = {
    "pipe": Case("m.pt", _pipe, "time", ends="refused"),
    "device": Case("m.pt", _device, "memory", ends="refused"),
    "folder_pipe_as_index": Case("", _pipe_in("m.index"), "time", ends="refused"),
    "folder_pipe_as_saved_index": Case("", _pipe_in("variables/variables.index"), "time", ends="refused"),
    "folder_pipe_as_npy": Case("", _pipe_in("a.npy"), "time", ends="refused"),
    "folder_pipe_as_text": Case("", _pipe_in("a.txt"), "time", ends="refused"),
    "folder_device_as_npy": Case("", _link_in("a.npy", "/dev/zero"), "memory", ends="refused"),
    "folder_device_as_index": Case("", _link_in("m.index", "/dev/zero"), "memory", ends="refused"),
    "folder_link_as_index": Case("", _link_in("m.index", "/etc/passwd"), "elsewhere", ends="refused"),
    "folder_link_to_itself": Case("", _link_in("m.index", "m.index"), "exception", ends="refused"),
    "folder_of_itself": Case("", _circle, "exception", ends="refused"),
    "folder_of_folders": Case("", _folder_as_tensor, "exception", ends="refused"),
    "openvino_pipe_beside": Case("m.xml", _beside(_XML, ".bin", _pipe), "time", ends="refused"),
    "openvino_device_beside": Case("m.xml", _beside(_XML, ".bin", _device), "memory", ends="refused"),
    "openvino_folder_beside": Case("m.xml", _beside(_XML, ".bin", Path.mkdir), "exception", ends="refused"),
    "ncnn_pipe_beside": Case("m.param", _beside(_NCNN, ".bin", _pipe), "time", ends="refused"),
    "prototxt_pipe_beside": Case("m.prototxt", _beside(_PROTOTXT, ".caffemodel", _pipe), "time", ends="refused"),
    "onnx_pipe_beside": Case("m.onnx", _external(_pipe), "time", ends="refused", needs=graphs.ONNX),
    "onnx_device_beside": Case("m.onnx", _external(_device), "memory", ends="refused", needs=graphs.ONNX),
    "tensorflow_pipe_beside": Case("m.index", _checkpoint(_pipe), "time", ends="refused"),
    "tensorflow_device_beside": Case("m.index", _checkpoint(_device), "memory", ends="refused"),
}
