"""training/: MNIST found, downloaded and verified, and a few steps of the recipe, killed and resumed."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
import mnist


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def files(monkeypatch):
    """Four small files in MNIST's place, their checksums with them."""
    random = np.random.default_rng(0)
    contents = {}
    for split, n in (("train", 300), ("t10k", 50)):
        contents[f"{split}-images-idx3-ubyte"] = idx(random.integers(0, 256, (n, 28, 28), np.uint8))
        contents[f"{split}-labels-idx1-ubyte"] = idx(random.integers(0, 10, n, np.uint8))
    monkeypatch.setattr(mnist, "SHA256", {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
    return contents


@pytest.fixture
def server(files):
    """A mirror on this machine: /good/ has the files, /wrong/ others, everything else is missing."""
    asked = []

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            _, mirror, name = self.path.split("/")
            if mirror not in ("good", "wrong"):
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(gzip.compress(files[name.removesuffix(".gz")] if mirror == "good" else b"something else"))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()
        thread.join()


def test_download_tries_mirrors_in_turn_and_verifies(server, files, tmp_path):
    url, asked = server
    digits = mnist.load("t10k", tmp_path, (f"{url}missing/", f"{url}wrong/", f"{url}good/"))
    assert digits.images.shape == (50, 28, 28)
    assert digits.labels.shape == (50,)
    assert [path.split("/")[1] for path in asked] == ["missing", "wrong", "good"] * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    asked.clear()
    assert (mnist.load("t10k", tmp_path, ()).images == digits.images).all()
    assert asked == []


def test_no_mirror_gives_the_right_files(server, files, tmp_path):
    url, _ = server
    with pytest.raises(
        OSError,
        match=r"could not be downloaded \(.*404.*; .*wrong checksum\); fetch the four files elsewhere and pass --data",
    ):
        mnist.load("train", tmp_path, (f"{url}missing/", f"{url}wrong/"))
    assert list(tmp_path.iterdir()) == []


def test_altered_files_are_refused(files, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"altered")
    with pytest.raises(
        ValueError, match="its content is not MNIST's train-images-idx3-ubyte; remove it, and it is downloaded again"
    ):
        mnist.load("train", tmp_path, ())


def test_where_the_data_is_looked_for(monkeypatch):
    monkeypatch.setenv("LENET_FAST_DATA", "/somewhere")
    assert mnist.default_directory() == Path("/somewhere/mnist")
    monkeypatch.delenv("LENET_FAST_DATA")
    assert mnist.default_directory().parts[-2:] == ("lenet_fast", "mnist")


def test_a_killed_run_resumes_to_the_same_weights(files, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    pytest.importorskip("tqdm", reason="tqdm is not installed (pip install '.[frameworks]')")
    import digits as recipe_module

    monkeypatch.setattr(recipe_module, "VALIDATION", 100)
    recipe = recipe_module.Recipe(passes=3, batch=32)
    data = mnist.Digits(
        *(
            np.frombuffer(files[f"train-{k}-ubyte"], np.uint8, offset=o).reshape(s)
            for k, o, s in (("images-idx3", 16, (300, 28, 28)), ("labels-idx1", 8, (300,)))
        )
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    wanted = recipe_module.train(recipe, data, whole)

    def kill(path, parts, recipe, passes, save=recipe_module._save):
        save(path, parts, recipe, passes)
        if passes == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(recipe_module, "_save", kill)
    with pytest.raises(KeyboardInterrupt):
        recipe_module.train(recipe, data, killed)
    found = recipe_module.train(recipe, data, killed)
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    losses = [json.loads(line)["loss"] for line in (killed / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    with pytest.raises(SystemExit, match="made by another recipe"):
        recipe_module.train(recipe_module.Recipe(passes=4, batch=32), data, killed)
