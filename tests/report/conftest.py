"""Two runs, and a browser to look at pages about them."""

import numpy as np
import pytest

from src import artifacts
from src.data.dataset import load_dataset
from src.report.run import Run
from tests import browser
from tests.conftest import ROOT
from tests.report.runs import made_up


@pytest.fixture(scope="module")
def pair() -> tuple[Run, Run]:
    """Two runs on 2,000 images."""
    test = load_dataset(ROOT / artifacts.SAMPLE).test
    images, labels = np.tile(test.images, (4, 1, 1, 1)), np.tile(test.labels, 4)
    classes = load_dataset(ROOT / artifacts.SAMPLE).classes
    return made_up("one", 1, images, labels, classes), made_up("two", 2, images, labels, classes)


@pytest.fixture(scope="module")
def chromium():
    with browser.started() as chromium:
        yield chromium


@pytest.fixture
def visit(chromium, tmp_path):
    """Opens a page and waits until it is drawn; whatever the test does, it must not ask for or complain of
    anything."""
    visits = []

    def opened(html: str, fragment: str = "", chart: str = "#chart-confusions", **context) -> browser.Visit:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        visits.append(browser.Visit(chromium, file, fragment, **context))
        visits[-1].page.wait_for_selector(f"{chart} svg")
        return visits[-1].page

    yield opened
    for visited in visits:
        visited.page.context.close()
        assert visited.requests == []
        assert visited.problems == []
