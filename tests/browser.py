"""A real browser, off the network, that keeps account of what a page does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright


@contextmanager
def started() -> Iterator[Browser]:
    """Chromium without a window; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and what should stay empty.

    Attributes:
        page: Playwright's.
        requests: addresses that it asked for and that are not files of this machine.
        problems: warnings and errors in the console, and uncaught ones.
    """

    def __init__(self, browser: Browser, file: Path, fragment: str = "", **context: object) -> None:
        self.page: Page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(30_000)  # the machine may be busy
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.page.route("**/*", self._route)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(file.as_uri() + fragment)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def _console(self, message: object) -> None:
        if message.type in ("warning", "error"):
            self.problems.append(message.text)
