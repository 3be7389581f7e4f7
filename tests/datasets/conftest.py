"""No network: mirrors are servers on this machine, MNIST is eight tiny images."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from accelnn.datasets import mnist, read_idx, write_idx

Answer = bytes | int | Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Stay silent where a client hangs up, as several tests make it do."""


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setenv("ACCELNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def serve() -> Iterator[Callable[[Mapping[str, Answer]], str]]:
    """Start a mirror: name of a file -> its bytes, an HTTP status, or a function that answers."""
    servers = []

    def start(answers: Mapping[str, Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path.removeprefix("/"), 404)
                if callable(answer):
                    return answer(self)
                if isinstance(answer, int):
                    return self.send_error(answer)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                return None

            def log_message(self, *_: object) -> None:
                pass

        server = Server(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """Return four gzip files that take the place of MNIST, as file name -> content."""
    monkeypatch.delenv("ACCELNN_DATA", raising=False)
    rng, files, sums = np.random.default_rng(0), {}, {}
    for name in mnist.SHA256:
        shape = (5 if name.startswith("train") else 3, 28, 28)[: 3 if "images" in name else 1]
        path = tmp_path / f"{name}.gz"
        write_idx(path, rng.integers(0, 10, shape, dtype=np.uint8))
        files[path.name] = path.read_bytes()
        plain = path.with_suffix("")
        write_idx(plain, read_idx(path))
        sums[name] = hashlib.sha256(plain.read_bytes()).hexdigest()
    monkeypatch.setattr(mnist, "SHA256", sums)
    return files
