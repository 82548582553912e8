"""How soon a page can be used in Chromium without a window: `python -m benchmarks.page FILE`."""

import shutil
import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from src.command import run_main

ROUNDS = 11
# Milliseconds from the start of the navigation until each is there, looked for in every frame. They count
# when they have been painted: in the frame after the one that finds them.
WATCH = """
const started = {};
const wanted = {
    first_card: () => document.querySelector(".card"),
    first_image: () => document.querySelector(".card .image")?.naturalWidth,
    first_chart: () => document.querySelector(".chart svg"),
    all_charts: () => document.querySelectorAll(".chart").length
        && [...document.querySelectorAll(".chart")].every((chart) => chart.querySelector("svg")),
};
function look() {
    for (const [name, isThere] of Object.entries(wanted)) {
        if (started[name] === undefined && isThere()) {
            started[name] = 0;
            requestAnimationFrame(() => { started[name] = performance.now(); });
        }
    }
    if (Object.keys(wanted).every((name) => started[name])) window.started = started;
    else requestAnimationFrame(look);
}
look();
"""
TIMES = """() => {
    const [{ domContentLoadedEventEnd, loadEventEnd }] = performance.getEntriesByType("navigation");
    return { ...window.started, content_loaded: domContentLoadedEventEnd, loaded: loadEventEnd };
}"""


def measure(file: Path) -> dict[str, float]:
    """Milliseconds from the start of the navigation, medians over `ROUNDS` fresh contexts."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rounds = [_visit(browser, file) for _ in range(ROUNDS)]
        browser.close()
    return {name: median(times[name] for times in rounds) for name in rounds[0]}


def _visit(browser: Browser, file: Path) -> dict[str, float]:
    page = browser.new_context().new_page()
    page.add_init_script(WATCH)
    page.goto(file.resolve().as_uri())
    page.wait_for_function("window.started")
    times = page.evaluate(TIMES)
    page.context.close()
    return times


def main() -> None:
    for name, milliseconds in measure(Path(sys.argv[1])).items():
        print(f"{name:<16}{milliseconds:>7.0f} ms")


if __name__ == "__main__":
    run_main("page", main)
