"""download.py: mirrors are tried in turn, and nothing but the right content is ever written."""

from __future__ import annotations

import gzip
import http.server
import threading
from pathlib import Path

import download
import mnist
import pytest


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
        match=r"could not be downloaded \(.*404.*; .*wrong checksum\); fetch it elsewhere and pass --data",
    ):
        mnist.load("train", tmp_path, (f"{url}missing/", f"{url}wrong/"))
    assert list(tmp_path.iterdir()) == []


def test_where_the_data_is_looked_for(monkeypatch):
    monkeypatch.setenv("LENET_FAST_DATA", "/somewhere")
    assert download.cache("mnist") == Path("/somewhere/mnist")
    monkeypatch.delenv("LENET_FAST_DATA")
    assert download.cache("mnist").parts[-2:] == ("lenet_fast", "mnist")
