"""The stage that has training labels checked: off, as it ships, and on."""

import time

import numpy as np
import pytest

from src import artifacts, cross_validation, schema
from src.data.dataset import load_dataset
from src.training.loop import Epoch
from tests.project import call, set_params
from tests.training.small_net import SmallClassifier

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture
def small(monkeypatch):
    """A network that trains in no time."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr("src.training.setup.create_model", lambda name, classes, *_: SmallClassifier(classes))


def test_off_it_writes_empty_files_at_once(results, capsys):
    for path in (artifacts.TRAIN_LABEL_ISSUES, artifacts.TRAIN_LABEL_ISSUE_IMAGES):
        path.unlink()
    started = time.perf_counter()
    call("find_label_issues")
    assert time.perf_counter() - started < 1
    assert capsys.readouterr().out == "training labels not checked: label_issues is false\n"
    assert artifacts.TRAIN_LABEL_ISSUES.read_text() == "index,file,label,suggested,score\n"
    images = np.load(artifacts.TRAIN_LABEL_ISSUE_IMAGES)
    assert (images.shape, images.dtype) == ((0, 32, 32, 3), np.uint8)


def test_on_it_lists_training_images_and_keeps_them(results, small, capsys):
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    call("find_label_issues")
    said = capsys.readouterr().out
    assert "fast trains 5 times, each time on 4 of 5 parts of the 200 images, 4 times as long in all" in said
    table = schema.read_table(schema.TRAIN_LABEL_ISSUES, CLASSES)
    assert f"{len(table)} of 200 training labels worth checking" in said
    assert 0 < len(table) < 200
    train = load_dataset().train
    assert table["label"].cat.codes.tolist() == train.labels[table["index"]].tolist()
    assert (table["label"].astype(str) != table["suggested"].astype(str)).all()
    assert table["score"].is_monotonic_increasing
    assert set(table["file"]) == {""}
    images = np.load(artifacts.TRAIN_LABEL_ISSUE_IMAGES)
    np.testing.assert_array_equal(images, train.images[table["index"].to_numpy()])
    assert list(artifacts.CHECKPOINTS.iterdir()) == []


def test_interrupted_it_goes_on_and_ends_as_without(results, small, monkeypatch, capsys):
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    call("find_label_issues")
    paths = (artifacts.TRAIN_LABEL_ISSUES, artifacts.TRAIN_LABEL_ISSUE_IMAGES)
    whole = [path.read_bytes() for path in paths]
    epochs, fit = [], cross_validation.fit

    def interrupted(*arguments: object) -> list[Epoch]:
        def on_epoch_end(row: Epoch) -> None:
            epochs.append(row)
            if len(epochs) == 4:  # the last of the second fold
                raise KeyboardInterrupt

        return fit(*arguments, on_epoch_end)

    with monkeypatch.context() as patch:
        patch.setattr(cross_validation, "fit", interrupted)
        with pytest.raises(SystemExit, match="find_label_issues: interrupted"):
            call("find_label_issues")
    assert [path.read_bytes() for path in paths] == whole  # nothing half-done
    assert len(list(artifacts.CHECKPOINTS.iterdir())) == 2
    capsys.readouterr()
    call("find_label_issues")
    said = capsys.readouterr().out
    assert "fold 1 of 5: finished before" in said
    assert "resumes after epoch 1 of 2" in said
    assert [path.read_bytes() for path in paths] == whole
    assert list(artifacts.CHECKPOINTS.iterdir()) == []


def test_too_many_are_not_all_kept(results, small, monkeypatch):
    monkeypatch.setattr("stages.find_label_issues.MOST", 3)
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    call("find_label_issues")
    assert len(schema.read_table(schema.TRAIN_LABEL_ISSUES, CLASSES)) == 3
    assert len(np.load(artifacts.TRAIN_LABEL_ISSUE_IMAGES)) == 3
