"""The report page, in a real browser."""

import dataclasses
import re

import numpy as np
import pytest

from src import artifacts, datasets, page, report
from src.comparison import Kind, compare
from src.experiments import Experiment
from src.label_doubts import doubtful_labels
from src.predictions import Predictions
from src.significance import in_words
from tests import browser
from tests.conftest import ROOT

EPOCHS = [
    {"epoch": e, "lr": 0.1, "train_loss": 2 / e, "train_accuracy": 1 - 0.5 / e}
    | {"val_loss": 2.2 / e, "val_accuracy": 1 - 0.6 / e}
    for e in (1.0, 2.0, 3.0)
]


def made_up(name: str, seed: int, images: np.ndarray, labels: np.ndarray, classes: tuple) -> Experiment:
    """A model that is right about 94 % of the images, more or less sure of it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(labels), len(classes)))
    logits[np.arange(len(labels)), labels] += 3.4
    odd = np.arange(0, len(labels), 100)  # very sure of another class
    logits[odd, (labels[odd] + 1) % len(classes)] += 8
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    maps = rng.integers(0, 256, (len(labels), 4, 4)).astype(np.uint8)
    params = {"dataset": "sample", "model": "fast", "seed": seed, "validation": 0.1}
    metrics = {"accuracy": 0.94, "loss": 0.3}
    found = Predictions(labels, probabilities, classes)
    return Experiment(name, params, ("a", "b"), images, found, EPOCHS, metrics, maps, "layer3")


@pytest.fixture(scope="module")
def pair() -> tuple[Experiment, Experiment]:
    """Two experiments on 2,000 images."""
    test = datasets.load(ROOT / artifacts.SAMPLE).test
    images, labels = np.tile(test.images, (4, 1, 1, 1)), np.tile(test.labels, 4)
    classes = datasets.load(ROOT / artifacts.SAMPLE).classes
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
    """The number of images found, as it is said; all of them are then shown."""
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
    wrong = int((predictions.predicted != predictions.actual).sum())
    assert f"{2000 - wrong:,} of 2,000 test images" in shown.locator("#figures").inner_text()
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
    figures = shown.locator("#figures").inner_text()
    for kind in (Kind.FIXED, Kind.BROKEN, Kind.SAME, Kind.DIFFERENT):
        assert shown.locator(f"button.tile.{kind} .big").inner_text() == str(comparison.count(kind))
    assert in_words(comparison.p_value)[1:] in figures
    assert "seed\t1\t2" in figures
    assert shown.locator(".chart svg").count() == 4
    assert status(shown) == int((comparison.kinds != Kind.RIGHT).sum())
    assert shown.locator(".card").first.locator("canvas").count() == 3


@pytest.mark.parametrize("kind", [Kind.FIXED, Kind.BROKEN, Kind.SAME, Kind.DIFFERENT])
def test_filters(visit, pair, compared, kind):
    shown = visit(compared)
    comparison = compare(*pair)
    a, b = (e.predictions for e in pair)
    cat, dog = a.classes.index("cat"), a.classes.index("dog")
    shown.locator(f"input[value={kind}]").check(force=True)
    assert status(shown) == comparison.count(kind)
    shown.locator("select[name=actual]").select_option("cat")
    chosen = (comparison.kinds == kind) & (a.actual == cat)
    assert status(shown) == chosen.sum()
    shown.locator("select[name=predicted]").select_option("dog")
    assert status(shown) == (chosen & ((a.predicted == dog) | (b.predicted == dog))).sum()
    shown.locator("#clear").click()
    assert status(shown) == int((comparison.kinds != Kind.RIGHT).sum())


def test_only_labels_in_doubt(visit, pair):
    predictions = pair[0].predictions
    doubted = doubtful_labels(predictions.probabilities, predictions.actual)
    chosen = np.flatnonzero(doubted & (predictions.predicted != predictions.actual))
    assert len(chosen) > 3
    shown = visit(page.render(pair[0]))
    shown.locator("input[name=doubted]").check()
    assert status(shown) == len(chosen)
    assert set(indices(shown)) == set(chosen.tolist())
    assert shown.locator(".card .doubt:visible").count() == len(chosen)


def test_order(visit, pair, compared):
    a, b = (e.predictions for e in pair)
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
        found = values[indices(shown)]
        assert (np.diff(found) <= 2e-4).all(), order  # the page knows probabilities to a part in 10,000


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
    assert status(shown) == compare(*pair).count(Kind.BROKEN)
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
        dataclasses.replace(
            e,
            name=hostile,
            predictions=dataclasses.replace(e.predictions, classes=classes),
            params={hostile: e.name},
        )
        for e in pair
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
    older = dataclasses.replace(pair[0], heatmaps=None, heatmap_layer="", metrics={})
    newer = dataclasses.replace(pair[1], heatmaps=np.zeros_like(pair[1].heatmaps))
    shown = visit(page.render(compare(older, newer)))
    assert "has no heatmaps: it was run before" in shown.locator("#gallery").inner_text()
    words = shown.locator(".card").first.locator(".none").all_inner_texts()
    assert words == ["no heatmap", "no positive evidence"]
    alone = visit(page.render(older))
    assert alone.locator(".card").first.locator(".none").all_inner_texts() == ["no heatmap"]


def test_a_model_without_mistakes(visit, pair):
    labels = pair[0].predictions.actual
    perfect = dataclasses.replace(pair[0].predictions, probabilities=np.eye(10)[labels])
    best = dataclasses.replace(pair[0], predictions=perfect, curves=[EPOCHS[0] | {"val_loss": float("nan")}])
    for html in (page.render(best), page.render(compare(best, best))):
        assert visit(html).locator("#status").inner_text() == "0 images"


def test_size(pair):
    """That of a page about all of CIFAR-10."""
    images, labels = np.tile(pair[0].images, (5, 1, 1, 1)), np.tile(pair[0].predictions.actual, 5)
    a, b = (made_up(e.name, number, images, labels, e.predictions.classes) for number, e in enumerate(pair))
    accuracy = (a.predictions.predicted == a.predictions.actual).mean()
    assert len(a.images) == 10_000
    assert 0.93 < accuracy < 0.95
    assert len(page.render(a).encode()) < 3e6
    html = page.render(compare(a, b))
    assert len(html.encode()) < 3e6
    assert "are not shown" not in html


def test_the_most_confident_are_shown_if_there_are_too_many(visit, pair, monkeypatch):
    monkeypatch.setattr(page, "PIXELS", 60 * 32 * 32)
    comparison = compare(*pair)
    shown = visit(page.render(comparison))
    wrong = int((comparison.kinds != Kind.RIGHT).sum())
    assert f"{wrong - 60:,} are not shown" in shown.locator("#gallery").inner_text()
    assert status(shown) == 60
    shown.locator("input[value=fixed]").check(force=True)
    assert status(shown) < comparison.count(Kind.FIXED)
    confidence = pair[0].predictions.confidence
    fixed = comparison.indices(Kind.FIXED)
    best = sorted(fixed, key=lambda index: -confidence[index])[: status(shown)]
    assert set(indices(shown)) == set(best)


def test_the_page_of_the_same_experiment_is_the_same(pair):
    assert page.render(pair[0]) == page.render(pair[0])


def test_report(pair, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("src.experiments.read", lambda revision: dataclasses.replace(pair[0], name=revision))
    monkeypatch.chdir(tmp_path)
    report.main(["main"])
    assert "<title>main · Blindspot</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{(tmp_path / 'report.html').as_uri()}\n"
    report.main(["-o", "reports/mine.html"])
    assert re.search("<title>workspace", (tmp_path / "reports/mine.html").read_text(encoding="utf-8"))
