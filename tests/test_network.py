"""Against servers on this machine that behave badly: what is to blame is said in one line."""

import datetime
import os
import socket
import ssl
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from src import network
from src.network import SourceError, download_file

SHORT = {"short", "stalls", "resets"}  # 400 of 1,000 bytes come
STATUS = {"forbidden": 403, "missing": 404, "busy": 429, "broken": 500, "down": 503, "proxy": 407}


class Server(BaseHTTPRequestHandler):
    """Answers by path; as a proxy, by the path of the address that it is asked for."""

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        if name in STATUS:
            self.send_response(STATUS[name], "an \x1b[31mown phrase")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif name == "circle":
            self.redirect("circle")
        elif name == "elsewhere":
            self.redirect(f"http://127.0.0.1:{unused_port()}/file")
        elif name == "garbage":
            self.wfile.write(b"\x00\x01 what\r\n\r\n")
        elif name != "silent":
            self.send_content(name)

    def redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_content(self, name: str) -> None:
        content = b" \n<!DOCTYPE html><title>Sign in</title>" if "page" in name else b"x" * 1000
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8" if name == "page" else "application/gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:400] if name in SHORT else content)
        self.wfile.flush()
        if name == "stalls":
            self.server.released.wait(10)
        if name == "resets":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def do_CONNECT(self):
        self.send_response(int(self.server.status))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def unused_port() -> int:
    """One on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No proxy, no certificates and no passwords of the machine the tests run on."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in network.CERTIFICATES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.released = threading.Event()
    server.place = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()


@pytest.fixture
def secure(server, tmp_path):
    """The server with a certificate of its own, which nobody trusts; it lies in `own.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "own.pem").write_bytes(certificate)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "both.pem").write_bytes(private + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.place = f"localhost:{server.server_port}"
    return server


def reason(url, tmp_path) -> str:
    with pytest.raises(SourceError) as caught:
        download_file(url, tmp_path / "file")
    line = str(caught.value)
    assert line.isprintable()  # so it is one line, too
    assert len(line) < 300
    return line


def test_a_whole_file(server, tmp_path):
    download_file(f"http://{server.place}/whole", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x" * 1000


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("forbidden", "HTTP 403 Forbidden from SERVER"),
        ("missing", "HTTP 404 Not Found from SERVER"),
        ("busy", "HTTP 429 Too Many Requests from SERVER"),
        ("broken", "HTTP 500 Internal Server Error from SERVER"),
        ("down", "HTTP 503 Service Unavailable from SERVER"),
        ("short", "SERVER broke off: 400 bytes read, 600 more expected"),
        ("resets", "SERVER broke off the connection"),
        ("silent", "SERVER broke off the connection"),
        ("stalls", "no answer from SERVER in time"),
        ("circle", "SERVER redirects without end (HTTP 302)"),
        ("garbage", "SERVER does not answer in HTTP"),
        ("page", "SERVER sent a web page in place of the file; does this network want you to sign in?"),
        ("plain-page", "SERVER sent a web page in place of the file; does this network want you to sign in?"),
    ],
)
def test_what_a_server_does_wrong(server, tmp_path, monkeypatch, path, line):
    if path == "stalls":
        monkeypatch.setattr(network, "TIMEOUTS", (5, 0.3))
    assert reason(f"http://{server.place}/{path}", tmp_path) == line.replace("SERVER", server.place)


def test_a_server_that_is_not_there(server, tmp_path):
    port = unused_port()
    assert reason(f"http://127.0.0.1:{port}/file", tmp_path) == f"127.0.0.1:{port} refuses the connection"
    line = reason(f"http://{server.place}/elsewhere", tmp_path)  # the host it leads to is the one to blame
    assert line.endswith("refuses the connection")
    assert server.place not in line


def test_a_name_that_is_not_known(tmp_path, monkeypatch):
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    line = reason("http://example.invalid/file", tmp_path)
    assert line == "example.invalid: no address is known for this name (DNS); is there a network?"


def test_no_connection_in_time(tmp_path, monkeypatch):
    def connect(*_: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert reason("http://127.0.0.1/file", tmp_path) == "no connection to 127.0.0.1 in time"


@pytest.mark.parametrize(
    "address", ["", "file", "http://", "http://[::1/file", "http://a..b/", "http://h:99999/"]
)
def test_addresses_that_are_none(address, tmp_path):
    assert reason(address, tmp_path)


def test_a_proxy_that_refuses(tmp_path, monkeypatch):
    port = unused_port()
    for scheme in ("http", "https"):
        for prefix in ("", "http://", "http://me:se@cret@"):
            monkeypatch.setenv(f"{scheme}_proxy", f"{prefix}127.0.0.1:{port}")
            line = reason(f"{scheme}://example.invalid/file", tmp_path)
            shown = f"{prefix.partition('//')[0]}//" if prefix else ""
            assert line == f"the proxy {shown}127.0.0.1:{port} ({scheme}_proxy) refuses the connection"


def test_a_proxy_wants_a_password(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://{server.place}")
    monkeypatch.setenv("https_proxy", f"http://{server.place}")
    server.status = 407
    for scheme in ("http", "https"):
        assert reason(f"{scheme}://example.invalid/proxy", tmp_path) == (
            f"the proxy http://{server.place} ({scheme}_proxy) wants a name and a password (HTTP 407): "
            "http://NAME:PASSWORD@HOST:PORT"
        )


def test_a_proxy_passes_on_what_it_likes(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://{server.place}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.place}")
    line = reason("http://example.invalid/forbidden", tmp_path)
    assert (
        line
        == f"HTTP 403 Forbidden from example.invalid through the proxy http://{server.place} (http_proxy)"
    )
    server.status = 403
    line = reason("https://example.invalid/file", tmp_path)
    assert line == f"the proxy http://{server.place} (HTTPS_PROXY): Tunnel connection failed: 403 Forbidden"


@pytest.mark.parametrize(
    "address",
    ["http://", "http://host:port", "http://h:99999", "foo://h:1", "socks5://h:1", "http://[::1", "//"],
)
def test_a_proxy_that_is_misspelled(tmp_path, monkeypatch, address):
    monkeypatch.setenv("all_proxy", address)
    assert reason("https://example.invalid/file", tmp_path).startswith(f"the proxy {address} (all_proxy): ")


def test_a_certificate_that_nobody_trusts(secure, tmp_path, monkeypatch):
    url = f"https://{secure.place}/whole"
    blamed = f"{secure.place}: the certificate is not trusted (self-signed certificate); "
    assert reason(url, tmp_path) == blamed + (
        "if your network puts its own in place, set REQUESTS_CA_BUNDLE to a file that has it"
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "own.pem"))
    download_file(url, tmp_path / "file")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    assert (
        reason(url, tmp_path) == f"{blamed}REQUESTS_CA_BUNDLE={certifi.where()} lacks the one that signed it"
    )


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "line"),
    [(None, "No such file or directory"), ("nope", "holds no certificates in PEM format")],
)
def test_a_certificate_file_that_is_of_no_use(secure, tmp_path, monkeypatch, variable, content, line):
    place = tmp_path / "bundle.pem"
    if content:
        place.write_text(content)
    monkeypatch.setenv(variable, str(place))
    assert reason(f"https://{secure.place}/whole", tmp_path) == f"{variable}={place}: {line}"


def test_a_server_without_tls(server, tmp_path):
    line = reason(f"https://{server.place}/whole", tmp_path)
    assert line.startswith(f"{server.place}: no secure connection: ")


def test_a_netrc_of_other_bytes(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_bytes(b"machine x login \xff\xfe password y\n")
    assert reason(f"http://{server.place}/whole", tmp_path).startswith(f"{netrc}: ")
    netrc.write_bytes(b"what is this\n")  # requests passes over it
    download_file(f"http://{server.place}/whole", tmp_path / "file")


def test_a_full_disk_is_not_the_servers_fault(server, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        download_file(f"http://{server.place}/whole", tmp_path / "none/file")
    if Path("/dev/full").exists():
        with pytest.raises(OSError, match="No space left"):
            download_file(f"http://{server.place}/whole", Path("/dev/full"))
