"""Blind spots on pages, in a real browser."""

import re

import pytest

from src.report import group_page, page
from src.report.comparison import compare
from src.report.group_comparison import compare_groups
from tests.report.runs import make_run
from tests.report.spots import Given, run, with_spots
from tests.report.test_group_blindspots import group
from tests.report.test_page import status

SPOT = Given(range(40), range(20), "cat", "cat: the picture is <dark>")
OTHER = Given(range(30, 70), range(30, 50), None, "any class: the border of the picture is plain")
BLIND = (*range(18), *range(20, 36), *range(500, 548))


@pytest.fixture(scope="module")
def blind(pair):
    """With the images of the other pages; 18 + 16 images of the first spot are wrong."""
    given = run("one", BLIND, [SPOT, OTHER])
    maps = pair[0].heatmaps[:1000]
    made = make_run(
        "one", given.predictions, images=pair[0].images[:1000], heatmaps=maps, heatmap_layer="layer3"
    )
    return with_spots(made, [SPOT, OTHER])


def test_the_section(visit, blind):
    shown = visit(page.render(blind))
    sections = shown.locator("main > section").evaluate_all("all => all.map((one) => one.id)")
    assert sections[:3] == ["metrics", "blindspots", "gallery"]
    assert shown.locator(".verdict").inner_text().endswith(" It has 2 blind spots.")
    assert shown.locator(".verdict a").get_attribute("href") == "#blindspots"
    spot = shown.locator("#spot-1")
    words = spot.inner_text()
    assert words.startswith("1. cat: the picture is <dark>")
    assert "18 of 20 wrong, at least 63% (elsewhere 5.0%)" in words
    assert "In both halves: 34 of 40 wrong. Taken for dog (34)." in words
    assert "Training images like these: 7. Labels worth checking: 1." in words
    assert spot.locator("#spot-1-examples .card").count() == 12
    assert spot.locator("#spot-1-counterparts .card").count() == 4
    assert spot.locator("#spot-1-counterparts .answer.right").count() == 4
    assert spot.locator("canvas").first.evaluate("map => map.width") == 4  # a heatmap is there


def test_images_that_are_right_are_beside_spots_alone(visit, blind):
    shown = visit(page.render(blind))
    said = int(shown.locator("#status").inner_text().split()[0])
    assert said == len(BLIND)
    assert shown.locator("#cards .answer.right").count() == 0


def test_all_mistakes_of_a_spot(visit, blind):
    shown = visit(page.render(blind))
    shown.locator("#spot-1 button[data-spot]").click()
    assert shown.locator("#status").inner_text() == f"34 of {len(BLIND)} images"
    assert "#spot=0" in shown.url
    shown.locator("select[name=spot]").select_option(label=f"2. {OTHER.sentence}")
    assert shown.locator("#status").inner_text() == f"6 of {len(BLIND)} images"
    shown.locator("#clear").click()
    assert shown.locator("#status").inner_text() == f"{len(BLIND)} images"


def test_one_image_of_a_spot_enlarged(visit, blind):
    shown = visit(page.render(blind))
    cards = shown.locator("#spot-1-counterparts .card")
    cards.nth(2).click()
    numbers = [cards.nth(at).get_attribute("data-index") for at in range(4)]
    assert shown.locator("#detail-title").inner_text() == f"Image {numbers[2]}"
    shown.keyboard.press("ArrowRight")
    assert shown.locator("#detail-title").inner_text() == f"Image {numbers[3]}"
    assert shown.locator("#next").is_disabled()
    shown.keyboard.press("Escape")
    assert cards.nth(3).evaluate("card => card === document.activeElement")


def test_nothing_confirmed(visit, pair):
    shown = visit(page.render(with_spots(pair[0], [])))
    words = shown.locator("#blindspots").inner_text()
    assert "No blind spot could be confirmed on 2,000 images; one would have needed at least 30" in words
    assert shown.locator("select[name=spot]").count() == 0


def test_runs_of_before_have_no_section(visit, pair):
    for subject in (pair[0], compare(*pair)):
        shown = visit(page.render(subject))
        assert shown.locator("#blindspots, nav a[href='#blindspots']").count() == 0


def test_a_comparison(visit, blind):
    b = run("two", range(500, 548), images=blind.images)
    shown = visit(page.render(compare(blind, b)))
    rows = shown.locator("#blindspot-table tbody tr")
    assert rows.count() == 2
    assert re.search(r"20\s+18 \(90%\)\s+0 \(0%\)\s+5\.0%\s+\S+\s+healed", rows.first.inner_text())
    rows.first.locator("button").click()
    assert status(shown) == 34


def test_groups(visit):
    shown = visit(
        group_page.render(compare_groups(group("a", "111"), group("b", "000")), (["-"] * 3,) * 2),
        chart="#chart-classes",
    )
    row = shown.locator("#blindspot-table tbody tr").inner_text()
    assert re.search(r"3 of 3 runs\s+0 of 3 runs\s+healed", row)
