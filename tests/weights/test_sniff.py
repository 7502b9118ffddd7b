"""weights/sniff.py: a file is what its content says, whatever its name."""

from __future__ import annotations

import io
import zipfile

import lenet_fast
import pytest
from lenet_fast import WeightsError

# --- what people hand over by mistake ---


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path)
    assert str(caught.value).startswith(f"{path}: wanted a model")
    return str(caught.value)


MISTAKES = {
    "nothing": (b"", "an empty file", "cut off"),
    "a word": (b"hello", "none of the formats that are read here", "export it to ONNX"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(64), "a picture", "lenet-fast predict reads"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(64), "a picture", "lenet-fast predict reads"),
    "a GIF": (b"GIF89a" + bytes(64), "a picture", "lenet-fast predict reads"),
    "a bitmap": (b"BM\x36\0" + bytes(64), "a picture", "lenet-fast predict reads"),
    "a web page": (b"<!DOCTYPE html><html>", "a web page", "'raw'"),
    "a web page in capitals": (b"\n <HTML><body>", "a web page", "'raw'"),
    "a web page in XML": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC>', "a web page", "'raw'"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a Git LFS pointer", "git lfs pull"),
    "gzip": (b"\x1f\x8b\x08" + bytes(64), "a compressed file", "unpack it first"),
    "bzip2": (b"BZh91AY&SY" + bytes(64), "a compressed file", "unpack it first"),
    "xz": (b"\xfd7zXZ\0" + bytes(64), "a compressed file", "unpack it first"),
    "RAR": (b"Rar!\x1a\x07" + bytes(64), "an archive", "unpack it first"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(64), "an archive", "unpack it first"),
    "IDX images": (b"\0\0\x08\x03" + bytes(64), "IDX images or labels", "a data set"),
    "IDX labels": (b"\0\0\x08\x01" + bytes(64), "IDX images or labels", "a data set"),
    "a PDF": (b"%PDF-1.7" + bytes(64), "a PDF document", "no model"),
    "a program": (b"\x7fELF\x02" + bytes(64), "a program", "no model"),
    "a program of Windows": (b"MZ\x90\0" + bytes(64), "a program", "no model"),
    "JSON": (b'{"layers": []}', "JSON", "save both"),
    "a Python program": (b"import torch\n", "text, a program perhaps", "save the trained model"),
    "a function": (b"def train():\n", "text, a program perhaps", "save the trained model"),
    "an encrypted checkpoint": (b"\xd8\x5e\x3a\x7f" + bytes(64), "an encrypted MindSpore checkpoint", "without enc_key"),
    "the graph of a SavedModel": (b"\x08\x01\x12\x80\x80\x01\n" + bytes(64), "the graph of a TensorFlow SavedModel", "folder"),
    "a frozen graph": (b"\n\x30\n\x01x\x12\x0bPlaceholder" + bytes(64), "a frozen TensorFlow graph", "tf2onnx"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_model_is_said_with_a_way_out(tmp_path, name):
    data, found, way_out = MISTAKES[name]
    sentence = refused(tmp_path / "m.onnx", data)
    assert f"found {found}" in sentence and way_out in sentence.partition(f"found {found}")[2]


def test_a_zip_archive_of_something_else_says_of_what(tmp_path):
    for members in ((), ("lenet.pth",), ("a", "b", "c", "d")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name in members:
                archive.writestr(name, b"")
        data = stream.getvalue()
        if members:
            assert f"a zip archive of {', '.join(members[:3])};" in refused(tmp_path / "m.zip", data)
        else:
            refused(tmp_path / "m.zip", data)


def test_a_folder_is_one_of_texts_or_of_a_checkpoint(tmp_path):
    with pytest.raises(WeightsError, match="wanted"):
        lenet_fast.load(tmp_path)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.index").write_bytes(bytes(48) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb")
    with pytest.raises(WeightsError, match="TensorFlow checkpoint"):
        lenet_fast.load(tmp_path)
