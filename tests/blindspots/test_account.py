"""What is told of blind spots, from findings to files and back."""

import json

import numpy as np
import pytest

from src import artifacts
from src.blindspots import account
from src.blindspots.files import BlindSpots, percent, read_blindspots, write_blindspots
from src.blindspots.findings import Detectable, Findings, Spot
from src.blindspots.rules import Rule
from src.errors import InputError
from src.evaluation.predictions import Predictions

CLASSES = ("cat", "dog", "ship")
# Of twelve cats and dogs, images 0 to 5 are in the spot; 0 to 3 are wrong, the third most confidently.
ACTUAL = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1])
ANSWERS = np.array([1, 2, 1, 2, 0, 1, 0, 1, 0, 0, 0, 1])
SURE = np.array([0.7, 0.6, 0.9, 0.8] + 8 * [0.5])
EMBEDDINGS = np.array([[0.0], [1], [2], [3], [1], [0], [2.2], [9], [3], [0.3], [9], [4]], np.float16)


@pytest.fixture
def predictions() -> Predictions:
    probabilities = np.repeat(((1 - SURE) / 2)[:, None], 3, axis=1)
    probabilities[np.arange(12), ANSWERS] = SURE
    return Predictions.from_probabilities(ACTUAL, probabilities, CLASSES)


def findings(*spots: Spot) -> Findings:
    return Findings(list(spots), 7, np.arange(12) % 2, Detectable(30, 66))


def spot(actual: str | None = None) -> Spot:
    members = np.arange(12) < 6
    return Spot(
        rule=Rule((("brightness", "dark"),), actual),
        members=members,
        confirming=members & (np.arange(12) % 2 == 1),
        images=3,
        wrong=2,
        error=2 / 3,
        low=0.09,
        high=0.99,
        rest_images=3,
        rest_wrong=0,
        rest_error=0.0,
        p=0.01,
        found_by="attributes",
    )


def told(predictions: Predictions, *spots: Spot, train_images: int = 9) -> BlindSpots:
    counts = [train_images] * len(spots)
    return account.account_for(findings(*spots), predictions, EMBEDDINGS, {0, 5, 8}, counts)


def test_figures(predictions):
    [figures] = told(predictions, spot()).spots
    assert (figures.members, figures.members_wrong) == (6, 4)
    assert figures.taken_for == (("dog", 2), ("ship", 2))
    assert figures.label_issues == 2
    assert figures.examples == (2, 3, 0, 1)
    assert figures.train_images == 9
    assert figures.in_words == "2 of 3 wrong, at least 9% (elsewhere 0%)"


def test_counterparts_are_near_right_outside_of_the_class_and_each_once(predictions):
    # Of 2, a cat at 2: 6 at 2.2. Of 3, a dog at 3: 11 at 4, since 8 is wrong. Of 0: 9 at 0.3. Of 1 at 1,
    # 6 and 9 are taken: 10 at 9.
    assert told(predictions, spot()).spots[0].counterparts == (6, 11, 9, 10)


def test_no_counterparts_where_nothing_is_right(predictions):
    wrong = np.arange(4)
    everything = np.ones(12, bool)
    assert account.counterparts(wrong, everything, predictions, EMBEDDINGS) == []


def test_the_table(predictions):
    table = told(predictions, spot(), spot("cat")).members
    assert table["spot"].tolist() == 6 * [1] + 6 * [2]
    assert table["index"].tolist() == 2 * [0, 1, 2, 3, 4, 5]
    assert table["confirming"].tolist() == 6 * [False, True]
    assert table["predicted"].tolist()[:4] == ["dog", "ship", "dog", "ship"]


def test_what_is_written_is_read_again(predictions, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for written in (told(predictions), told(predictions, spot(), spot("cat"), train_images=0)):
        write_blindspots(written)
        read = read_blindspots(CLASSES, 12)
        assert read is not None
        assert read.spots == written.spots
        assert read.members.astype(str).equals(written.members.astype(str))
        assert read.headline == written.headline
        assert read.images_of(2, confirming=True).tolist() == [1, 3, 5][: 3 * len(written.spots)]


def test_files_that_do_not_fit(predictions, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_blindspots(CLASSES, 12) is None
    write_blindspots(told(predictions, spot()))
    with pytest.raises(InputError, match=r"blindspots.csv: damaged \(about other images or spots\)"):
        read_blindspots(CLASSES, 13)
    content = json.loads(artifacts.BLINDSPOT_METRICS.read_text())
    del content["spots"]["1"]["low"]
    artifacts.write_json(artifacts.BLINDSPOT_METRICS, content)
    with pytest.raises(InputError, match=r"blindspots.json: damaged \(.*low"):
        read_blindspots(CLASSES, 12)
    artifacts.BLINDSPOTS.unlink()
    with pytest.raises(InputError, match=r"blindspots\.csv: missing"):
        read_blindspots(CLASSES, 12)


def test_other_positions(predictions):
    place = np.full(12, -1)
    place[[1, 2, 3, 6]] = range(4)
    moved = told(predictions, spot()).moved(place)
    assert moved.images_of(1).tolist() == [0, 1, 2]
    assert moved.images_of(1, confirming=True).tolist() == [0, 2]
    assert (moved.spots[0].examples, moved.spots[0].counterparts) == ((1, 2, 0), (3,))


def test_headlines(predictions):
    assert told(predictions, spot()).headline == "1 blind spot confirmed, 6 of 12 images"
    assert told(predictions, spot(), spot("cat")).headline == "2 blind spots confirmed, 6 of 12 images"
    none = "no blind spot could be confirmed on 12 images"
    assert told(predictions).headline == (
        f"{none}; one would have needed at least 30 images, all of them wrong, or 66 with half of them wrong"
    )
    found = Findings([], 0, np.zeros(12, np.int8), Detectable(30, None))
    assert account.account_for(found, predictions, EMBEDDINGS, set(), []).headline == (
        f"{none}; one would have needed at least 30 images, all of them wrong"
    )
    found = Findings([], 0, np.zeros(12, np.int8), Detectable(30, 30))
    assert account.account_for(found, predictions, EMBEDDINGS, set(), []).headline == (
        f"{none}; one would have needed at least 30 images, half of them wrong"
    )
    found = Findings([], 0, np.zeros(12, np.int8), Detectable(None, None))
    few = account.account_for(found, predictions, EMBEDDINGS, set(), [])
    assert few.headline == f"{none}; there are too few for any"


def test_shares():
    assert [percent(share) for share in (0, 0.004, 0.05, 1)] == ["0%", "0.4%", "5%", "100%"]
