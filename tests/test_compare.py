"""Comparing revisions of a real project, as people type it."""

import json

import pytest
import yaml

from src import compare, experiments
from src.errors import InputError
from tests.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny):
    """A branch `main` with results, and experiments: `plain` in the cache alone, `other` made by --temp."""
    project = Project(tmp_path_factory.mktemp("compared"), tiny)
    project.run("git", "tag", "nothing")
    project.run("dvc", "repro")
    project.commit()
    project.run("dvc", "exp", "run", "--temp", "--name", "other", "-S", "seed=1")
    project.run("dvc", "exp", "run", "--name", "plain", "-S", "evaluate.tta=none")
    project.run("git", "restore", ".")
    project.run("dvc", "checkout")
    return project


@pytest.fixture
def printed(project, monkeypatch, capsys):
    """What a comparison in the project prints."""
    monkeypatch.chdir(project.folder)

    def run(*arguments: str) -> str:
        compare.main(list(arguments))
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("a", "b", "key"),
    [
        ("main", "plain", "evaluate.tta"),
        ("main", "other", "seed"),
        ("other", "plain", "seed"),
        ("other", "main", "seed"),
    ],
)
def test_any_two_revisions(project, printed, a, b, key):
    found = json.loads(printed(a, b, "--json"))
    for name, letter in ((a, "a"), (b, "b")):
        [ref, *_] = project.run("git", "for-each-ref", "--format=%(refname)", f"refs/**/{name}").split()
        metrics = json.loads(project.run("git", "show", f"{ref}:metrics/test.json"))
        assert found["accuracy"][letter] == pytest.approx(metrics["accuracy"])
    assert key in found["params"]
    assert sum(found["counts"].values()) == found["images"] == 100


def test_the_workspace_is_the_second_if_none_is_named(project, printed):
    same = json.loads(printed("main", "--json"))
    assert same["b"] == "workspace"
    assert same["churn"] == 0
    project.run("dvc", "exp", "apply", "other")
    try:
        applied, named = json.loads(printed("main", "--json")), json.loads(printed("main", "other", "--json"))
        assert applied["params"]["seed"] == {"a": 0, "b": 1}
        assert applied | {"b": "other"} == named
    finally:
        project.run("git", "restore", ".")
        project.run("dvc", "checkout")


def test_nothing_in_the_project_changes(project, printed):
    before = project.sums()
    printed("main", "other")
    assert project.sums() == before
    assert project.run("git", "status", "--porcelain") == ""


def test_the_list_of_experiments_shows_what_differs(project):
    table = project.run("make", "--old-file=.venv/ready", "experiments", COLUMNS="200")
    header = next(line for line in table.splitlines() if "Experiment" in line)
    assert header.split() == ["Experiment", "accuracy", "calibration_error", "seed", "evaluate.tta"]
    assert all(name in table for name in ("main", "[plain]", "[other]"))


def test_what_is_printed(project, printed):
    text, mark = printed("main", "other"), printed("main", "other", "--md")
    assert "broken: p = " in text
    assert mark.startswith("## main → other\n\n### Accuracy\n\n|")


@pytest.mark.parametrize(
    ("revisions", "line"),
    [
        (["mian"], "mian: neither a branch, a tag, a commit nor an experiment"),
        ([""], "an empty name is no revision"),
        (["main:src"], "main:src: cannot be read"),
        (["main", "nothing"], "nothing: has no dvc.lock, so no results; was the pipeline run there?"),
        (["main", "other", "--fail-if-broken-above", "many"], "--fail-if-broken-above: should be a number"),
        (["main", "other", "--fail-if-broken-above", "101"], "--fail-if-broken-above: should be a number"),
        (["main", "other", "--fail-if-broken-above", "0"], "images are broken"),
        (["main", "other", "--fail-if-broken-above", "0.5%"], "more than 0.5%"),
    ],
)
def test_one_line_for_what_cannot_be_done(project, revisions, line):
    done = project.attempt("python", "-m", "src.compare", *revisions)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("compare: ")
    assert line in done.stderr


def test_a_limit_that_is_kept(printed):
    assert "Accuracy" in printed("main", "other", "--fail-if-broken-above", "100%")
    assert "Accuracy" in printed("main", "main", "--fail-if-broken-above", "0")


def test_a_workspace_that_is_not_of_one_run(project, printed):
    project.edit({"seed: 0": "seed: 7"})
    with pytest.raises(
        InputError, match=r"workspace: the results are not those of its params.yaml \(find_lr\)"
    ):
        printed("main")
    project.run("git", "restore", ".")
    path = project.folder / "data/predictions.csv"
    before = path.read_bytes()
    path.unlink()
    path.write_bytes(before + b"\n")
    with pytest.raises(InputError, match=r"data/predictions.csv: not what dvc.lock says; `dvc checkout`"):
        printed("main")
    path.write_bytes(before)
    curves = project.folder / "metrics/test.json"
    curves.write_text(curves.read_text() + "\n")
    with pytest.raises(InputError, match=r"metrics/test.json: not what dvc.lock says"):
        printed("main")
    project.run("git", "restore", ".")
    lock = project.folder / "dvc.lock"
    [model] = {
        out["md5"]
        for out in yaml.safe_load(lock.read_text())["stages"]["train"]["outs"]
        if out["path"] == "data/model.pt"
    }
    lock.write_text(
        lock.read_text().replace(model, "0" * 32, 1)
    )  # as if train had run again, and evaluate not
    with pytest.raises(InputError, match=r"not those of its params.yaml \(evaluate|gradcam\)"):
        printed("main")
    project.run("git", "restore", ".")


def test_the_page_goes_where_it_is_asked_to(project, printed):
    for arguments, name in ((["--html"], "comparison.html"), (["--md", "-o", "here.html"], "here.html")):
        assert "Accuracy" in printed("main", "other", *arguments)
        assert "<title>main → other" in (project.folder / name).read_text()
        (project.folder / name).unlink()


def test_damaged_files_are_told_in_a_line(project, printed):
    path = project.folder / "params.yaml"
    path.write_text("seed: [")
    with pytest.raises(InputError, match="workspace: its files are damaged"):
        printed("main")
    project.run("git", "restore", ".")


def test_a_reader_that_goes_away_is_no_failure(project):
    done = project.attempt(
        "bash", "-c", "set -o pipefail; python -m src.compare main other -o x.html | head -1"
    )
    assert (done.returncode, done.stdout) == (0, "Accuracy\n")
    assert "Error" not in done.stderr
    assert (project.folder / "x.html").stat().st_size > 500_000
    (project.folder / "x.html").unlink()


def test_another_dataset(project, printed):
    path = project.folder / "data/dataset/meta.json"
    before = path.read_text()
    content = json.loads(before)
    content["sha256"]["test_images"] = "0" * 64
    path.unlink()  # a link into the cache, perhaps
    path.write_text(json.dumps(content))
    try:
        with pytest.raises(InputError, match="evaluated on different test images: main on sample"):
            printed("main")
        content["classes"][0] = "plane"
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"data/predictions.csv: damaged, or not about plane"):
            printed("main")
    finally:
        path.write_text(before)


def test_results_that_are_in_no_cache(project, printed):
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())
    [entry] = [out for out in lock["stages"]["evaluate"]["outs"] if out["path"] == "data/predictions.csv"]
    cached = project.folder / ".dvc/cache/files/md5" / entry["md5"][:2] / entry["md5"][2:]
    away = cached.rename(cached.with_suffix(".away"))
    try:
        with pytest.raises(
            InputError, match=r"main: data/predictions.csv is not in DVC's cache; .* `dvc repro`"
        ):
            printed("main", "other")
    finally:
        away.rename(cached)


def test_outside_of_any_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not the root of a project"):
        experiments.read("main")
    with pytest.raises(InputError, match=r"params\.yaml: missing"):
        experiments.read()
