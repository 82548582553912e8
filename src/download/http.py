"""One file over HTTP, with a progress bar and bounded patience."""

from pathlib import Path

from src.progress import bar

TIMEOUTS = (5, 20)  # seconds without a connection, without a further byte
HEADERS = {"Accept-Encoding": "identity"}  # an archive is compressed already
CHUNK = 1 << 20  # bytes


class SourceError(Exception):
    """A source did not give what was asked of it; the message says why in one line."""


def download_file(url: str, target: Path) -> None:
    """Download `url` to `target`.

    Raises:
        SourceError: no connection, no answer in time, an answer other than 200, or an answer cut short.
    """
    import requests  # here, because most runs download nothing

    try:
        with requests.get(url, stream=True, headers=HEADERS, timeout=TIMEOUTS) as answer:
            if answer.status_code != 200:
                raise SourceError(f"HTTP {answer.status_code} {answer.reason}")
            length = answer.headers.get("Content-Length", "")
            size = int(length) if length.isdecimal() else None
            with (
                target.open("wb") as file,
                bar(total=size, desc=target.name, unit="B", unit_scale=True) as progress,
            ):
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    progress.update(len(chunk))
    except requests.RequestException as error:
        raise SourceError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: requests wraps the system's words three times."""
    if "connect timeout" in str(error):
        return f"no connection within {TIMEOUTS[0]} seconds"
    if "timed out" in str(error):  # a TimeoutError in the answer's head, a ConnectionError in its body
        return f"no answer within {TIMEOUTS[1]} seconds"
    cause: BaseException = getattr(error.args[0], "reason", error) if error.args else error
    text = " ".join(str(cause).split())
    return text.rpartition(": ")[2] or type(error).__name__
