"""From a mistake to its fix: what was marked on a report, applied, trained with, compared, and cloned."""

import json

from src import artifacts
from src.data.dataset import load_dataset
from src.report.run import read_run
from tests.corrections import row, write
from tests.project import STAGES, Project, stages_run


def test_a_correction_reaches_every_result_and_survives_a_clone(project, tmp_path, monkeypatch):
    project.enter(monkeypatch)
    project.commit()
    project.run("git", "tag", "before")
    before = read_run("before")
    listed, right = (before.label_issues[name].tolist() for name in ("index", "suggested"))
    marked = write(
        row("test", listed[0], "wrong", right[0]),
        row("test", listed[1], "unusable"),
        row("test", listed[2], "fine"),
        row("train", 5, "unusable"),
    )
    assert project.run("git", "status", "--porcelain") == ""  # nobody commits it by mistake
    project.run("python", "-m", "src.corrections", "apply", str(marked))
    assert project.run("git", "status", "--porcelain") == " M data/corrections.csv\n"

    printed = project.run("dvc", "repro")
    assert stages_run(printed) == STAGES
    assert "corrections: 1 image relabeled, 2 images left out" in printed
    dataset = load_dataset()
    assert (list(dataset.corrections["relabeled"]), dataset.corrections["removed"]) == (["test"], 2)
    assert (len(dataset.train), len(dataset.test)) == (199, 99)
    place = listed[2] - (listed[1] < listed[2])
    assert place not in read_run().label_issues["index"].tolist()
    described = json.loads(artifacts.DATASET_METRICS.read_text())["corrections"]
    assert described == {"relabeled": {"test": 1}, "removed": 2}

    compared = json.loads(project.run("python", "-m", "src.compare", "before", "--json"))
    assert (compared["test_labels_changed"], compared["test_images_removed"]) == (1, 1)
    metrics = json.loads(artifacts.TEST_METRICS.read_text())
    assert compared["accuracy"]["b"] == metrics["accuracy"]
    was_right = before.predictions.right.sum() - before.predictions.right[listed[1]]
    assert compared["by_labels_of_a"]["accuracy"]["a"] * 99 == was_right
    # A report of what was before is as it was.
    assert "report.html" in project.run("python", "-m", "src.report", "before")

    project.commit()
    project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "repro", "download")
    assert clone.run("git", "status", "--porcelain") == ""  # dvc.lock has the same sums
    assert (clone.folder / artifacts.DATASET / "meta.json").read_bytes() == (
        artifacts.DATASET / "meta.json"
    ).read_bytes()


def test_a_label_that_was_found_right_trains_nothing_again(project, monkeypatch):
    project.enter(monkeypatch)
    index = read_run().label_issues["index"][0]
    write(row("test", index, "fine"), path=artifacts.CORRECTIONS)
    # Heatmaps only if it is among the mistakes that are shown.
    assert stages_run(project.run("dvc", "repro"))[:3] == ["download", "evaluate", "find_misclassified"]
    assert index not in read_run().label_issues["index"].tolist()
