"""The page about two groups of seeds, in a real browser."""

import dataclasses
import json
import re

import numpy as np
import pytest

from src.report import group_page, group_tables
from src.report.comparison import Outcome
from src.report.group_comparison import GroupComparison, compare_groups
from src.report.groups import Group
from src.report.reliability import CHANGES, Reliability
from src.report.run import Run
from tests.report.runs import CURVES, made_up
from tests.report.test_page import status

COMMITS = (["a0a0a0a", "a1a1a1a", "a2a2a2a"], ["b0b0b0b", "b1b1b1b", "b2b2b2b"])
CHART = "#chart-classes"  # the last to be drawn


def group_of(like: Run, name: str, first: int, count: int = 3, curves: float = 0, **params: object) -> Group:
    """Runs on the images of another; each epoch of one more seed is better by `curves`."""
    runs = []
    for seed in range(count):
        predictions = like.predictions
        run = made_up(
            f"{name}-seed{seed}", first + seed, like.images, predictions.actual, predictions.classes
        )
        columns = [column for column in CURVES if column.endswith("accuracy")]
        own = CURVES.assign(**{column: CURVES[column] + curves * seed for column in columns})
        runs.append(dataclasses.replace(run, curves=own, params=run.params | params | {"seed": seed}))
    return Group(name, tuple(runs), tuple(range(count)))


@pytest.fixture(scope="module")
def comparison(pair) -> GroupComparison:
    """Of B, each run wrongly knows the first 60 images, and is right about the next 60."""
    a, b = (group_of(pair[0], name, first, 3, 0.01, lr=first) for name, first in (("base", 10), ("new", 20)))
    changed = []
    for run in b.runs:
        p = run.predictions
        probabilities = p.probabilities.copy()
        wrong = (p.actual[:60] + 1) % 10
        probabilities[:120] = 0
        probabilities[np.arange(120), np.concatenate([wrong, p.actual[60:120]])] = 1
        answers = type(p).from_probabilities(p.actual, probabilities, p.classes)
        changed.append(dataclasses.replace(run, predictions=answers))
    return compare_groups(a, dataclasses.replace(b, runs=tuple(changed)))


@pytest.fixture(scope="module")
def html(comparison) -> str:
    return group_page.render(comparison, COMMITS)


def data_of(html: str) -> dict:
    return json.loads(re.search(r'id="page-data">(.*)</script>', html)[1])


def indices(shown) -> list[int]:
    return shown.locator(".card").evaluate_all("cards => cards.map((card) => Number(card.dataset.index))")


def test_the_page_shows_the_figures_of_the_comparison(visit, comparison, html):
    shown = visit(html, chart=CHART)
    top = shown.locator("#metrics").inner_text()
    assert shown.locator(".verdict").inner_text() == group_tables.sentence(comparison)
    assert group_tables.chance_to_win(comparison) in top
    difference = comparison.difference
    low, high = (f"{100 * end:+.2f}".replace("-", "−") for end in difference.interval)
    assert f"{low} to {high} (95% interval" in top
    assert f"a true difference below {100 * difference.smallest:.2f} points" in top
    for outcome in CHANGES:
        tile = shown.locator(f"button.tile.{group_page.KINDS[outcome][0]}").inner_text().splitlines()
        assert tile[0] == str(comparison.changes.count(outcome))
        assert tile[2] == f"by chance alone: about {comparison.changes.by_chance[outcome]:.0f}"
    row = shown.locator("#metrics tr", has_text="Accuracy").inner_text()
    assert f"{difference.a.mean:.2%} ± {100 * difference.a.std:.2f}" in row
    assert "lr\t10\t20" in top
    assert "seed\t" not in top
    for change in comparison.classes:
        cells = shown.locator("#class-table tbody tr", has_text=change.name).inner_text()
        assert f"{100 * change.difference.value:+.2f}".replace("-", "−") in cells
        assert f"{change.p_value:.2g}" in cells
    runs = shown.locator("#table-of-runs tbody tr").all_inner_texts()
    for side, group, commits in zip("AB", (comparison.a, comparison.b), COMMITS, strict=True):
        for seed, run, commit in zip(group.seeds, group.runs, commits, strict=True):
            median = " (median)" if run is group.median else ""
            accuracy = f"{run.predictions.right.mean():.2%}"
            assert f"{side}\t{seed}\t{accuracy}\t{run.name}{median}\t{commit}" in runs


def test_charts(visit, comparison, html):
    shown = visit(html, chart=CHART)
    assert shown.locator(".chart svg").count() == 5
    assert shown.locator("#chart-accuracy g.mark-area path").count() == 4  # a band for each line
    assert shown.locator("#chart-accuracy g.mark-line path").count() == 4
    assert shown.locator("#chart-runs g.mark-symbol path").count() == 6
    # The gray part is as wide, in points, as the smallest difference to either side of 0.
    width = "path => path.getBBox().width"
    gray = shown.locator("#chart-difference g.mark-rect path").first.evaluate(width)
    line = shown.locator("#chart-difference g.mark-rule line[stroke-width='3']").first.evaluate(
        "line => line.getBBox().width"
    )
    low, high = comparison.difference.interval
    assert gray / line == pytest.approx(2 * comparison.difference.smallest / (high - low), rel=0.01)


def test_bands_are_the_mean_and_the_range(comparison):
    middle = group_page.curves(comparison.a)[1]
    assert middle["epoch"] == 2
    assert middle["val_accuracy"] == pytest.approx([0.71, 0.7, 0.72])
    assert middle["train_loss"] == pytest.approx([1, 1, 1])


def test_images_are_sorted_by_the_size_of_the_change(visit, comparison, html):
    shown = visit(html, chart=CHART)
    changes = comparison.changes
    wrong = sum(changes.count(outcome) for outcome in (*CHANGES, Reliability.WRONG))
    assert status(shown) == wrong
    size = np.abs(changes.right_b - changes.right_a)[indices(shown)]
    assert (np.diff(size) <= 0).all()
    assert size[0] == 3
    for outcome in (*CHANGES, Reliability.WRONG):
        shown.locator(f"input[value={group_page.KINDS[outcome][0]}]").check(force=True)
        assert status(shown) == changes.count(outcome)
        assert set(indices(shown)) == set(changes.indices(outcome))
    shown.locator(f"button.tile.{Outcome.BROKEN}").click()
    card = shown.locator(".card").first
    index = int(card.get_attribute("data-index"))
    often = [f"right in {side[index]} of 3 runs" for side in (changes.right_a, changes.right_b)]
    assert card.locator(".often").all_inner_texts() == often
    assert all(words in card.get_attribute("aria-label") for words in often)
    card.click()
    assert "reliably broken" in shown.locator("#detail-title").inner_text()


def test_answers_and_heatmaps_are_those_of_the_median_run(comparison, html):
    gallery = data_of(html)["gallery"]
    for model, group in zip(gallery["models"], (comparison.a, comparison.b), strict=True):
        runs = sorted(group.runs, key=lambda run: run.predictions.right.mean())
        assert model["predicted"] == runs[1].predictions.predicted[gallery["index"]].tolist()
        assert model["maps"] is not None


@pytest.mark.parametrize("width", [360, 1280])
def test_no_sideways_scrolling(visit, html, width):
    shown = visit(html, chart=CHART, viewport={"width": width, "height": 740})
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    tables = (
        "[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    assert shown.evaluate(tables) == 0


def test_light_and_dark(visit, html):
    color = "getComputedStyle(document.querySelector('#chart-difference .mark-symbol path')).fill"
    light, dark = (visit(html, chart=CHART, color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.evaluate(color) != dark.evaluate(color)


def test_one_run_on_a_side_has_no_interval(visit, pair):
    a, b = group_of(pair[0], "base", 10), group_of(pair[0], "new", 20, 1)
    shown = visit(group_page.render(compare_groups(a, b), (COMMITS[0], COMMITS[1][:1])), chart=CHART)
    assert shown.locator(".verdict").inner_text().startswith("Too few seeds to tell")
    assert "there is no interval" in shown.locator("#metrics").inner_text()
    assert (
        "wrong in at least 2 of 3 runs of A, right in the run of B"
        in shown.locator("button.tile.fixed").inner_text()
    )
    assert shown.locator(".chart svg").count() == 4


def test_names_may_hold_anything(visit, pair):
    hostile = "</script><script>document.title = 'taken'</script><b>&amp;\"'`${x}{{ x }}"
    classes = (hostile, "__proto__", "a.b[0]", *pair[0].predictions.classes[3:])
    like = dataclasses.replace(pair[0], predictions=dataclasses.replace(pair[0].predictions, classes=classes))
    a, b = (group_of(like, f"{hostile}{n}", n, 3, 0, **{hostile: n}) for n in (10, 20))
    shown = visit(group_page.render(compare_groups(a, b), COMMITS), chart=CHART)
    assert shown.title().startswith("</script>")
    for place in ("h1", ".verdict", "#metrics .pair", "#gallery > .note", "#class-table", "#table-of-runs"):
        assert hostile in shown.locator(place).first.inner_text()
    shown.locator("#chart-classes .mark-symbol path").first.hover(force=True)
    assert hostile in shown.locator("#vg-tooltip-element").inner_text()
    assert shown.locator("b b, td b, h1 b, th b").count() == 0


def test_size_of_a_page_about_ten_thousand_images(pair):
    actual = np.tile(pair[0].predictions.actual, 5)
    like = dataclasses.replace(
        pair[0],
        images=np.tile(pair[0].images, (5, 1, 1, 1)),
        predictions=dataclasses.replace(pair[0].predictions, actual=actual),
    )
    comparison = compare_groups(group_of(like, "a", 10, 10), group_of(like, "b", 20, 10))
    assert comparison.images == 10_000
    commits = ["abcdef0"] * 10
    assert len(group_page.render(comparison, (commits, commits)).encode()) < 5e6
