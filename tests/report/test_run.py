"""Reading a run from any revision, without checking it out."""

import dataclasses
import gc
import hashlib
import io
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from src import artifacts, compare, schema
from src.data.images import JpegImages, RawImages, images_file, offsets_of
from src.errors import InputError
from src.evaluation.label_issues import find_label_issues
from src.report import page
from src.report.run import FILES, read_run
from tests.project import Project, replace, set_params

RESULTS = (
    "predictions",
    "confusion_matrix",
    "class_accuracy",
    "label_issues",
    "curves",
    "metrics",
    "heatmaps",
    "heatmap_checks",
    "images",
)


@pytest.fixture
def project(compared, tmp_path, monkeypatch) -> Project:
    """A copy of it, the working folder."""
    project = compared.copy(tmp_path / "project")
    project.enter(monkeypatch)
    return project


def same(one: object, other: object) -> bool:
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    if isinstance(one, np.ndarray | RawImages | JpegImages):
        return np.array_equal(one[:], other[:])
    return one == other


def test_workspace_and_revision_are_read_alike(project):
    here, there = read_run(), read_run("main")
    assert (here.name, there.name) == ("workspace", "main")
    for name in set(RESULTS) - {"predictions"}:
        assert same(getattr(here, name), getattr(there, name)), name
    assert np.array_equal(here.predictions.probabilities, there.predictions.probabilities)
    assert here.params == there.params
    assert here.params["optimizer.lr"] == yaml.safe_load(Path("params.yaml").read_text())["optimizer"]["lr"]
    assert here.test_data == there.test_data
    assert (here.heatmap_layer, here.heatmaps.shape) == ("layer3", (100, 9, 9))
    assert here.heatmap_checks["height"] == 9


def test_an_experiment_that_was_never_in_the_workspace(project):
    run = read_run("longer")
    assert run.params["epochs"] == len(run.curves) == 3
    assert run.metrics == json.loads(project.show("longer", artifacts.TEST_METRICS))
    assert run.metrics["accuracy"] == pytest.approx(run.predictions.right.mean())


@pytest.mark.parametrize(
    ("revision", "line"),
    [
        ("mian", "mian: not a branch, tag, commit or experiment"),
        ("", "an empty name is not a revision"),
        ("main:src", "main:src: cannot be read"),
        ("nothing", "nothing: has no dvc.lock and therefore no results; was the pipeline run there?"),
    ],
)
def test_what_is_no_revision_with_results(project, revision, line):
    with pytest.raises(InputError, match=line):
        read_run(revision)


def test_a_name_of_several_experiments(project):
    for commit in ("0" * 40, "1" * 40):
        project.run("git", "update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/twin", "HEAD")
    with pytest.raises(InputError, match="twin: several experiments have this name; `dvc exp list"):
        read_run("twin")


def test_a_workspace_of_other_params(project):
    set_params(project.folder, {"seed": 7})
    line = r"workspace: the results do not match its params.yaml \(stage find_lr\); run `dvc repro` first"
    with pytest.raises(InputError, match=line):
        read_run()


@pytest.mark.parametrize(
    "path",
    [
        artifacts.PREDICTIONS,
        artifacts.PROBABILITIES,
        artifacts.CONFUSION_MATRIX,
        artifacts.CLASS_ACCURACY,
        artifacts.LABEL_ISSUES,
        artifacts.TEST_METRICS,
        artifacts.TRAINING_CURVES,
        artifacts.HEATMAPS,
        artifacts.BLINDSPOTS,
    ],
    ids=str,
)
def test_a_file_that_is_not_of_this_run(project, path):
    replace(path, path.read_bytes() + b"\n")
    with pytest.raises(InputError, match=f"{path}: differs from dvc.lock; run `dvc checkout`"):
        read_run()


def test_a_stage_that_ran_with_what_is_no_longer_there(project):
    # As if train had run again, and evaluate not.
    text = Path("dvc.lock").read_text()
    outputs = yaml.safe_load(text)["stages"]["train"]["outs"]
    [model] = [out["md5"] for out in outputs if out["path"] == artifacts.TRAINED_MODEL.as_posix()]
    replace(Path("dvc.lock"), text.replace(model, "0" * 32, 1))
    with pytest.raises(
        InputError, match=r"the results do not match its params.yaml \(stage (evaluate|gradcam)\)"
    ):
        read_run()


@pytest.mark.parametrize("path", [artifacts.PREDICTIONS, artifacts.PROBABILITIES, artifacts.PARAMS], ids=str)
def test_a_file_that_is_not_there(project, path):
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: missing"):
        read_run()


def test_without_heatmaps(project):
    artifacts.HEATMAPS.unlink()
    artifacts.GRADCAM_METRICS.unlink()
    run = read_run()
    assert (run.heatmaps, run.heatmap_layer, run.heatmap_checks) == (None, "", {})
    assert "<title>workspace" in page.render(run)


def test_blind_spots(project):
    blindspots = read_run().blindspots
    assert blindspots is not None
    assert blindspots.total == 100
    for path in (artifacts.BLINDSPOTS, artifacts.BLINDSPOT_METRICS):
        path.unlink()
    run = read_run()  # as of a version that did not look for them
    assert run.blindspots is None
    assert 'id="blindspots"' not in page.render(run)


def test_damaged_files_are_told_in_a_line(project):
    replace(artifacts.PARAMS, "seed: [")
    with pytest.raises(InputError, match="workspace: its files are damaged"):
        read_run()


def test_another_dataset(project):
    path = artifacts.DATASET / "meta.json"
    content = json.loads(path.read_text())
    content["sha256"]["test_images"] = "0" * 64
    replace(path, json.dumps(content))
    with pytest.raises(InputError, match="evaluated on different test images: main on sample"):
        compare.main(["main"])
    content["classes"][0] = "plane"
    replace(path, json.dumps(content))
    with pytest.raises(InputError, match=r"data/predictions.csv: damaged \(row \d+: \w+ is 'airplane'"):
        read_run()


def cached(project: Project, path: Path) -> Path:
    """Where DVC's cache has an output of `main`."""
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())
    outputs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    [md5] = [out["md5"] for out in outputs if out["path"] == path.as_posix()]
    return project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def test_results_that_are_in_no_cache(project):
    cached(project, artifacts.HEATMAPS).unlink()
    assert read_run("main").heatmaps is None
    cached(project, artifacts.PREDICTIONS).unlink()
    with pytest.raises(
        InputError, match=r"main: data/predictions.csv is not in DVC's cache, and no remote .* `dvc repro`"
    ):
        read_run("main")


def test_outside_of_any_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not the root of a project"):
        read_run("main")
    with pytest.raises(InputError, match=r"params\.yaml: missing"):
        read_run()


# --- the test images, however they are stored


def store_as_jpeg(folder: Path) -> None:
    """Rewrite a dataset's test images as `images.store: jpeg` would have written them."""
    meta = artifacts.read_json(folder / "meta.json")
    raw = images_file(folder, "test", "raw")
    images, path = np.load(raw), images_file(folder, "test", "jpeg")
    files = [io.BytesIO() for _ in images]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(image).save(file, "JPEG")
    raw.unlink()
    replace(path, b"".join(file.getvalue() for file in files))
    np.save(offsets_of(path), np.cumsum([0, *(len(file.getvalue()) for file in files)]))
    meta |= {"store": "jpeg", "preprocessing": {"size": 32}}
    replace(folder / "meta.json", json.dumps(meta))


def commit_dataset(project: Project, tag: str) -> None:
    """As if all stages had run on data/dataset as it is."""
    project.run("dvc", "commit", "--force", "download")
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    [md5] = [out["md5"] for out in lock["stages"]["download"]["outs"] if out["path"] == "data/dataset"]
    for stage in lock["stages"].values():
        for dep in stage["deps"]:
            dep["md5"] = md5 if dep["path"] == "data/dataset" else dep["md5"]
    replace(Path("dvc.lock"), yaml.safe_dump(lock))
    project.commit()
    project.run("git", "tag", tag)


def test_jpeg_images_of_workspace_and_revision(project):
    raw = read_run().images[:]
    store_as_jpeg(artifacts.DATASET)
    commit_dataset(project, "jpeg")
    for run in (read_run(), read_run("jpeg")):
        assert isinstance(run.images, JpegImages)
        assert run.images.shape == raw.shape
        assert np.abs(run.images[:].astype(int) - raw).mean() < 12
        assert "<title>" in page.render(run)


def test_copies_last_as_long_as_the_run(project):
    run = read_run("main")
    folder = run.copies.folder
    assert run.images[:1].shape == (1, 32, 32, 3)
    other = dataclasses.replace(run, name="other")
    del run
    assert folder.exists()
    assert other.images[:1].any()
    del other
    gc.collect()
    assert not folder.exists()


def test_memory_stays_flat_however_large_the_test_split_is(project):
    images = np.lib.format.open_memmap("large.npy", "w+", np.uint8, (100, 1000, 1000, 3))
    images.flush()
    images_file(artifacts.DATASET, "test", "raw").unlink()
    Path("large.npy").rename(images_file(artifacts.DATASET, "test", "raw"))
    tracemalloc.start()
    run = read_run()
    html = page.render(run)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.images.shape == (100, 1000, 1000, 3)
    assert "<title>" in html
    assert peak < 60e6  # of 300 MB


def test_what_is_known_of_the_files(project):
    before, rows = artifacts.SKIPPED.read_bytes(), b"file,reason\na.jpg,truncated\n"
    for run in (read_run(), read_run("main")):
        assert (len(run.skipped), len(run.duplicates)) == (0, 0)  # the sample has no files
        assert run.data["images"] == {"train": 200, "test": 100}
    replace(artifacts.SKIPPED, rows)
    with pytest.raises(InputError, match=r"data/skipped.csv: differs from dvc.lock"):
        read_run()
    sums = [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in (before, rows)]
    replace(Path("dvc.lock"), Path("dvc.lock").read_text().replace(*sums))
    assert read_run().skipped.to_dict("list") == {"file": ["a.jpg"], "reason": ["truncated"]}


def test_what_marks_and_lists_of_labels_need(project):
    assert read_run("main").contents == {}  # the sample has no files
    assert len(read_run("main").train_label_issues) == 0
    table, images = artifacts.TRAIN_LABEL_ISSUES, artifacts.TRAIN_LABEL_ISSUE_IMAGES
    artifacts.write_text(table, "index,file,label,suggested,score\n7,b.jpg,cat,dog,0.25\n")
    artifacts.write_array(images, np.full((1, 32, 32, 3), 9, np.uint8))
    parts = ["train"] * 200 + ["test"] * 100
    files = pd.DataFrame({"part": parts, "index": [*range(200), *range(100)], "width": 9, "height": 9})
    files.assign(file="NA", content=[f"{row:064x}" for row in range(300)]).to_csv(FILES, index=False)
    project.run("dvc", "commit", "--force", "find_label_issues")
    commit_dataset(project, "files")
    for run in (read_run(), read_run("files")):
        assert run.contents["train"].tolist() == [f"{row:064x}" for row in range(200)]
        assert run.contents["test"].tolist() == [f"{row:064x}" for row in range(200, 300)]
        assert run.train_label_issues.astype(str).values.tolist() == [["7", "b.jpg", "cat", "dog", "0.25"]]
        assert run.train_issue_images.shape == (1, 32, 32, 3)
        assert f'"sha256":["{7:064x}"]' in page.render(run)


# --- runs that an older version made


class OldVersion:
    """Turns a project's results into what the version before `data/probabilities.npy` would have left."""

    NEW = ("data/probabilities.npy", "data/confusion_matrix.csv", "data/label_issues.csv")

    def __init__(self, project: Project) -> None:
        self.project = project
        self.run = read_run()
        self.changed: dict[str, str] = {}  # path to its new MD5

    def make(self, damage: tuple[str, str] = ("$", "")) -> None:
        """Do it; `damage` is a pattern and what it is replaced by, once, in the predictions."""
        self._write(artifacts.PREDICTIONS, re.sub(*damage, self._wide_predictions(), count=1))
        table = schema.read_table(schema.CLASS_ACCURACY)[["class", "accuracy"]]
        self._write(artifacts.CLASS_ACCURACY, table.to_csv(index=False))
        table = schema.read_table(schema.MISCLASSIFIED)
        table["label_issue"] = np.where(table["label_issue"], "true", "false")
        table = table.drop(columns="file").rename(columns={"label_issue": "label_doubted"})
        self._write(artifacts.MISCLASSIFIED, table.to_csv(index=False))
        metrics = json.loads(artifacts.TEST_METRICS.read_text())
        del metrics["confidence"]
        self._write(artifacts.TEST_METRICS, json.dumps(metrics))
        checks = artifacts.GRADCAM_METRICS.read_text().replace("randomized_corr", "scrambled_corr")
        self._write(artifacts.GRADCAM_METRICS, checks)
        for name in self.NEW:
            Path(name).unlink()
        self._rewrite_lock()
        self._rewrite_stages()

    def _wide_predictions(self) -> str:
        predictions = self.run.predictions
        columns = dict(zip(predictions.classes, predictions.probabilities.T.astype(float), strict=True))
        table = predictions.frame().drop(columns="file").assign(**columns)
        return table.to_csv(index=False, float_format="%.8g")

    def _write(self, path: Path, text: str) -> None:
        replace(path, text)
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        self.changed[path.as_posix()] = md5
        cache = self.project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(text)

    def _rewrite_lock(self) -> None:
        lock = yaml.safe_load(Path("dvc.lock").read_text())
        for stage in lock["stages"].values():
            for kind in ("deps", "outs"):
                stage[kind] = [entry for entry in stage[kind] if entry["path"] not in self.NEW]
                for entry in stage[kind]:
                    if entry["path"] in self.changed:
                        entry["md5"] = self.changed[entry["path"]]
                        entry["size"] = Path(entry["path"]).stat().st_size
        lock["stages"]["train"]["outs"] += lock["stages"].pop("preview")["outs"]
        replace(Path("dvc.lock"), yaml.safe_dump(lock))

    def _rewrite_stages(self) -> None:
        content = yaml.safe_load(Path("dvc.yaml").read_text())
        stages = content["stages"]
        preview = stages.pop("preview")
        for kind in ("outs", "plots"):
            stages["train"][kind] += preview[kind]
        for stage in stages.values():
            for kind in ("deps", "outs"):
                stage[kind] = [entry for entry in stage.get(kind, []) if entry not in self.NEW]
        replace(Path("dvc.yaml"), yaml.safe_dump(content))


@pytest.fixture
def old(project) -> OldVersion:
    """The workspace holds the run `main` as an older version would have left it; `today` is as it was."""
    project.run("git", "tag", "today")
    old = OldVersion(project)
    old.make()
    return old


def check(run, today) -> None:
    np.testing.assert_allclose(run.predictions.probabilities, today.predictions.probabilities, atol=1e-7)
    assert np.array_equal(run.predictions.predicted, today.predictions.predicted)
    for name in ("confusion_matrix", "class_accuracy", "curves", "heatmap_checks", "images", "heatmaps"):
        assert same(getattr(run, name), getattr(today, name)), name
    assert run.label_issues["index"].tolist() == today.label_issues["index"].tolist()
    for name, value in today.metrics.items():
        assert run.metrics[name] == pytest.approx(value, abs=1e-6), name
    assert "randomized_correlation" in run.heatmap_checks


def test_a_workspace_of_an_older_version(old):
    before = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    check(read_run(), old.run)
    assert len(find_label_issues(old.run.predictions)) == len(read_run().label_issues)
    # It is only read: what today's version would have written beside it is not there.
    assert {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()} == before


def test_a_revision_of_an_older_version_beside_a_new_one(project, old, capsys):
    project.commit()
    project.run("git", "tag", "old")
    check(read_run("old"), old.run)

    compare.main(["old", "today", "--json"])
    alike = json.loads(capsys.readouterr().out)
    assert (alike["churn"], alike["params"]) == (0, {})
    compare.main(["old", "longer", "--json", "-o", "page.html"])
    older = json.loads(capsys.readouterr().out)
    compare.main(["today", "longer", "--json"])
    newer = json.loads(capsys.readouterr().out)
    assert older | {"a": "today"} == newer
    assert "<title>old → longer" in Path("page.html").read_text()
    # In a process of its own, as it is typed.
    assert "broken: p = " in project.run("python", "-m", "src.compare", "old", "longer")


@pytest.mark.parametrize("damage", [("airplane", "plane"), ("\n0,", "\n0,un"), (r"[\d.e-]+\n1,", "x\n1,")])
def test_damaged_predictions_of_an_older_version(project, damage):
    OldVersion(project).make(damage)
    with pytest.raises(InputError, match=r"data/predictions.csv: damaged, or not about airplane, automobile"):
        read_run()
