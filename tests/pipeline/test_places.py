"""Projects that are not the root of a git repository, and experiments in copies of them."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from benchmarks import clone
from src import artifacts, compare, predict
from src.data.dataset import load_dataset
from src.errors import InputError
from src.models.registry import create_model
from src.report.__main__ import main as report
from src.report.run import read_run
from tests.project import Project, replace, stages_run
from tests.small_run import write_pictures

PROJECTS = ("ml", "other/vision")


@pytest.fixture(scope="module", params=["a .dvc each", "one .dvc"])
def repository(compared, tmp_path_factory, request) -> Path:
    """A repository with two projects, `ml` with the experiment `custom-resnet`, the other with `longer`.

    What they need is in the run cache already. Never to be changed: see `copied`.
    """
    root = tmp_path_factory.mktemp("places") / "repository"
    for name in PROJECTS:
        Project(compared.folder).copy(root / name)
        shutil.rmtree(root / name / ".git")
    if request.param == "one .dvc":
        (root / "ml/.dvc").rename(root / ".dvc")
        shutil.copy(root / "ml/.dvcignore", root)
        shutil.rmtree(root / "other/vision/.dvc")
        # What .dvc/config and dvc.yaml name relative to .dvc.
        shutil.copytree(root / "ml/src/report/web", root / "src/report/web")
    (root / ".gitignore").write_text("/dvc-site-cache/\n/other/dvc-site-cache/\n")
    ml, other = (Project(root / name) for name in PROJECTS)
    ml.run("git", "init", "--quiet", "--initial-branch=main", str(root))
    ml.run("git", "commit", "--quiet", "--allow-empty", "--message=Before")
    ml.run("git", "tag", "nothing")
    ml.run("git", "add", "--all", str(root))
    ml.run("git", "commit", "--quiet", "--message=Projects")
    printed = ml.run("dvc", "exp", "run", "--temp", "--name", "custom-resnet", "-S", "evaluate.tta=none")
    printed += other.run("dvc", "exp", "run", "--name", "longer", "-S", "epochs=3")
    assert stages_run(printed) == []
    other.restore()
    return root


@pytest.fixture
def copied(repository, tmp_path) -> Project:
    """The project `ml` in a copy of it."""
    Project(repository).copy(tmp_path / "repository")
    return Project(tmp_path / "repository/ml")


@pytest.fixture
def printed(monkeypatch, capsys):
    """What a command prints in a project."""

    def run(folder: Path, main, *arguments: str) -> str:
        Project(folder).enter(monkeypatch)
        main(list(arguments))
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("name", "experiment", "keys"),
    [("ml", "custom-resnet", {"evaluate.tta"}), ("other/vision", "longer", {"epochs"})],
)
def test_experiments_of_each_project(repository, printed, tmp_path, name, experiment, keys):
    project = Project(repository / name)
    shown = json.loads(printed(project.folder, compare.main, "main", experiment, "--json"))
    for revision, letter in (("main", "a"), (experiment, "b")):
        metrics = json.loads(project.show(revision, Path(name) / artifacts.TEST_METRICS))
        assert shown["accuracy"][letter] == pytest.approx(metrics["accuracy"])
    assert set(shown["params"]) == keys
    against_workspace = json.loads(printed(project.folder, compare.main, experiment, "--json"))
    assert set(against_workspace["params"]) == keys

    printed(project.folder, report, experiment, "-o", str(tmp_path / "report.html"))
    assert f"<title>{experiment}" in (tmp_path / "report.html").read_text()

    [picture, *_] = write_pictures(load_dataset(), tmp_path / "pictures")
    known = read_run(experiment).predictions
    answer = printed(project.folder, predict.main, str(picture), "--csv", "--rev", experiment)
    assert answer.splitlines()[1].split(",")[1] == known.classes[known.predicted[0]]


def test_lists_and_the_demo(copied):
    rows = copied.run("python", "-m", "recipes.results").splitlines()
    [row] = [row.split("|") for row in rows if "not run" not in row][2:]
    metrics = json.loads(copied.show("custom-resnet", Path("ml") / artifacts.TEST_METRICS))
    assert (row[1].strip(), row[3].strip()) == ("custom-resnet", f"{metrics['accuracy']:.2%}")
    assert "custom-resnet" in copied.run("make", "--old-file=.venv/ready", "experiments", COLUMNS="200")

    demo = ("make", "--old-file=.venv/ready", "demo", "DEMO=-S dataset=sample -S evaluate.tta=none")
    accuracy = copied.run(*demo).splitlines()[-3]
    assert accuracy == f"test accuracy: {metrics['accuracy']:.1%}"
    assert (copied.folder / "demo/plots/gradcam/01.png").exists()
    assert copied.run("git", "status", "--short") == ""


def test_a_clone_of_one_is_that_folder_of_a_clone(repository, monkeypatch):
    Project(repository / "ml").enter(monkeypatch)
    with clone.clone() as made:
        assert (made.folder.name, (made.folder / "../other/vision/params.yaml").exists()) == ("ml", True)
        assert "200 training" in made.run("python", "-m", "stages.download")


def test_no_results_are_one_line(repository, printed):
    lines = {
        "nothing": "nothing: has no dvc.lock and therefore no results; was the pipeline run there?",
        "mian": "mian: not a branch, tag, commit or experiment; `git branch` and `dvc exp list --n",
    }
    for revision, line in lines.items():
        with pytest.raises(InputError) as raised:
            printed(repository / "ml", compare.main, revision)
        assert str(raised.value).startswith(line)
        assert "\n" not in str(raised.value)


def test_over_a_link_and_in_a_worktree(copied, printed, tmp_path):
    arguments = ("main", "custom-resnet", "--json")
    ask = ("python", "-m", "src.compare", *arguments)
    expected = printed(copied.folder, compare.main, *arguments)
    (tmp_path / "link").symlink_to(copied.folder.parent)
    linked = Project(tmp_path / "link/ml")
    assert linked.run(*ask, PWD=str(linked.folder)) == expected

    copied.run("git", "worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "side")
    tree = Project(tmp_path / "tree/ml")
    [line] = tree.attempt(*ask).stderr.splitlines()
    assert line.startswith("compare: main: data/dataset/meta.json is not in DVC's cache")
    cache = next(
        folder / ".dvc/cache"
        for folder in (copied.folder, copied.folder.parent)
        if (folder / ".dvc").exists()
    )
    tree.run("dvc", "cache", "dir", "--local", str(cache))
    assert printed(tree.folder, compare.main, *arguments) == expected


def test_as_a_submodule(compared, tmp_path):
    outer = Project(tmp_path / "outer")
    outer.folder.mkdir()
    outer.run("git", "init", "--quiet")
    add = ("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    outer.run(*add, str(compared.folder), "inner")
    inner = Project(outer.folder / "inner")
    inner.run("dvc", "cache", "dir", "--local", str(compared.folder / ".dvc/cache"))
    inner.run("dvc", "exp", "run", "--temp", "--name", "mine", "-S", "epochs=3")
    shown = json.loads(inner.run("python", "-m", "src.compare", "main", "mine", "--json"))
    assert set(shown["params"]) == {"epochs"}


# The other is simpler: there, the copy is the project's own.
@pytest.mark.parametrize("repository", ["one .dvc"], indirect=True)
def test_a_relative_path_means_the_project_in_a_copy_too(copied):
    place = copied.folder.parent / "weights.pt"
    torch.save(create_model("fast", 10).state_dict(), place)
    flags = ("-S", "weights=../weights.pt", "-S", "epochs=1")
    printed = copied.run("dvc", "exp", "run", "--temp", "preview", *flags)
    assert re.search(r"weights: \d+ tensors loaded", printed)


@pytest.mark.parametrize(("name", "sign"), [("a#b", "#"), ("zürich", "ü")])
def test_folders_in_which_dvc_makes_no_copies(finished, tmp_path, name, sign):
    project = finished.copy(tmp_path / name)
    failed = project.attempt("dvc", "exp", "run", "--temp")
    assert failed.returncode != 0  # or else there is nothing to warn of any more
    for prefix, command in {
        "copies": ("make", "--old-file=.venv/ready", "demo"),
        "enqueue": ("python", "-m", "recipes.enqueue"),
    }.items():
        done = project.attempt(*command)
        assert done.returncode != 0
        line = done.stderr.splitlines()[0]
        assert line.startswith(f"{prefix}: --temp and queued experiments fail in {project.folder}: ")
    # Where nothing fails, too, so that it is known in time.
    said = f"--temp and queued experiments fail in {project.folder}: DVC trips over '{sign}' in "
    assert project.run("python", "-m", "stages.download").startswith(said)


def test_a_new_file_is_asked_for_before_and_in_a_copy(project):
    (project.folder / "src/models/mine.py").write_text("MINE = 1\n")
    registry = project.folder / "src/models/registry.py"
    replace(registry, registry.read_text() + "\nfrom src.models.mine import MINE  # noqa\n")
    said = "--temp and queued experiments lack src/models/mine.py; run `git add -N src/models/mine.py`"
    assert project.run("python", "-m", "stages.download").splitlines()[0] == said
    project.run("git", "restore", "metrics", "plots")
    preview = ("dvc", "exp", "run", "--temp", "preview")
    done = project.attempt(*preview)
    assert "preview: src/models/mine.py is in the project, but not in the copy" in done.stderr
    assert "Traceback" not in done.stderr
    project.run("git", "add", "-N", "src/models/mine.py")
    project.run(*preview)
