"""The lists of labels worth checking."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.report import labels
from src.report.links import Originals
from src.report.run import Run
from tests.report.runs import names, photographs


@pytest.fixture
def run(pair) -> Run:
    """With training labels that were checked, too."""
    run = pair[0]
    classes = pd.CategoricalDtype(list(run.predictions.classes))
    table = pd.DataFrame({"index": [7, 3, 900], "file": "", "score": [0.01, 0.025, 0.3]})
    for name, values in (("label", ["cat", "dog", "ship"]), ("suggested", ["dog", "cat", "airplane"])):
        table[name] = pd.Series(values, dtype=classes)
    return dataclasses.replace(run, train_label_issues=table, train_issue_images=run.images[100:103])


def lists(run: Run, budget: int = 10**6) -> list[dict]:
    return labels.lists(run, Originals(run.source, Path("report.html")), budget)


def test_the_most_doubtful_first(run):
    tested, trained = lists(run)
    issues = run.label_issues
    assert (tested["split"], trained["split"]) == ("test", "train")
    assert tested["index"] == issues["index"].tolist()
    assert len(tested["index"]) > 20
    assert [run.predictions.classes[c] for c in tested["suggested"]] == issues["suggested"].tolist()
    assert tested["label"] == run.predictions.actual[tested["index"]].tolist()
    assert trained["index"] == [7, 3, 900]
    assert trained["score"] == [0.01, 0.025, 0.3]
    for entries, images in ((tested, run.images[tested["index"]]), (trained, run.images[100:103])):
        assert entries["more"] == 0
        assert entries["sha256"] == [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        assert len(entries["pictures"]) == len(images)


def test_without_training_labels(pair):
    assert [entries["split"] for entries in lists(pair[0])] == ["test"]


def test_no_more_than_there_is_room_for(run):
    everything = lists(run)
    some = lists(run, 20_000)
    assert labels.size(some) < 20_000 < labels.size(everything)
    for entries, of_all in zip(some, everything, strict=True):
        count = len(entries["index"])
        assert entries["index"] == of_all["index"][:count]
        assert entries["more"] == len(of_all["index"]) - count
    assert some[0]["more"] > 0
    assert some[1]["more"] == 0  # half of the room is for them


def test_images_with_files_are_known_by_their_files():
    files = [f"{row}.jpg" for row in range(20)]
    run = photographs("own", 0, 20, names(2), 16, files)
    positions = np.array([3, 0])
    found = labels.image_sums(run, "test", run.images[positions], positions)
    assert found == [hashlib.sha256(file.encode()).hexdigest() for file in ("3.jpg", "0.jpg")]
    older = dataclasses.replace(run, contents={})
    assert labels.image_sums(older, "test", run.images[positions], positions) is None


def test_the_same_picture_with_another_label():
    run = photographs("own", 0, 20, names(2), 16, [f"{row}.jpg" for row in range(20)])
    run = dataclasses.replace(run, label_issues=run.label_issues.iloc[[0, 0]].assign(index=[1, 3]))
    doubted = ["1.jpg", "3.jpg"]
    parts, flags = ["test", "test", "train"], ["true", "false", "true"]
    table = {"file": [*doubted, doubted[1]], "part": parts, "label_conflict": flags}
    [tested] = lists(dataclasses.replace(run, duplicates=pd.DataFrame(table)))
    assert tested["conflict"][:2] == [1, 0]


def test_marks_belong_to_a_dataset(pair):
    one, other = (dataclasses.replace(run, sums={"test_images": "a", "test_labels": "b"}) for run in pair)
    assert labels.marks_key(one) == labels.marks_key(other)  # another model of the same data
    relabeled = dataclasses.replace(one, sums=one.sums | {"test_labels": "c"})
    assert labels.marks_key(relabeled) != labels.marks_key(one)
    classes = ("plane", *one.predictions.classes[1:])
    renamed = dataclasses.replace(one, predictions=dataclasses.replace(one.predictions, classes=classes))
    assert labels.marks_key(renamed) != labels.marks_key(one)
