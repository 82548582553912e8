"""One file over HTTP, with a progress bar and bounded patience; and why it did not come, in one line."""

import os
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from http.client import HTTPException, IncompleteRead, responses
from pathlib import Path
from urllib.parse import urlsplit

from src.progress import bar

TIMEOUTS = (5, 20)  # seconds without a connection, without a further byte
HEADERS = {"Accept-Encoding": "identity"}  # an archive is compressed already
CHUNK = 1 << 20  # bytes
# Where requests, and then the client of the Hugging Face hub, look for a file of certificates.
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head)", re.IGNORECASE)


class SourceError(Exception):
    """A source did not give what was asked of it; the message says why in one line."""


def download_file(url: str, target: Path) -> None:
    """Download `url` to `target`.

    Raises:
        SourceError: no connection, no answer in time, an answer other than 200, an answer cut short, or a
            web page in place of the file.
        OSError: `target` cannot be written.
    """
    with target.open("wb") as file:
        for chunk in _content(url, target.name):
            file.write(chunk)


def reach(url: str) -> None:
    """Return if there is an answer, whatever it is.

    Raises:
        Exception: for `explain`.
    """
    import requests

    requests.head(url, timeout=TIMEOUTS)


def _content(url: str, name: str) -> Iterator[bytes]:
    import requests  # here, because most runs download nothing

    try:
        with requests.get(url, stream=True, headers=HEADERS, timeout=TIMEOUTS) as answer:
            url = answer.url  # redirects may have led to another host
            if answer.status_code != 200:
                raise SourceError(_refusal(answer.status_code, url))
            is_page = answer.headers.get("Content-Type", "").startswith("text/html")
            length = answer.headers.get("Content-Length", "")
            size = int(length) if length.isdecimal() else None
            with bar(total=size, desc=name, unit="B", unit_scale=True) as progress:
                for chunk in answer.iter_content(CHUNK):
                    if is_page or (progress.n == 0 and WEB_PAGE.match(chunk)):
                        raise SourceError(
                            f"{_host(url)} sent a web page in place of the file; does this network "
                            "want you to sign in?"
                        )
                    progress.update(len(chunk))
                    yield chunk
    except SourceError:
        raise
    except Exception as error:  # not only its own: requests lets through what its parts raise
        raise SourceError(explain(error, url)) from error


def explain(error: BaseException, url: str) -> str:
    """Why `url` did not come, in one line: what went wrong, and which host, proxy or file is to blame.

    Args:
        error: of requests, of the hub's client, or of whatever they are made of.
        url: what was asked for.
    """
    causes = list(_causes(error))
    for cause in causes:
        attributes = vars(cause)  # where requests and the hub's client keep what they asked and were told
        url = getattr(attributes.get("request"), "url", None) or url
        answer = attributes.get("response")
        if answer is not None:
            return _refusal(answer.status_code, str(url))
    if not _host(url):
        return f"{url!r} is not an address: {_words(causes[-1])}"
    return (
        _about_connection(causes, url)
        or _about_certificates(causes, url)
        or _about_netrc(causes)
        or f"{getattr(causes[-1], 'filename', None) or peer(url)}: {_words(causes[-1])}"
    )


def peer(url: str) -> str:
    """Who is asked for `url`: the proxy, if there is one, or its host."""
    return _proxy(url) or _host(url)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and so on: libraries wrap the system's words several times."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _words(error: BaseException) -> str:
    """What an error says, in one short line without a password."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    text = re.sub(r"//[^/\s]*@", "//", text)
    text = re.sub(r"^\[SSL[^]]*\] (.*) \(_ssl\.c:\d+\)$", r"no secure connection: \1", text)
    return text[:200] or type(error).__name__


def _refusal(status: int, url: str) -> str:
    """What an answer other than 200 means."""
    proxy = _proxy(url)
    if status == 407:
        return f"{proxy or 'a proxy'} wants a name and a password (HTTP 407): http://NAME:PASSWORD@HOST:PORT"
    if 300 <= status < 400:
        return f"{_host(url)} redirects without end (HTTP {status})"
    through = f" through {proxy}" if proxy else ""
    return f"HTTP {status} {responses.get(status, '')}".rstrip() + f" from {_host(url)}{through}"


def _about_connection(causes: Sequence[BaseException], url: str) -> str | None:
    """What is wrong on the way to the host or, where there is one, to the proxy."""
    where = peer(url)
    for cause in reversed(causes):
        if "407 Proxy Authentication" in str(cause):
            return _refusal(407, url)
        if isinstance(cause, socket.gaierror):
            return f"{where}: no address is known for this name (DNS); is there a network?"
        if isinstance(cause, ConnectionRefusedError):
            return f"{where} refuses the connection"
        if isinstance(cause, ConnectionResetError):
            return f"{where} broke off the connection"
        if isinstance(cause, IncompleteRead):
            return f"{where} broke off: {str(cause).removeprefix('IncompleteRead(').removesuffix(')')}"
        if isinstance(cause, HTTPException):
            return f"{where} does not answer in HTTP"
    if "timed out" in str(causes[-1]) or any("Timeout" in type(cause).__name__ for cause in causes):
        connecting = any("ConnectTimeout" in type(cause).__name__ for cause in causes)
        return f"no {'connection to' if connecting else 'answer from'} {where} in time"
    return None


def _about_certificates(causes: Sequence[BaseException], url: str) -> str | None:
    """What is wrong with the host's certificate, or with the file of those that are trusted."""
    of_the_system = any(
        isinstance(cause, OSError) and type(cause).__module__ in ("builtins", "ssl") for cause in causes
    )
    for variable in CERTIFICATES if of_the_system else ():
        place = os.environ.get(variable)
        if place and (problem := _unusable(place)):
            return f"{variable}={place}: {problem}"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            named = next((name for name in CERTIFICATES if os.environ.get(name)), None)
            remedy = (
                f"{named}={os.environ[named]} lacks the one that signed it"
                if named
                else "if your network puts its own in place, set REQUESTS_CA_BUNDLE to a file that has it"
            )
            return f"{_host(url)}: the certificate is not trusted ({cause.verify_message}); {remedy}"
    return None


def _unusable(place: str) -> str | None:
    """What is wrong with a file or a folder of certificates; None if nothing is."""
    if Path(place).is_dir():
        return None
    try:
        ssl.create_default_context(cafile=place)
    except ssl.SSLError:
        return "holds no certificates in PEM format"
    except OSError as error:
        return error.strerror or str(error)
    return None


def _about_netrc(causes: Sequence[BaseException]) -> str | None:
    """What is wrong with the file of passwords, which requests reads before it asks."""
    if not isinstance(causes[-1], UnicodeDecodeError):  # whatever else is wrong there, it passes over
        return None
    names = (os.environ.get("NETRC", ""), "~/.netrc", "~/_netrc")
    places = [Path(os.path.expanduser(name)) for name in names]  # noqa: PTH111 (leaves an unknown ~user alone)
    return next((f"{place}: {_words(causes[-1])}" for place in places if place.is_file()), None)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _proxy(url: str) -> str | None:
    """The proxy that is asked for `url`, and the variable that says so; without a password."""
    from requests.utils import get_environ_proxies, select_proxy

    try:
        address = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    except ValueError:
        return None
    if not address:
        return None
    candidates = (f"{urlsplit(url).scheme.lower()}_proxy", "all_proxy")
    names = [
        name for lower in candidates for name in (lower, lower.upper()) if os.environ.get(name) == address
    ]
    without_password = re.sub(r"^(\w+://)?.*@", r"\1", address)
    return f"the proxy {without_password} ({names[0] if names else 'of this system'})"
