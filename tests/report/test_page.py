"""The report page, in a real browser."""

import dataclasses

import numpy as np
import pytest

from src import artifacts
from src.data.dataset import load_dataset
from src.evaluation.predictions import Predictions
from src.evaluation.significance import in_words
from src.report import __main__ as command
from src.report import page, summary
from src.report.comparison import Outcome, compare
from src.report.run import Run
from tests import browser
from tests.conftest import ROOT
from tests.report.runs import CURVES, make_run

CHECKS = {
    "deletion": 0.253,
    "deletion_random": 0.349,
    "insertion": 0.589,
    "insertion_random": 0.384,
    "randomized_correlation": 0.0678,
}


def made_up(name: str, seed: int, images: np.ndarray, labels: np.ndarray, classes: tuple) -> Run:
    """Of a model that is right about 94% of the images, more or less sure of it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(labels), len(classes)))
    logits[np.arange(len(labels)), labels] += 3.4
    odd = np.arange(0, len(labels), 100)  # very sure of another class
    logits[odd, (labels[odd] + 1) % len(classes)] += 8
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    maps = rng.integers(0, 256, (len(labels), 4, 4)).astype(np.uint8)
    return make_run(
        name,
        Predictions.from_probabilities(labels, probabilities, classes),
        params={"dataset": "sample", "model": "fast", "seed": seed, "validation": 0.1},
        images=images,
        heatmaps=maps,
        heatmap_layer="layer3",
        heatmap_checks=CHECKS,
    )


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

    def opened(html: str, fragment: str = "", **context) -> browser.Visit:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        visits.append(browser.Visit(chromium, file, fragment, **context))
        visits[-1].page.wait_for_selector("#chart-confusions svg")
        return visits[-1].page

    yield opened
    for visited in visits:
        visited.page.context.close()
        assert visited.requests == []
        assert visited.problems == []


@pytest.fixture(scope="module")
def compared(pair):
    return page.render(compare(*pair))


def status(shown) -> int:
    """The number of images that match, as the page says; all of them are then shown."""
    while shown.locator("#more").is_visible():
        shown.locator("#more").click()
    said = int(shown.locator("#status").inner_text().split()[0].replace(",", ""))
    assert shown.locator(".card").count() == said
    return said


def indices(shown) -> list[int]:
    return [int(card.get_attribute("data-index")) for card in shown.locator(".card").all()]


def test_a_report_shows_everything(visit, pair):
    shown = visit(page.render(pair[0]))
    predictions = pair[0].predictions
    wrong = int((~predictions.right).sum())
    assert f"{2000 - wrong:,} of 2,000 test images" in shown.locator("#metrics").inner_text()
    assert f"{(2000 - wrong) / 2000:.2%}" in shown.locator("#metrics").inner_text()
    checks = shown.locator("#metrics tr", has_text="Similarity to an untrained network").inner_text()
    assert checks.split()[-1] == "0.07"
    assert shown.locator(".chart svg").count() == 4
    assert shown.locator("#chart-accuracy svg g.mark-line path").count() == 2  # training and validation
    assert shown.locator(".card").count() == 12
    assert status(shown) == wrong
    # Each picture has been drawn on: not all of its pixels are alike.
    drawn = """canvas => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(pixels).size > 20;
    }"""
    assert all(canvas.evaluate(drawn) for canvas in shown.locator(".card canvas").all()[:10])


def test_a_comparison_shows_everything(visit, pair, compared):
    shown = visit(compared)
    comparison = compare(*pair)
    figures = shown.locator("#metrics").inner_text()
    for kind in (Outcome.FIXED, Outcome.BROKEN, Outcome.SAME, Outcome.DIFFERENT):
        assert shown.locator(f"button.tile.{kind} .big").inner_text() == str(comparison.count(kind))
    assert in_words(comparison.p_value)[1:] in figures
    assert "seed\t1\t2" in figures
    confidences = [f"{run.predictions.confidence.mean():.1%}" for run in pair]
    row = shown.locator("#metrics tr", has_text="Mean confidence").inner_text()
    assert row.split()[2:4] == confidences
    assert shown.locator(".chart svg").count() == 4
    assert status(shown) == int((comparison.outcomes != Outcome.RIGHT).sum())
    assert shown.locator(".card").first.locator("canvas").count() == 3


@pytest.mark.parametrize("kind", [Outcome.FIXED, Outcome.BROKEN, Outcome.SAME, Outcome.DIFFERENT])
def test_filters(visit, pair, compared, kind):
    shown = visit(compared)
    comparison = compare(*pair)
    a, b = (run.predictions for run in pair)
    cat, dog = a.classes.index("cat"), a.classes.index("dog")
    shown.locator(f"input[value={kind}]").check(force=True)
    assert status(shown) == comparison.count(kind)
    shown.locator("select[name=actual]").select_option("cat")
    chosen = (comparison.outcomes == kind) & (a.actual == cat)
    assert status(shown) == chosen.sum()
    shown.locator("select[name=predicted]").select_option("dog")
    assert status(shown) == (chosen & ((a.predicted == dog) | (b.predicted == dog))).sum()
    shown.locator("#clear").click()
    assert status(shown) == int((comparison.outcomes != Outcome.RIGHT).sum())


def test_only_label_issues(visit, pair):
    predictions = pair[0].predictions
    issues = pair[0].label_issues["index"].to_numpy()
    chosen = issues[~predictions.right[issues]]
    assert len(chosen) > 3
    shown = visit(page.render(pair[0]))
    shown.locator("input[name=issue]").check()
    assert status(shown) == len(chosen)
    assert set(indices(shown)) == set(chosen.tolist())
    assert shown.locator(".card .issue:visible").count() == len(chosen)


def test_order(visit, pair, compared):
    a, b = (run.predictions for run in pair)
    shown = visit(compared)
    number = status(shown)
    for order, values in (
        ("index", -np.arange(len(a.actual))),
        ("0", a.confidence),
        ("1", b.confidence),
        ("difference", abs((a.probabilities - b.probabilities)[np.arange(len(a.actual)), a.actual])),
    ):
        shown.locator("select[name=sort]").select_option(order)
        assert status(shown) == number
        in_order = values[indices(shown)]
        assert (np.diff(in_order) <= 2e-4).all(), order  # the page knows probabilities to a part in 10,000


def test_the_address_keeps_the_filters(visit, compared):
    shown = visit(compared)
    shown.locator("input[value=broken]").check(force=True)
    shown.locator("select[name=actual]").select_option("cat")
    fragment = shown.evaluate("location.hash")
    again = visit(compared, fragment)
    assert status(again) == status(shown)
    assert again.locator("select[name=actual]").input_value() == "cat"
    nonsense = visit(compared, "#kind=nothing&actual=unicorn&sort=up&length=1")
    assert status(nonsense) > 0


def test_what_is_clicked_leads_to_its_images(visit, pair, compared):
    shown = visit(compared)
    shown.locator("button.tile.broken").click()
    assert status(shown) == compare(*pair).count(Outcome.BROKEN)
    shown.locator("#confusions .lists button").first.click()
    confusion = compare(*pair).confusions[0]
    assert shown.locator("select[name=actual]").input_value() == confusion.actual
    assert shown.locator("select[name=predicted]").input_value() == confusion.predicted
    shown.locator("#clear").click()
    shown.locator("#chart-confusions .mark-rect path").nth(1).click(
        force=True
    )  # row airplane, column automobile
    assert shown.locator("select[name=actual]").input_value() == "airplane"
    assert shown.locator("select[name=predicted]").input_value() == "automobile"


def test_an_image_by_keyboard(visit, pair):
    shown = visit(page.render(pair[0]))
    first, second = indices(shown)[:2]
    shown.locator("#clear").focus()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.dataset.index") == str(first)
    shown.keyboard.press("Enter")
    dialog = shown.locator("#detail")
    assert dialog.is_visible()
    assert f"Image {first}" in dialog.inner_text()
    assert dialog.locator("tbody tr").count() == 10
    assert shown.locator("#previous").is_disabled()
    shown.keyboard.press("ArrowRight")
    assert f"Image {second}" in dialog.inner_text()
    shown.keyboard.press("Escape")
    assert not dialog.is_visible()
    shown.wait_for_function(f"document.activeElement.dataset.index === '{second}'")


@pytest.mark.parametrize("compares", [False, True])
def test_no_sideways_scrolling_on_a_phone(visit, pair, compared, compares):
    html = compared if compares else page.render(pair[0])
    shown = visit(html, viewport={"width": 360, "height": 740})
    assert shown.evaluate("document.documentElement.scrollWidth") == 360
    shown.locator(".card").first.click()
    box = shown.locator("#detail").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360


def test_light_and_dark(visit, compared):
    background = "getComputedStyle(document.body).backgroundColor"
    axis = "getComputedStyle(document.querySelector('#chart-loss .role-axis-label text')).fill"
    light, dark = (visit(compared, color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.evaluate(background) != dark.evaluate(background)
    assert light.evaluate(axis) != dark.evaluate(axis)
    light.locator("#theme").click()
    assert light.evaluate(background) == dark.evaluate(background)
    light.wait_for_function(f"{axis} === '{dark.evaluate(axis)}'")


def test_names_may_hold_anything(visit, pair):
    hostile = "</script><script>document.title = 'taken'</script><b>&amp;\"'`${x}{{ x }}"
    classes = (hostile, "__proto__", "a.b[0]", *pair[0].predictions.classes[3:])
    a, b = (
        make_run(
            hostile,
            dataclasses.replace(run.predictions, classes=classes),
            images=run.images,
            heatmaps=run.heatmaps,
            params={hostile: run.name},
        )
        for run in pair
    )
    for html in (page.render(a), page.render(compare(a, b))):
        shown = visit(html)
        assert shown.title().startswith("</script>")
        assert hostile in shown.locator("h1").inner_text()
        for name in classes[:3]:
            shown.locator("select[name=actual]").select_option(name)
            assert 0 < status(shown) < 200
        shown.locator("select[name=actual]").select_option(hostile)
        assert f"is {hostile}" in shown.locator(".card .caption").first.inner_text()
        shown.locator(".card").first.click()
        assert hostile in shown.locator("#detail tbody").inner_text()
        shown.locator("#close").click()
        shown.locator("#chart-confusions .mark-rect path").nth(1).hover(force=True)
        assert hostile in shown.locator("#vg-tooltip-element").inner_text()
        assert shown.locator("b b, td b, h1 b").count() == 0


def test_without_heatmaps(visit, pair):
    older = dataclasses.replace(pair[0], heatmaps=None, heatmap_layer="", heatmap_checks={})
    newer = dataclasses.replace(pair[1], heatmaps=np.zeros_like(pair[1].heatmaps))
    shown = visit(page.render(compare(older, newer)))
    assert "has no heatmaps: it was run before" in shown.locator("#gallery").inner_text()
    words = shown.locator(".card").first.locator(".none").all_inner_texts()
    assert words == ["no heatmap", "no positive evidence"]
    alone = visit(page.render(older))
    assert alone.locator(".card").first.locator(".none").all_inner_texts() == ["no heatmap"]


def test_a_model_without_mistakes(visit, pair):
    labels = pair[0].predictions.actual
    perfect = Predictions.from_probabilities(labels, np.eye(10)[labels], pair[0].predictions.classes)
    best = make_run("best", perfect, images=pair[0].images, curves=CURVES[:1])
    for html in (page.render(best), page.render(compare(best, best))):
        assert visit(html).locator("#status").inner_text() == "0 images"


def test_size(pair):
    """That of a page about all of CIFAR-10."""
    images, labels = np.tile(pair[0].images, (5, 1, 1, 1)), np.tile(pair[0].predictions.actual, 5)
    a, b = (
        made_up(run.name, number, images, labels, run.predictions.classes) for number, run in enumerate(pair)
    )
    accuracy = a.predictions.right.mean()
    assert len(a.images) == 10_000
    assert 0.93 < accuracy < 0.95
    assert len(page.render(a).encode()) < 3e6
    html = page.render(compare(a, b))
    assert len(html.encode()) < 3e6
    assert "are not shown" not in html


def test_the_most_confident_are_shown_if_there_are_too_many(visit, pair, monkeypatch):
    monkeypatch.setattr(summary, "MAX_PIXELS", 60 * 32 * 32)
    comparison = compare(*pair)
    shown = visit(page.render(comparison))
    wrong = int((comparison.outcomes != Outcome.RIGHT).sum())
    assert f"{wrong - 60:,} are not shown" in shown.locator("#gallery").inner_text()
    assert status(shown) == 60
    shown.locator("input[value=fixed]").check(force=True)
    assert status(shown) < comparison.count(Outcome.FIXED)
    confidence = pair[0].predictions.confidence
    fixed = comparison.indices(Outcome.FIXED)
    best = sorted(fixed, key=lambda index: -confidence[index])[: status(shown)]
    assert set(indices(shown)) == set(best)


def test_the_same_run_gives_the_same_page(pair):
    assert page.render(pair[0]) == page.render(pair[0])


def test_the_command(pair, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "read_run", lambda revision: dataclasses.replace(pair[0], name=revision))
    monkeypatch.chdir(tmp_path)
    command.main(["main"])
    assert "<title>main · Blindspot</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{(tmp_path / 'report.html').as_uri()}\n"
    command.main(["-o", "reports/mine.html"])
    assert "<title>workspace" in (tmp_path / "reports/mine.html").read_text(encoding="utf-8")
