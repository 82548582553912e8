import numpy as np
import pandas as pd
import pytest

from src.blindspots.findings import Spot, _without_mixtures, find_blindspots, halves
from src.blindspots.rules import Rule

CLASSES = ("cat", "dog", "index")


def drawn(seed: int, images: int = 3000, inside: float = 0.6, outside: float = 0.03):
    """Attributes drawn independently; errors are more frequent where it is dark and the thing red."""
    generator = np.random.default_rng(seed)
    choices = {
        "light": ["dark", "medium", "bright"],
        "color": ["red", "green", "blue", "gray"],
        "size": ["small", "large"],
        "place": ["left", "right"],
        "time": ["day", "night"],
        "weather": ["rain", "sun", "snow", "fog"],
    }
    table = pd.DataFrame(
        {name: pd.Categorical(generator.choice(words, images), words) for name, words in choices.items()}
    )
    labels = generator.integers(len(CLASSES), size=images)
    spot = ((table.light == "dark") & (table.color == "red")).to_numpy()
    right = generator.random(images) >= np.where(spot, inside, outside)
    return table, generator.normal(size=(images, 8)), labels, right, CLASSES


def _spot(members: np.ndarray, wrong: np.ndarray) -> Spot:
    """Confirmed by all of its images."""
    images, inside = int(members.sum()), int((members & wrong).sum())
    rest, rest_wrong = int((~members).sum()), int((~members & wrong).sum())
    error, rest_error = inside / images, rest_wrong / rest
    figures = (images, inside, error, error, error, rest, rest_wrong, rest_error, 0.001)
    return Spot(Rule((), None), members, members, *figures, "attributes")


def test_a_planted_spot_is_found_with_its_rule():
    table, embeddings, labels, right, classes = drawn(0)
    findings = find_blindspots(table, embeddings, labels, right, classes, 0)
    (spot,) = findings.spots
    assert set(spot.rule.conditions) == {("light", "dark"), ("color", "red")}
    assert spot.rule.actual is None
    assert spot.p < 1e-9
    assert spot.low < 0.6 < spot.high
    assert spot.found_by == "attributes"
    # All figures are of the half that it was not found on.
    (place,) = np.unique(findings.half[spot.confirming])
    in_half = findings.half == place
    assert (spot.confirming == (spot.members & in_half)).all()
    assert spot.images == spot.confirming.sum()
    assert spot.wrong == (spot.confirming & ~right).sum()
    assert spot.rest_images == (in_half & ~spot.members).sum()
    assert spot.rest_wrong == (in_half & ~spot.members & ~right).sum()


def test_a_spot_within_a_class_names_it():
    table, embeddings, labels, right, classes = drawn(1, outside=0.03, inside=0.03)
    spot = ((table.light == "dark") & (table["size"] == "small") & (labels == 2)).to_numpy()
    right &= ~(spot & (np.random.default_rng(0).random(len(spot)) < 0.7))
    (found,) = find_blindspots(table, embeddings, labels, right, classes, 0).spots
    assert found.rule.actual == "index"
    assert set(found.rule.conditions) == {("light", "dark"), ("size", "small")}
    assert (found.members == spot).all()


def test_what_is_bad_only_by_images_it_shares_with_worse_spots_is_none():
    # Small pictures on the left are wrong; of the others on the left as few as elsewhere.
    wrong = np.arange(200) < 20
    left = np.arange(200) < 45
    of_left = _spot(left, wrong)
    assert _without_mixtures([_spot(left & wrong, wrong), of_left], wrong)[0].images == 20
    assert _without_mixtures([of_left], wrong) == [of_left]
    # With mistakes of its own it stays.
    wrong |= (np.arange(200) >= 30) & left
    assert len(_without_mixtures([_spot(np.arange(200) < 20, wrong), _spot(left, wrong)], wrong)) == 2


def test_chance_is_not_reported():
    # At 5 %, one table of 20 may.
    reported = [bool(find_blindspots(*drawn(seed, 1000, 0.1, 0.1), seed).spots) for seed in range(20)]
    assert sum(reported) <= 1


def test_a_class_that_is_harder_is_no_spot():
    table, embeddings, labels, _, classes = drawn(2)
    # Most of the harder class's pictures are dark, so dark pictures are wrong more often.
    generator = np.random.default_rng(2)
    table["light"] = np.where((labels == 1) & (generator.random(len(labels)) < 0.8), "dark", table.light)
    right = generator.random(len(labels)) >= np.where(labels == 1, 0.5, 0.02)
    assert find_blindspots(table, embeddings, labels, right, classes, 0).spots == []


def test_halves_are_even_within_classes():
    labels = np.repeat([0, 1, 2], [10, 7, 1])
    half = halves(labels, 3)
    for actual in range(3):
        assert abs(int((half[labels == actual] == 0).sum()) - int((half[labels == actual] == 1).sum())) <= 1
    assert (half == halves(labels, 3)).all()
    assert (half != halves(labels, 4)).any()


@pytest.mark.parametrize("case", ["right", "wrong", "tiny", "one attribute", "empty words", "flat", "none"])
def test_where_nothing_can_be_found(case):
    table, embeddings, labels, right, classes = drawn(3, 400, 0.1, 0.1)
    if case in ("right", "wrong"):
        right = np.full(len(right), case == "right")
    if case == "tiny":
        table, embeddings, labels, right = table[:20], embeddings[:20], labels[:20], right[:20]
    if case == "one attribute":
        table = table[["size"]]
    if case == "empty words":
        table = table.map(lambda _: np.nan)
    if case == "flat":
        embeddings = np.ones((len(labels), 4), np.float16)
    if case == "none":
        table, embeddings, labels, right = table[:0], embeddings[:0], labels[:0], right[:0]
    findings = find_blindspots(table, embeddings, labels, right, classes, 0)
    assert findings.spots == []
    assert len(findings.half) == len(labels)


def test_what_could_have_been_found():
    table, embeddings, labels, _, classes = drawn(4, 2000)
    findings = find_blindspots(table, embeddings, labels, np.arange(2000) % 10 > 0, classes, 0)
    found = findings.detectable
    assert 20 <= found.all_wrong <= found.half_wrong <= 100
    # Too few images for any.
    tiny = find_blindspots(table[:20], embeddings[:20], labels[:20], np.arange(20) > 9, classes, 0)
    assert tiny.detectable.half_wrong is None


def test_rules_read_from_a_file_have_the_same_members():
    table, _, labels, _, classes = drawn(5, 100)
    rule = Rule((("light", "dark|medium"), ("size", "small")), "dog")
    text = table.astype(object)
    expected = table.light.isin(["dark", "medium"]) & (table["size"] == "small") & (labels == 1)
    assert (rule.members(text, labels, classes) == expected.to_numpy()).all()
