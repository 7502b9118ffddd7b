"""`lenet-fast predict`: pictures, arrays and IDX files get the label of what is drawn on them, or one sentence."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import warnings
import zlib

import lenet_fast
import numpy as np
import pytest
from PIL import Image

DIGITS = lenet_fast.sample_digits([3, 1, 4], seed=5)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_samples_need_no_file(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    status, out, err = run("predict", "--samples")
    assert (status, err) == (0, "")
    captions = [line for line in out.splitlines() if re.search(r"\d%$", line)]
    assert [c.split()[::2] for c in captions] == [list("01234"), list("56789")]
    assert "@" in out


def test_samples_fit_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, run("predict", "--samples")[1].splitlines())) <= 60


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_idx(run, tmp_path, wrap):
    file = tmp_path / "digits.bin"
    file.write_bytes(wrap(idx(DIGITS)))
    status, out, _ = run("predict", file)
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [[f"{file}[{i}]", digit] for i, digit in enumerate("314")]
    assert all(line.endswith("%") for line in out.splitlines())


@pytest.mark.parametrize("array", [DIGITS, DIGITS / 255, DIGITS[:, None]])
def test_npy_with_labels(run, tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "y.npy", np.array([3, 1, 5]))
    (tmp_path / "y.idx").write_bytes(idx(np.array([3, 1, 5], np.uint8)))
    for labels in ("y.npy", "y.idx"):
        status, out, _ = run("predict", tmp_path / "x.npy", "--labels", tmp_path / labels)
        assert status == 0
        assert len(out.splitlines()) == 4
        assert out.splitlines()[-1] == "accuracy 66.67% (2 of 3)"
        assert (
            run("predict", "-q", tmp_path / "x.npy", "--labels", tmp_path / labels)[1] == "accuracy 66.67% (2 of 3)\n"
        )


def test_what_is_rejected(run, tmp_path):
    images = np.concatenate([DIGITS, np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)])
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", np.array([3, 1, 5, 0, 0]))
    lines = run("predict", tmp_path / "x.npy", "--reject", "--labels", tmp_path / "y.npy")[1].splitlines()
    assert [line.split()[1] for line in lines[:-1]] == ["3", "1", "4", "rejected", "rejected"]
    assert lines[-1] == "accuracy 66.67% (2 of 3); rejected 40.00%"
    assert "(" in lines[3]
    assert lines[3].endswith("%)")
    assert run("predict", "--samples", "--reject")[0] == 0


def test_a_blank_scan_among_others(run, tmp_path, random):
    Image.fromarray(DIGITS[0]).save(tmp_path / "digit.png")
    Image.new("L", (100, 100), 255).save(tmp_path / "blank.png")
    Image.fromarray(random.normal(240, 4, (90, 90)).clip(0, 255).astype(np.uint8)).save(tmp_path / "grain.jpg")
    np.save(tmp_path / "y.npy", [3, 1, 3])
    files = [tmp_path / name for name in ("blank.png", "grain.jpg", "digit.png")]
    status, out, err = run("predict", *files, "--labels", tmp_path / "y.npy")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.removeprefix(f"{file}  ") for line, file in zip(lines, files[:2], strict=False)] == [
        "no digit: nothing is drawn there"
    ] * 2
    assert lines[2].split()[1] == "3"
    assert lines[3] == "accuracy 100.00% (1 of 1); rejected 66.67%"


@pytest.mark.parametrize("name", ["digit.png", "digit.jpg"])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: np.pad(x, 2),
        lambda x: 255 - np.pad(x.repeat(6, 0).repeat(6, 1), ((20, 5), (7, 70))),
        lambda x: np.stack([np.pad(x.repeat(3, 0).repeat(3, 1), 40)] * 3, -1),
    ],
    ids=["28x28", "32x32", "dark on light, large", "colour"],
)
def test_pictures(run, tmp_path, change, name):
    Image.fromarray(change(DIGITS[2])).save(tmp_path / name)
    status, out, err = run("predict", tmp_path / name)
    assert (status, err) == (0, "")
    assert out.split()[:2] == [str(tmp_path / name), "4"]


def test_ink_on_transparent_paper(run, tmp_path):
    ink = np.zeros((28 * 4, 28 * 4, 4), np.uint8)
    ink[..., 3] = DIGITS[0].repeat(4, 0).repeat(4, 1)
    Image.fromarray(ink).save(tmp_path / "digit.png")
    assert run("predict", tmp_path / "digit.png")[1].split()[1] == "3"


def test_small_pictures_dark_on_light(run, tmp_path):
    for size in (28, 32):
        Image.fromarray(255 - np.pad(DIGITS[2], (size - 28) // 2)).save(tmp_path / "digit.png")
        assert run("predict", tmp_path / "digit.png")[1].split()[1] == "4"


def test_a_turned_photograph_is_turned_back(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    picture = Image.fromarray(255 - np.pad(DIGITS[2].repeat(5, 0).repeat(5, 1), 40))
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "digit.jpg", exif=exif)
    assert run("predict", tmp_path / "digit.jpg")[1].split()[1] == "4"


def test_sixteen_bits(run, tmp_path):
    Image.fromarray(DIGITS[2].astype(np.uint16) * 257).save(tmp_path / "digit.png")
    assert run("predict", tmp_path / "digit.png")[1].split()[1] == "4"


@pytest.mark.parametrize(
    ("name", "kind", "lowest", "highest"), [("grey.png", np.uint16, 0, 65_535), ("grey.tif", np.int32, -900, 70_000)]
)
def test_a_grey_of_more_than_8_bits_becomes_the_nearest_of_256(run, tmp_path, monkeypatch, name, kind, lowest, highest):
    """What the model gets: 65535 is white, as 255 is, and beyond it nothing wraps round to black."""
    seen = []
    topk = lenet_fast.Model.topk
    monkeypatch.setattr(lenet_fast.Model, "topk", lambda self, images, k: seen.append(images) or topk(self, images, k))
    greys = np.linspace(lowest, highest, 32 * 32).astype(kind).reshape(32, 32)
    Image.fromarray(greys).save(tmp_path / name)
    assert run("predict", "--model", "cifar10", tmp_path / name)[0] == 0  # its pictures are taken as they are
    wanted = [[min(max(round(int(grey) / 257), 0), 255)] * 3 for grey in greys.ravel()]
    assert np.reshape(seen, (-1, 3)).tolist() == wanted


def test_a_pipe_is_a_file(tmp_path):
    Image.fromarray(DIGITS[0]).save(tmp_path / "x.png")
    for command in (
        f"cat x.png | '{sys.executable}' -m lenet_fast predict /dev/stdin",
        f"'{sys.executable}' -m lenet_fast predict <(cat x.png)",
    ):
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.split()[1] == "3", done.stderr


BAD = {
    "neither": (["predict"], "predict: wanted image files or --samples, found neither"),
    "both": (["predict", "--samples", "x.png"], "predict: wanted image files or --samples, found both"),
    "labels for samples": (
        ["predict", "--samples", "--labels", "y.npy"],
        "predict: wanted --labels with image files, found it with --samples",
    ),
    "labels of other classes": (
        ["predict", "x.npy", "--labels", "many.npy"],
        "many.npy: wanted classes from 0 to 9, found 1 to 99",
    ),
    "no threshold": (
        ["predict", "x.npy", "--reject", "--model", "plain.safetensors"],
        "--reject: wanted a model with a threshold, found plain.safetensors without",
    ),
    "animated": (["predict", "moving.gif"], "moving.gif: wanted one picture, found 2 in one file"),
    "damaged gzip": (["predict", "half.gz"], "half.gz: wanted a whole gzip file, found a damaged one"),
    "float IDX": (
        ["predict", "float.idx"],
        "float.idx: wanted IDX of uint8 with 1 to 4 axes (00 00 08 01 to 04), found 00 00 0d 01",
    ),
    "missing": (["predict", "none.png"], "[Errno 2] No such file or directory: 'none.png'"),
    "text": (
        ["predict", "text.txt"],
        "text.txt: wanted a picture, a .npy array or an IDX file, found something else or a damaged one",
    ),
    "empty": (["predict", "empty"], "empty: wanted a picture, a .npy array or an IDX file"),
    "truncated npy": (["predict", "half.npy"], "half.npy: wanted a whole .npy file of numbers, found a damaged one"),
    "pickled npy": (["predict", "object.npy"], "object.npy: wanted a whole .npy file of numbers, found a damaged one"),
    "truncated picture": (["predict", "half.png"], "half.png: wanted a picture"),
    "wrong size": (["predict", "small.npy"], "images: wanted (n, 32, 32)"),
    "labels for others": (
        ["predict", "x.npy", "--labels", "small.npy"],
        "small.npy: wanted one whole number per image, found float64",
    ),
    "too few labels": (["predict", "x.npy", "--labels", "y.npy"], "--labels: wanted one label per image (3), found 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(run, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("hello world")
    (tmp_path / "empty").touch()
    np.save("x.npy", DIGITS)
    np.save("y.npy", [1, 2])
    np.save("small.npy", np.zeros((3, 5, 5)))
    np.save("object.npy", np.array([{}], dtype=object))
    (tmp_path / "half.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:200])
    Image.fromarray(DIGITS[0]).save("x.png")
    np.save("many.npy", [1, 2, 99])
    lenet_fast.pretrained("digits").replace(calibration=None).save("plain.safetensors")
    Image.fromarray(DIGITS[0]).save("moving.gif", save_all=True, append_images=[Image.fromarray(DIGITS[1])])
    (tmp_path / "half.gz").write_bytes(gzip.compress(idx(DIGITS))[:-20])
    (tmp_path / "float.idx").write_bytes(b"\0\0\x0d\x01\0\0\0\x01abcd")
    (tmp_path / "half.png").write_bytes((tmp_path / "x.png").read_bytes()[:150])
    arguments, sentence = BAD[case]
    status, _, err = run(*arguments)
    assert status == 1
    assert err.startswith(f"lenet-fast: {sentence}")
    assert err.count("\n") == 1


def test_a_missing_pillow_is_named_with_its_install_line(run, tmp_path, monkeypatch):
    Image.fromarray(DIGITS[0]).save(tmp_path / "x.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    status, _, err = run("predict", tmp_path / "x.png")
    assert status == 1
    assert err.endswith("reading pictures needs Pillow, which is not installed: pip install pillow\n")


@pytest.mark.parametrize("size", [(5000, 4000), (16_000, 9_000), (60_000, 20_000)])
def test_a_picture_of_too_many_pixels_is_refused_before_they_are_unpacked(tmp_path, run, size):
    """A few kilobytes may hold them all."""
    path = tmp_path / "large.png"
    Image.new("1", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        status, _, err = run("predict", str(path))
    assert status != 0
    assert "wanted a picture of at most 16,777,216 pixels, found" in err
