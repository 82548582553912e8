"""Against a server on this machine that behaves badly."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from src.download import http
from src.download.http import SourceError, download_file


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * (1000 if self.path == "/whole" else 400))
        if self.path == "/stalls":
            self.wfile.flush()
            self.server.released.wait(10)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.released = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.released.set()
    server.shutdown()


def test_a_whole_file(address, tmp_path):
    download_file(f"{address}/whole", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x" * 1000


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing", "HTTP 404 Not Found"), ("short", "400 bytes read"), ("stalls", "no answer within")],
)
def test_a_failure_ends_in_one_line(address, tmp_path, monkeypatch, path, reason):
    if path == "stalls":
        monkeypatch.setattr(http, "TIMEOUTS", (5, 0.3))
    with pytest.raises(SourceError, match=reason) as error:
        download_file(f"{address}/{path}", tmp_path / "file")
    assert "\n" not in str(error.value)


def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(SourceError, match="refused"):
        download_file("http://127.0.0.1:9/file", tmp_path / "file")


def test_an_empty_address(tmp_path):
    with pytest.raises(SourceError, match="No scheme supplied"):
        download_file("", tmp_path / "file")
