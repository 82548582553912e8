import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks.planted import baselines, fresh, runner, tables, training
from benchmarks.planted.baselines import METHODS
from benchmarks.planted.finding import OURS, WITHHELD
from benchmarks.planted.fresh import FreshPart
from benchmarks.planted.healing import judge
from benchmarks.planted.scenes import ATTRIBUTES, CLASSES, SIZE, draw
from benchmarks.planted.scoring import Score, as_learned, blind_spots, mean_rates, pooled, score
from benchmarks.planted.sets import (
    LARGEST,
    LEAST,
    SCORING,
    SHAPE,
    SMALLEST,
    TUNING,
    PlantedSet,
    PlantedSpot,
    planted_set,
)
from src.blindspots.rules import Rule
from src.blindspots.words import Words

SIZES = {"train": 1_000, "test": 60, "fresh": 20}
RED_STARS = PlantedSpot(((SHAPE, "star"), ("color", "red")), "labels", shift=1)
DARK = PlantedSpot((("lighting", "dark"),), "faint")
CENTERED = {"horizontal": "center", "vertical": "middle"}
DEFAULTS = {name: next(iter(words)) for name, words in ATTRIBUTES.items()}


def small_set() -> PlantedSet:
    return PlantedSet(3, (RED_STARS, DARK), sizes=SIZES)


def mask(*positions: int, images: int = 10) -> np.ndarray:
    return np.isin(np.arange(images), positions)


# Scenes and sets


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_word_is_drawn_and_can_be_seen(name):
    pictures = [
        draw("circle", DEFAULTS | {name: word}, False, np.random.default_rng(0)) for word in ATTRIBUTES[name]
    ]
    assert all(picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert sum(ATTRIBUTES[name].values()) == pytest.approx(1)


def test_a_faint_object_differs_little_from_what_is_behind_it():
    clear, faint = (
        draw("square", DEFAULTS | CENTERED, faint, np.random.default_rng(1)) for faint in (False, True)
    )
    # Saturation, since red and gray are about equally bright; in the middle, where the object is.
    middle = [np.ptp(picture[32, 32].astype(float)) for picture in (clear, faint)]
    assert middle[1] < 0.4 * middle[0]


def test_tuning_and_scoring_sets_are_different_ones():
    assert not set(TUNING) & set(SCORING)
    sets = {seed: planted_set(seed) for seed in TUNING}
    assert [seed for seed, planted in sets.items() if not planted.spots] == list(range(1100, 1106))
    for planted in sets.values():
        assert len(planted.spots) <= 3
        for spot in planted.spots:
            assert SMALLEST <= spot.share <= LARGEST
            assert 1 <= len(spot.conditions) <= 3
            assert len(dict(spot.conditions)) == len(spot.conditions)
    assert planted_set(1001) == planted_set(1001) != planted_set(1002)


def test_share_by_hand():
    assert RED_STARS.share == pytest.approx(0.25 * ATTRIBUTES["color"]["red"])


def test_attributes_are_independent_of_the_class_in_the_test_part():
    table = PlantedSet(0, (), sizes={"train": 0, "test": 20_000, "fresh": 0}).table("test")
    for name, words in ATTRIBUTES.items():
        shares = pd.crosstab(table[name], table[SHAPE], normalize="columns")
        for word, share in words.items():
            assert shares.loc[word].to_numpy() == pytest.approx(share, abs=0.03)
    assert (table["label"] != table[SHAPE]).mean() == pytest.approx(0.01, abs=0.003)


def test_training_labels_inside_are_wrong_and_the_others_hardly_ever():
    table = small_set().table("train")
    red_stars, dark = RED_STARS.members(table), DARK.members(table)
    assert red_stars.sum() >= LEAST
    assert set(table["label"][red_stars]) == {"triangle"}
    assert sorted(Counter(table["label"][dark & ~red_stars])) == list(CLASSES)
    rest = ~red_stars & ~dark
    assert (table["label"] != table[SHAPE])[rest].mean() < 0.03
    assert table["faint"].tolist() == dark.tolist()


def test_test_labels_inside_are_right():
    planted = PlantedSet(3, (RED_STARS, DARK), sizes=SIZES | {"test": 4_000})
    table = planted.table("test")
    inside = planted.inside("test").any(0)
    assert (table["label"] != table[SHAPE])[inside].mean() < 0.03


@pytest.mark.parametrize("spot", [0, 1])
def test_healing_rights_the_labels_of_one_spot_and_changes_nothing_else(spot):
    planted, healed = small_set(), small_set().heal(spot)
    assert healed.name == f"0003-healed-{spot + 1}"
    before, after = planted.table("train"), healed.table("train")
    inside = planted.inside("train")
    assert (after["label"] == after[SHAPE])[inside[spot] & ~inside[1 - spot]].mean() > 0.97
    elsewhere = ~inside[spot]
    pd.testing.assert_frame_equal(before[elsewhere], after[elsewhere])
    pd.testing.assert_frame_equal(before.drop(columns="label"), after.drop(columns="label"))
    pd.testing.assert_frame_equal(planted.table("test"), healed.table("test"))
    assert planted.images("test").tobytes() == healed.images("test").tobytes()


def test_parts_share_no_picture():
    planted = PlantedSet(3, (), sizes=dict.fromkeys(SIZES, 20))
    pictures = {image.tobytes() for part in SIZES for image in planted.images(part)}
    assert len(pictures) == 60


def test_the_pipeline_is_given_pictures_and_a_table(tmp_path):
    planted = PlantedSet(3, (RED_STARS,), sizes={"train": 5, "test": 3, "fresh": 0})
    training.write_pictures(planted, tmp_path)
    table = pd.read_csv(tmp_path / "data/labels.csv", dtype=str, keep_default_na=False)
    assert table["split"].tolist() == ["train"] * 5 + ["test"] * 3
    assert set(ATTRIBUTES) < set(table)
    assert not {SHAPE, "faint"} & set(table)
    assert all((tmp_path / training.PICTURES / file).is_file() for file in table["file"])


def test_rows_of_the_stored_images(tmp_path):
    folder = tmp_path / "data/dataset"
    folder.mkdir(parents=True)
    rows = ["file,part", "train/00009.png,train", "test/00002.png,test", "test/00000.png,test"]
    (folder / "files.csv").write_text("\n".join(rows))
    assert training.test_order(tmp_path).tolist() == [2, 0]


# Scores


def test_blind_is_who_errs_much_more_often_than_the_rest():
    inside = np.array([mask(*range(0, 4), images=40), mask(*range(4, 8), images=40)])
    assert blind_spots(inside, mask(0, images=40)).tolist() == [True, False]
    assert blind_spots(inside, mask(0, 8, 9, 10, images=40)).tolist() == [False, False]  # 3 of 32 elsewhere
    assert blind_spots(np.zeros((0, 40), bool), mask(0, images=40)).tolist() == []


def learned_from(beyond: float, elsewhere: float = 0.05, others: bool = False) -> str:
    """What is learned of red stars, all wrong, where of other red things `beyond` are wrong."""
    shapes, colors = np.repeat(["star", "circle"], 80), np.tile(["red", "blue"], 80)
    table = pd.DataFrame({SHAPE: shapes, "color": colors})
    red, star = colors == "red", shapes == "star"
    wrong = red & star
    wrong[np.flatnonzero(red & ~star)[: round(40 * beyond)]] = True
    wrong[np.flatnonzero(~red)[: round(80 * elsewhere)]] = True
    planted = PlantedSpot(((SHAPE, "star"), ("color", "red")), "labels")
    return str(as_learned(planted, table, wrong, red & ~star if others else np.zeros(160, bool)))


def test_a_condition_that_plays_no_role_is_dropped():
    assert learned_from(beyond=0.5) == "color red (labels)"
    assert learned_from(beyond=0.45) == "shape star, color red (labels)"  # less than half of what is inside
    assert learned_from(beyond=0.5, elsewhere=0.2) == "shape star, color red (labels)"  # not thrice that
    assert learned_from(beyond=0.5, others=True) == "shape star, color red (labels)"  # another spot


def test_score_by_hand():
    inside = np.array([mask(0, 1, 2, 3, 4), mask(7, 8)])
    both = np.array([True, True])
    hypotheses = np.array([mask(0, 1, 2, 3, 9), mask(7, 9), mask(5)])
    # The first has precision and recall 4/5; the second 1/2.
    assert score(hypotheses, inside, both) == Score(blind=2, covered=1, hypotheses=3, false=2)
    # Together they cover what neither does alone.
    parts = np.array([mask(0, 1), mask(2, 3)])
    assert score(parts, inside, both) == Score(2, 1, 2, 0)
    assert score(parts[:1], inside, both) == Score(2, 0, 1, 0)


def test_spots_that_are_not_blind_count_neither_way():
    inside = np.array([mask(0, 1, 2), mask(7, 8)])
    hypotheses = np.array([mask(0, 1, 2), mask(7, 8), mask(5)])
    assert score(hypotheses, inside, np.array([False, True])) == Score(1, 1, 2, 1)


def test_rates_pooled_and_as_means():
    scores = [Score(1, 1, 1, 0), Score(3, 0, 3, 3), Score(0, 0, 5, 5)]
    assert pooled(scores) == Score(4, 1, 9, 8)
    assert pooled(scores).discovery_rate == 0.25
    assert mean_rates(scores) == (0.5, 0.5)
    assert np.isnan(Score().discovery_rate)
    assert Score().false_discovery_rate == 0


@pytest.mark.parametrize("name", METHODS)
def test_every_other_method_finds_a_group_that_stands_apart(name, monkeypatch):
    monkeypatch.setattr(baselines, "MOST", 2)
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    group = np.arange(400) < 40
    embeddings = 0.3 * rng.normal(size=(400, 6))
    embeddings[:, 0] += 2.4 * labels
    embeddings[group, 1] += 3.6
    answers = np.where(group, 1 - labels, labels)
    probabilities = np.where(np.eye(2)[answers] == 1, 0.95, 0.05)
    groups = METHODS[name](embeddings, probabilities, labels, 0)
    assert groups.dtype == bool
    assert groups.shape[1] == 400
    assert 1 <= len(groups) <= 2
    first = groups[0]
    assert (first & group).sum() >= 0.8 * first.sum() > 0


# Fresh images


def test_a_rule_on_fresh_images_needs_heatmaps_of_few(monkeypatch, tmp_path):
    brightness = np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    gaze = np.array([0.2, 0.8, 0.2, 0.8, 0.2])
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)

    def measure(images, heatmaps):
        rows = images.ravel()
        numbers = {"brightness": brightness[rows]}
        if heatmaps is not None:
            asked.append(rows.tolist())
            numbers["focus x"] = gaze[rows]
        return pd.DataFrame(numbers)

    asked: list[list[int]] = []
    monkeypatch.setattr(fresh, "measure", measure)
    monkeypatch.setattr(FreshPart, "_heatmaps", lambda self, rows: rows)
    monkeypatch.setattr(FreshPart, "images", images)
    monkeypatch.setattr(FreshPart, "trained", SimpleNamespace(classes=CLASSES))
    monkeypatch.setattr(FreshPart, "actual", np.array([0, 0, 0, 0, 1]))
    part = FreshPart(PlantedSet(3, (), sizes=SIZES | {"fresh": 5}), tmp_path)
    words = Words.fit(pd.DataFrame({"brightness": np.tile([0.1, 0.9], 50), "focus x": np.tile(gaze[:2], 50)}))
    dark, left = ("brightness", "dark"), ("focus x", "left")
    assert part.members(Rule((dark,), None), words).tolist() == [True, True, False, False, True]
    assert asked == []
    assert part.members(Rule((dark, left), "circle"), words).tolist() == [True, False, False, False, False]
    assert asked == [[0, 1]]


# Tables and the command


def contents() -> list[dict]:
    spot = {"conditions": [["color", "red"]], "cause": "labels", "images": [0, 1, 2, 3, 4], "error": 0.9}
    reported = {"sentence": "color is red", "wrong": 4, "images": 5, "low": 0.3, "high": 0.9}
    ours = {
        "groups": [[0, 1, 2, 3, 4], [8, 9]],
        "spots": [
            reported | {"fresh": {"images": 10, "wrong": 9}},
            reported | {"sentence": "color is blue", "fresh": {"images": 10, "wrong": 1}},
        ],
    }
    nothing = {"groups": [], "spots": []}
    shared = {"images": 10, "wrong": [0, 1, 2, 3], "rest_error": 0.0}
    learned = [spot | {"blind": True}]
    planted = [spot | {"blind": True, "conditions": [["color", "red"], ["size", "small"]], "images": [0, 1]}]
    return [
        {
            "seed": 1,
            "spots": planted,
            "learned": learned,
            "methods": {OURS: ours, WITHHELD: nothing},
            **shared,
        },
        {
            "seed": 101,
            "spots": [],
            "learned": [],
            "methods": {OURS: nothing, "k-means": {"groups": [[1]]}},
            **shared,
        },
    ]


def test_tables_by_hand():
    found = tables.with_spots(contents()).set_index("method")
    assert found.loc[OURS, ["blind", "found", "reported", "false"]].tolist() == [1, 1, 2, 1]
    assert found.loc[WITHHELD, ["discovery rate", "false-discovery rate"]].tolist() == [0, 0]
    as_planted = tables.with_spots(contents(), "spots").set_index("method")
    assert as_planted.loc[OURS, ["blind", "found", "reported", "false"]].tolist() == [1, 0, 2, 2]
    nothing = tables.without_spots(contents()).set_index("method")
    assert nothing.loc[OURS, ["sets", "nothing reported", "reported"]].tolist() == [1, 1, 0]
    assert nothing.loc["k-means", ["sets", "nothing reported", "reported"]].tolist() == [1, 0, 1]
    inside = tables.intervals(contents()).set_index("method")
    assert inside.loc[OURS, ["spots", "inside", "above"]].tolist() == [2, 1, 0]
    planted = tables.planted_spots(contents())
    assert planted[[OURS, WITHHELD]].to_numpy().tolist() == [[True, False]]
    assert planted["spot"].tolist() == ["color red, (size small)"]
    assert tables.reported_spots(contents())["planted"].tolist() == ["1", ""]


def test_scores_are_printed_from_the_files_alone(tmp_path, capsys):
    for content in contents():
        (tmp_path / f"{content['seed']:04}.json").write_text(json.dumps(content))
    healed = {"seed": 1, "healed": 0, "error": {"planted": [0.9], "healed": [0.01]}}
    healed["blind"] = {"planted": [True], "healed": [False]}
    verdicts = [{"spot": 1, "verdict": "healed", "belongs_to": [0]}]
    (tmp_path / "0001-healed-1.json").write_text(json.dumps(healed | {"verdicts": verdicts}))
    runner.main(["score", "--folder", str(tmp_path), "--seeds", "1", "101", "102"])
    printed = capsys.readouterr().out
    assert printed.startswith("2 of 3 sets\n")
    assert "0001-healed-1" in printed
    assert runner.to_heal([1, 101, 102], tmp_path) == [1]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([("healed", [0]), ("unchanged", [1]), ("unchanged", [])], (True, True, True)),
        ([("healed", [0]), ("healed", [1])], (True, True, False)),
        ([("unchanged", [0]), ("unchanged", [1])], (True, False, True)),
        ([("healed", [])], (False, False, False)),
    ],
)
def test_verdicts_on_a_healed_spot(verdicts, expected):
    entries = [{"verdict": verdict, "belongs_to": spots} for verdict, spots in verdicts]
    assert tuple(judge({"healed": 0, "verdicts": entries}).values()) == expected


def test_sets_lie_outside_the_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        runner.main(["score", "--folder", str(tmp_path / "sets"), "--sets", "tuning"])
    assert "lies in the project; name one outside" in capsys.readouterr().err
