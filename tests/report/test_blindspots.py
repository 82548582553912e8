"""Blind spots from one run to another: every verdict, with numbers small enough to work out by hand.

Runs are about 1,000 images. A spot has the images 0 to 39, of which 0 to 19 confirmed it.
"""

from dataclasses import replace

import numpy as np
import pytest

from src.report import tables
from src.report.blindspots import Count, Fate, follow, is_raised, jaccard, upper_limit
from src.report.comparison import compare
from tests.report.spots import Given, run

SPOT = Given(range(40), range(20))
ELSEWHERE = range(500, 548)  # 48 of the 960 images outside of the spot: 5%
BLIND = (*range(18), *range(20, 36), *ELSEWHERE)


def only(a, b):
    [spot] = follow(a, b).spots
    return spot


def test_healed():
    spot = only(run("a", BLIND, [SPOT]), run("b", ELSEWHERE))
    assert (spot.verdict, spot.label) == (Fate.HEALED, "healed")
    assert spot.counts == (Count(18, 20), Count(0, 20))
    assert spot.rest == (Count(48, 960), Count(48, 960))
    assert spot.p_value == pytest.approx(2 * 0.5**18)
    # Of all 40 images none is wrong: 1 - 0.025 ** (1 / 40) is 8.8%, below twice 5%.
    assert spot.high == pytest.approx(1 - 0.025 ** (1 / 40))
    assert spot.reason("old", "new") == (
        "18 of 20 wrong in old, 0 in new (5.0% elsewhere), McNemar's p = 7.6e-06; at most 9% in new"
    )


def test_fewer_mistakes_are_not_yet_healed():
    # Of all 40 images four: perhaps 24%, which is far above 5%.
    spot = only(run("a", BLIND, [SPOT]), run("b", (*range(20, 24), *ELSEWHERE)))
    assert (spot.verdict, spot.label) == (Fate.UNCHANGED, "unchanged (fewer, not healed)")
    assert spot.reason().endswith("fewer, but perhaps still 24% in B, too many to be called healed")


def test_healed_within_ten_points_where_there_are_few_mistakes_elsewhere():
    # 8.8% is above twice 2%, but a spot like that would not be reported either.
    assert only(run("a", BLIND, [SPOT]), run("b", range(500, 519))).verdict == Fate.HEALED


def test_the_images_that_helped_to_find_it_do_not_show_that_it_healed():
    spot = only(run("a", BLIND, [SPOT]), run("b", (*range(18), *ELSEWHERE)))
    assert spot.verdict == Fate.UNCHANGED
    assert spot.p_value == 1


def test_unchanged():
    spot = only(run("a", BLIND, [SPOT]), run("b", BLIND))
    assert (spot.verdict, spot.label, spot.p_value) == (Fate.UNCHANGED, "unchanged", 1)


def test_four_of_four_fixed_may_be_chance():
    # McNemar: 2 / 2 ** 4 is 0.125.
    a = run("a", (0, 1, 2, 3), [SPOT])
    assert only(a, run("b", ELSEWHERE)).verdict == Fate.UNCHANGED


def test_worse():
    spot = only(run("a", (*range(12), *ELSEWHERE), [SPOT]), run("b", (*range(20), *ELSEWHERE)))
    assert (spot.verdict, spot.p_value) == (Fate.WORSE, pytest.approx(2 / 2**8))


def test_holm_over_the_spots_that_are_followed():
    # Six fixed: 2 / 64 is 0.031; of two spots the smaller p-value counts twice, 0.0625.
    other = Given(range(100, 140), range(100, 120))
    a = run("a", (*range(6), *ELSEWHERE), [SPOT])
    assert only(a, run("b", ELSEWHERE)).verdict == Fate.HEALED
    a = run("a", (*range(6), *range(100, 110), *ELSEWHERE), [SPOT, other])
    both = follow(a, run("b", (*range(100, 110), *ELSEWHERE))).spots
    assert [spot.verdict for spot in both] == [Fate.UNCHANGED, Fate.UNCHANGED]
    assert both[0].p_value == pytest.approx(2 * 2 / 64)


def test_new():
    spot = only(run("a", ELSEWHERE), run("b", BLIND, [SPOT]))
    assert (spot.verdict, spot.side, spot.spot) == (Fate.NEW, "b", 1)
    assert spot.counts == (Count(0, 20), Count(18, 20))
    assert spot.reason() == "0 of 20 wrong in A, 18 in B (5.0% and 5.0% elsewhere)"


def test_not_new_where_the_error_was_raised_already():
    spot = only(run("a", (*range(8), *ELSEWHERE)), run("b", BLIND, [SPOT]))
    assert (spot.verdict, spot.label) == (Fate.UNCHANGED, "unchanged (not confirmed before)")
    assert spot.reason().endswith("raised in A, too, though not confirmed there")


def test_new_where_the_first_was_hardly_worse_there():
    # 2 of 20 are as good as 48 of 960 may be by chance, although 10% is twice 5%.
    assert only(run("a", (0, 1, *ELSEWHERE)), run("b", BLIND, [SPOT])).verdict == Fate.NEW


def test_spots_are_matched_by_their_images_not_by_number():
    other = Given(range(600, 640), range(600, 620))
    similar = Given(range(4, 44), range(4, 24))  # 36 of 44 images in common
    a = run("a", (*BLIND, *range(600, 640)), [other, SPOT])
    b = run("b", (*range(600, 640), *range(44)), [similar, other])
    followed = follow(a, b).spots
    assert [(spot.side, spot.spot, spot.same_as) for spot in followed] == [("a", 1, 2), ("a", 2, 1)]


def test_a_spot_of_few_common_images_is_another_one():
    apart = Given(range(20, 60), range(40, 60))  # 20 of 60 images in common
    found = follow(run("a", BLIND, [SPOT]), run("b", (*BLIND, *range(40, 60)), [apart])).spots
    assert [(spot.side, spot.verdict) for spot in found] == [("a", Fate.UNCHANGED), ("b", Fate.NEW)]


def test_a_spot_of_a_class_is_compared_with_its_class_or_with_all_if_those_are_worse():
    # Of the 460 cats outside 69 are wrong, 15%: as a cat, 8.8% are few; dogs have no mistakes.
    cats = range(100, 169)
    cat = Given(range(40), range(20), "cat")
    spot = only(run("a", (*BLIND, *cats), [cat]), run("b", cats))
    assert spot.rest[1] == Count(69, 460)
    assert spot.verdict == Fate.HEALED
    # No cat outside is wrong, but 5% of all are.
    spot = only(run("a", BLIND, [cat]), run("b", ELSEWHERE))
    assert spot.rest[1] == Count(48, 960)
    assert spot.verdict == Fate.HEALED


def test_runs_of_before():
    a, b = run("a", BLIND, None), run("b", BLIND, [SPOT])
    assert follow(a, b).missing == ("a",)
    assert [spot.verdict for spot in follow(a, b).spots] == [Fate.UNCHANGED]
    assert follow(b, a).missing == ("a",)
    assert follow(a, a).missing == ("a", "a")
    assert follow(a, a).spots == ()


def test_is_raised():
    right = np.ones(1000, bool)
    right[:10] = right[500:560] = False
    inside = np.arange(1000) < 20
    assert is_raised(right, inside, ~inside)  # 50% and 6.1%
    assert not is_raised(right, np.arange(1000) < 1, ~inside)  # of one image one, where 6.2% are wrong
    assert not is_raised(right, np.zeros(1000, bool), ~inside)


def test_small_things():
    assert jaccard({1, 2, 3}, {2, 3, 4}) == 0.5
    assert jaccard(set(), set()) == 0
    assert upper_limit(Count(0, 0)) == 1
    assert Count(0, 0).error == 0


# --- in comparisons


def pixels(*ids: int) -> np.ndarray:
    """Images that can be told apart."""
    images = np.zeros((len(ids), 4, 4, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.array(ids) % 256, np.array(ids) // 256
    return images


def without(given, *removed: int):
    """The run as tested after corrections removed these images; without spots."""
    keep = np.setdiff1d(np.arange(1000), removed)
    whole = given.predictions
    predictions = replace(
        whole,
        **{name: getattr(whole, name)[keep] for name in ("actual", "predicted", "probabilities", "files")},
    )
    from tests.report.runs import make_run

    made = make_run(given.name, predictions, images=pixels(*keep), test_data=("fewer", "labels"))
    return replace(
        made, corrections={"removed": len(removed)}, blindspots=given.blindspots.moved(moved(keep))
    )


def moved(keep: np.ndarray) -> np.ndarray:
    place = np.full(1000, -1)
    place[keep] = np.arange(len(keep))
    return place


def test_images_that_were_removed_are_left_out():
    a = run("a", BLIND, [SPOT], images=pixels(*range(1000)))
    comparison = compare(a, without(run("b", ELSEWHERE), *range(5), 900))
    [spot] = comparison.blindspots.spots
    assert comparison.images_removed == 6
    assert spot.counts == (Count(13, 15), Count(0, 15))
    assert spot.rest[1] == Count(48, 959)


def test_a_spot_whose_images_were_all_removed():
    a = run("a", BLIND, [SPOT], images=pixels(*range(1000)))
    b = without(run("b", ELSEWHERE), *range(20))
    comparison = compare(a, b)
    assert comparison.blindspots.spots == ()
    assert comparison.blindspots.lost == (1,)
    text = tables.terminal(comparison)
    assert "a: blind spot 1 cannot be followed: the images that confirmed it were removed." in text
    assert compare(b, a).blindspots.spots == ()  # and the other way around, nothing is new


def test_labels_of_the_second_count():
    a, b = run("a", BLIND, [SPOT]), run("b", ())
    actual = b.predictions.actual.copy()
    actual[:20] = 1  # what a said of 18 of them
    b = replace(b, predictions=replace(b.predictions, actual=actual, predicted=actual))
    [spot] = compare(a, b).blindspots.spots
    assert spot.counts == (Count(2, 20), Count(0, 20))


def test_what_is_printed():
    a, b = run("old", BLIND, [SPOT]), run("new", ELSEWHERE)
    text = tables.terminal(compare(a, b))
    row = next(line for line in text.splitlines() if line.startswith("any class: the picture is dark"))
    assert row.split()[6:] == ["20", "18", "(90%)", "0", "(0%)", "5.0%", "7.6e-06", "healed"]
    assert "None could be confirmed on either side." in tables.terminal(compare(b, b))
    assert "Blind spots" not in tables.terminal(compare(run("a", (), None), run("b", (), None)))
    line = "a: blind spots were not looked for; `dvc repro` with this version does."
    assert line in tables.terminal(compare(run("a", (), None), b))


def test_for_programs():
    shown = tables.as_dict(compare(run("a", BLIND, [SPOT]), run("b", ELSEWHERE)))
    [spot] = shown["blindspots"]
    assert (spot["spot"], spot["side"], spot["verdict"]) == (1, "a", "healed")
    assert spot["sentence"] == "any class: the picture is dark"
    assert spot["wrong"] == {"a": 18, "b": 0}
    assert spot["rest_error"] == {"a": 0.05, "b": 0.05}
    assert shown["blindspots_missing"] == []
