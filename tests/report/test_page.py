"""The report page, in a real browser."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

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


def chosen_classes(shown) -> list[str]:
    return [
        shown.locator(f"select[name={name}] option:checked").inner_text() for name in ("actual", "predicted")
    ]


def indices(shown) -> list[int]:
    return [int(card.get_attribute("data-index")) for card in shown.locator(".card").all()]


def test_changed_test_data_are_said(visit, pair):
    a, b = pair
    actual = b.predictions.actual.copy()
    actual[:2] = (actual[:2] + 1) % 10
    other = made_up("two", 2, b.images, actual, b.predictions.classes)
    comparison = compare(a, other)
    figures = visit(page.render(comparison)).locator("#metrics").inner_text()
    assert "Test labels changed: 2 images. Unless noted, all figures use the labels of two." in figures
    for accuracies in (comparison.accuracies, comparison.by_labels_of_a.accuracies):
        assert all(f"{accuracy:.2%}" in figures for accuracy in accuracies)
    assert "with the labels of A" in figures


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
    # Each heatmap has been drawn: not all of its pixels are alike.
    drawn = """canvas => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(pixels).size > 20;
    }"""
    assert all(canvas.evaluate(drawn) for canvas in shown.locator(".card canvas").all()[:10])
    widths = [
        image.evaluate("image => image.naturalWidth") for image in shown.locator(".card img").all()[:10]
    ]
    assert widths == [32] * 10
    assert not shown.locator(".item .file").first.is_visible()  # CIFAR-10 has no files


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
    assert shown.locator(".card").first.locator("img").count() == 3
    assert shown.locator(".card").first.locator("canvas").count() == 2


@pytest.mark.parametrize("kind", [Outcome.FIXED, Outcome.BROKEN, Outcome.SAME, Outcome.DIFFERENT])
def test_filters(visit, pair, compared, kind):
    shown = visit(compared)
    comparison = compare(*pair)
    a, b = (run.predictions for run in pair)
    cat, dog = a.classes.index("cat"), a.classes.index("dog")
    shown.locator(f"input[value={kind}]").check(force=True)
    assert status(shown) == comparison.count(kind)
    shown.locator("select[name=actual]").select_option(label="cat")
    chosen = (comparison.outcomes == kind) & (a.actual == cat)
    assert status(shown) == chosen.sum()
    shown.locator("select[name=predicted]").select_option(label="dog")
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
    shown.locator("select[name=actual]").select_option(label="cat")
    fragment = shown.evaluate("location.hash")
    again = visit(compared, fragment)
    assert status(again) == status(shown)
    assert again.locator("select[name=actual] option:checked").inner_text() == "cat"
    nonsense = visit(compared, "#kind=nothing&actual=unicorn&sort=up&length=1")
    assert status(nonsense) > 0


def test_what_is_clicked_leads_to_its_images(visit, pair, compared):
    shown = visit(compared)
    shown.locator("button.tile.broken").click()
    assert status(shown) == compare(*pair).count(Outcome.BROKEN)
    shown.locator("#confusions .lists button").first.click()
    confusion = compare(*pair).confusions[0]
    assert chosen_classes(shown) == [confusion.actual, confusion.predicted]
    shown.locator("#clear").click()
    shown.locator("#chart-confusions .mark-rect path").nth(1).click(
        force=True
    )  # row airplane, column automobile
    assert chosen_classes(shown) == ["airplane", "automobile"]


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
        for position in range(3):
            shown.locator("select[name=actual]").select_option(str(position))
            assert 0 < status(shown) < 200
        shown.locator("select[name=actual]").select_option("0")
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


def test_size_of_a_page_about_cifar10(pair):
    images, labels = np.tile(pair[0].images, (5, 1, 1, 1)), np.tile(pair[0].predictions.actual, 5)
    a, b = (
        made_up(run.name, number, images, labels, run.predictions.classes) for number, run in enumerate(pair)
    )
    accuracy = a.predictions.right.mean()
    assert len(a.images) == 10_000
    assert 0.93 < accuracy < 0.95
    assert len(page.render(a).encode()) < 3e6
    html = page.render(compare(a, b))
    assert len(html.encode()) < 3.5e6
    assert "are not shown" not in html


def test_the_most_confident_are_shown_if_there_are_too_many(visit, pair, monkeypatch):
    monkeypatch.setattr(summary, "MAX_IMAGES", 60)
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


# --- the user's own images


ODD = (
    "</script><b>x",
    "index",
    "1e5",
    "NA",
    "emoji 🐈",
    "\"quoted\" 'name'",
    "a very long name of a class",
    "x.y[0]",
)


def photographs(
    name: str, seed: int, count: int, classes: tuple[str, ...], side: int, files: list[str], source: str = ""
) -> Run:
    """Of a model that is right about every other image; pictures as hard to compress as photographs."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    probabilities = rng.random((count, len(classes)), np.float32)
    probabilities[np.arange(0, count, 2), labels[::2]] = 30
    probabilities /= probabilities.sum(1, keepdims=True)
    predictions = Predictions.from_probabilities(labels, probabilities, classes)
    few = np.stack([np.asarray(Image.fromarray(p).resize((side, side))) for p in noise(side // 4)])
    return make_run(
        name,
        dataclasses.replace(predictions, files=np.array(files, object)),
        images=few[np.arange(count) % len(few)],
        heatmaps=rng.integers(0, 256, (count, 28, 28)).astype(np.uint8),
        heatmap_layer="layer4",
        source=source,
    )


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, side, side, 3), np.uint8)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"{ODD[number % len(ODD)]} {number}" for number in range(count))


@pytest.mark.parametrize(("classes", "side"), [(2, 128), (1000, 128), (1000, 32), (10, 320)])
def test_no_page_is_above_5_megabytes(classes, side):
    count = 10_000 if side < 200 else 1_000
    files = [f"folder {row % 1000}/IMG_{row:06}.jpg" for row in range(count)]
    a, b = (photographs(name, seed, count, names(classes), side, files) for seed, name in enumerate("ab"))
    alone = page.render(a)
    for html in (alone, page.render(compare(a, b))):
        assert 1e6 < len(html.encode()) < 5e6
        hidden = re.search(r"Too many for one page: ([\d,]+) are not shown", html)
        shown = len(json.loads(re.search(r'"index":(\[[\d,]*\])', html)[1]))
        assert shown > 300
        wrong = np.flatnonzero(~(a.predictions.right & (b.predictions.right | (html is alone))))
        assert shown + (int(hidden[1].replace(",", "")) if hidden else 0) == len(wrong)


def test_a_thousand_classes_have_tables_in_place_of_a_matrix(visit):
    files = [f"{row}.jpg" for row in range(4_000)]
    run = photographs("thousand", 0, 4_000, names(1000), 32, files)
    shown = visit(page.render(run), chart="#chart-classes")
    assert shown.locator("#chart-confusions").count() == 0
    top = summary.top_confusions(run, page.LISTED_WITHOUT_MATRIX)
    rows = shown.locator("#top-confusions tbody tr")
    assert rows.count() == len(top)
    assert rows.first.locator("button").inner_text() == f"{top[0][0]} taken for {top[0][1]}"
    assert rows.first.inner_text().split()[-2:] == [str(top[0][2]), f"{top[0][2] / 4:.0%}"]
    rows.first.locator("button").click()
    assert chosen_classes(shown) == [*top[0][:2]]
    # The table of classes: the worst first, found by a part of the name, sorted by a click.
    accuracy = [float(a.rstrip("%")) for a in shown.locator("#class-table td:nth-child(4)").all_inner_texts()]
    assert len(accuracy) == 1000
    assert accuracy == sorted(accuracy)
    shown.locator("#find-class").fill("EMOJI 🐈 4")
    found = sum(name.startswith("emoji 🐈 4") for name in names(1000))
    assert shown.locator("#class-table tbody tr:visible").count() == found > 10
    assert shown.locator("#classes-status").inner_text() == f"{found} of 1,000 classes"
    shown.locator("#find-class").fill("")
    shown.locator(".sort", has_text="Class").click()
    assert shown.locator("#class-table tbody th").first.inner_text() == "\"quoted\" 'name' 5"
    # Of the probabilities of an image the page knows the largest and the label's.
    shown.locator("#clear").click()
    shown.locator(".card").first.click()
    probabilities = shown.locator("#detail tbody tr").all_inner_texts()
    assert len(probabilities) in (11, 12)
    assert probabilities[-1].startswith(f"the other {1000 - len(probabilities) + 1} classes")
    assert sum("(label)" in row for row in probabilities) == 1


def test_files_are_named_and_linked_where_they_are_there(visit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = "Süß & <b>/100% #1?.jpg"
    long = f"{'long ' * 20}.jpg"
    for file in (odd, long):
        (tmp_path / "my pets" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my pets" / file).write_bytes(b"")
    files = [odd, long, "gone.jpg", "../page.html"] * 5
    run = photographs("own", 0, 20, ("cat", "dog"), 64, files, source="my pets")
    run = dataclasses.replace(
        run,
        predictions=Predictions(
            run.predictions.actual,
            1 - run.predictions.actual,
            run.predictions.probabilities[:, ::-1],
            ("cat", "dog"),
            run.predictions.files,
        ),
    )
    shown = visit(page.render(run, Path("page.html")))
    assert status(shown) == 20
    links = {link.get_attribute("title"): link for link in shown.locator(".item .file").all()}
    assert links[odd].inner_text() == odd
    assert links[odd].evaluate("link => link.href") == (tmp_path / "my pets" / odd).as_uri()
    assert len(links[long].inner_text()) <= 36
    assert "…" in links[long].inner_text()
    assert links[long].get_attribute("href").startswith("./my%20pets/long%20long")
    assert links["gone.jpg"].get_attribute("href") is None
    assert links["../page.html"].get_attribute("href") is None
    shown.locator(".card").first.click()
    assert shown.locator("#detail-file").inner_text() in files


def test_the_data_section(visit, pair):
    data = {
        "images": {"train": 1640, "test": 2000},
        "size": 128,
        "classes": {},
        "width": {"min": 100, "median": 125.5, "max": 4000},
        "height": {"min": 90, "median": 100, "max": 3000},
        "formats": {"PNG": 1, "JPEG": 3639},
        "remarks": {"blank": 2},
        "skipped": {"truncated": 150},
        "duplicates": {"files with the same pixels as another": 3},
    }
    run = dataclasses.replace(
        pair[0],
        data=data,
        skipped=pd.DataFrame({"file": [f"<b>{row}.jpg" for row in range(150)], "reason": "truncated"}),
        duplicates=pd.DataFrame(
            [
                ["1", "exact", "c.jpg", "cat", "train", "false", "false"],
                ["1", "exact", "d.jpg", "cat", "train", "false", "false"],
                ["2", "exact", "a.jpg", "dog", "train", "true", "true"],
                ["2", "near", "7.jpg", "cat", "test", "false", "false"],
            ],
            columns=["cluster", "kind", "file", "class", "part", "dropped", "label_conflict"],
        ),
        predictions=dataclasses.replace(
            pair[0].predictions, files=np.array([f"{row}.jpg" for row in range(2000)], object)
        ),
    )
    shown = visit(page.render(run))
    text = shown.locator("#data").inner_text()
    for part in (
        "1,640",
        "100 to 4,000 pixels, median 126",
        "JPEG 3,639, PNG 1",
        "blank: 2",
        "150 files were not used",
        "<b>99.jpg",
        "and 50 more in data/skipped.csv",
        "2 pictures are there more than once",
        "a.jpg dog, training, left out, another label",
    ):
        assert part in text
    pictures = shown.locator(".duplicates tbody tr")
    assert pictures.locator("img").count() == pictures.first.locator("img").count() == 1
    assert "nearly the same" in pictures.first.inner_text()
    assert "the same pixels" in pictures.last.inner_text()
    assert visit(page.render(pair[0])).locator("#data").count() == 0
