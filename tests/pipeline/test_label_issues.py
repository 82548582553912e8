"""The stage that has training labels checked: off, as it ships, and on."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest

from src import artifacts, cross_validation, schema
from src.data.corrections import image_sha256
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
    assert "each time on 4 of 5 parts of the 200 images; in all this takes 4 times as long" in said
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


def test_labels_found_fine_are_listed_no_longer_and_nothing_is_trained_for_it(results, small, capsys):
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    call("find_label_issues")
    before = schema.read_table(schema.TRAIN_LABEL_ISSUES, CLASSES)
    index, label = before.loc[1, ["index", "label"]]
    [content] = image_sha256(artifacts.DATASET, "train", np.array([index]))
    with artifacts.CORRECTIONS.open("a") as file:
        file.write(f"train,{index},,{content},{label},fine,\n")
    capsys.readouterr()
    call("find_label_issues")
    assert capsys.readouterr().out.count("finished before") == 5
    after = schema.read_table(schema.TRAIN_LABEL_ISSUES, CLASSES)
    assert after["index"].tolist() == before["index"].drop(1).tolist()
    assert len(np.load(artifacts.TRAIN_LABEL_ISSUE_IMAGES)) == len(after)


def test_the_users_own_images_are_named_and_their_duplicates_known(results, small):
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    dataset = load_dataset()
    names = [f"{number}.png" for number in range(200)]
    about = {"file": names, "index": range(200), "width": 32, "height": 32, "part": "train"}
    about |= {"content": [f"{number:064}" for number in range(200)]}
    pd.DataFrame(about).to_csv(artifacts.DATASET / "files.csv", index=False)
    pair = [names[3], names[150]]
    labels = [dataset.classes[dataset.train.labels[number]] for number in (3, 150)]
    assert labels[0] != labels[1]
    same = {"cluster": 1, "kind": "exact", "file": pair, "class": labels, "part": "train"}
    schema.write_table(schema.DUPLICATES, pd.DataFrame(same).assign(dropped=False, label_conflict=True))
    call("find_label_issues")
    table = schema.read_table(schema.TRAIN_LABEL_ISSUES, CLASSES)
    assert set(table["file"][:2]) == set(pair)
    assert set(table["suggested"][:2]) == set(labels)
    assert table["file"].tolist() == [names[index] for index in table["index"]]
    assert table["score"][2:].is_monotonic_increasing


def test_interrupted_it_goes_on_and_ends_as_without(results, small, monkeypatch, capsys):
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    call("find_label_issues")
    paths = (artifacts.TRAIN_LABEL_ISSUES, artifacts.TRAIN_LABEL_ISSUE_IMAGES)
    whole = [path.read_bytes() for path in paths]
    shutil.rmtree(artifacts.CHECKPOINTS)
    epochs, fit = [], cross_validation.fit

    def interrupted(*arguments: object) -> list[Epoch]:
        def on_epoch_end(row: Epoch) -> None:
            epochs.append(row)
            if len(epochs) == 4:  # the last of the second fold
                raise KeyboardInterrupt

        return fit(*arguments, on_epoch_end)

    with monkeypatch.context() as patch:
        patch.setattr(cross_validation, "fit", interrupted)
        with pytest.raises(SystemExit):
            call("find_label_issues")
        assert capsys.readouterr().err.endswith("find_label_issues: interrupted\n")
    assert [path.read_bytes() for path in paths] == whole  # nothing half-done
    assert len(list(artifacts.CHECKPOINTS.iterdir())) == 2
    capsys.readouterr()
    call("find_label_issues")
    said = capsys.readouterr().out
    assert "fold 1 of 5: finished before" in said
    assert "resumes after epoch 1 of 2" in said
    assert [path.read_bytes() for path in paths] == whole
    assert "fold" not in "".join(path.name for path in artifacts.CHECKPOINTS.iterdir())


def test_too_many_are_not_all_kept(results, small, monkeypatch):
    monkeypatch.setattr("stages.find_label_issues.MOST", 3)
    set_params(results, {"label_issues": True, "optimizer.name": "adamw"})
    call("find_label_issues")
    assert len(schema.read_table(schema.TRAIN_LABEL_ISSUES, CLASSES)) == 3
    assert len(np.load(artifacts.TRAIN_LABEL_ISSUE_IMAGES)) == 3
