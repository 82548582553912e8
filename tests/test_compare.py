"""Comparing revisions of a real project, as people type it."""

import json
import re
from pathlib import Path

import pytest

from src import artifacts, compare
from src.errors import InputError
from src.report.revision import commit_of
from tests.experiments import add_experiment
from tests.project import Project


@pytest.fixture(scope="module")
def project(compared, tmp_path_factory) -> Project:
    """A copy of it; tests leave it as they find it."""
    return compared.copy(tmp_path_factory.mktemp("compare") / "project")


@pytest.fixture(scope="module")
def groups(compared, tmp_path_factory) -> Project:
    """A copy of it with groups of seeds that nobody trained: `base`, and `good` with more right answers."""
    project = compared.copy(tmp_path_factory.mktemp("groups") / "project")
    for seed in range(3):
        add_experiment(project, f"base-seed{seed}", 0.6, seed, seed=seed)
        add_experiment(project, f"good-seed{seed}", 0.9, 10 + seed, seed=seed, optimizer__lr=0.3)
    add_experiment(project, "base-few", epochs=1)
    return project


@pytest.fixture
def printed(project, monkeypatch, capsys):
    """What a comparison in the project prints."""
    project.enter(monkeypatch)

    def run(*arguments: str) -> str:
        compare.main(list(arguments))
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("a", "b", "keys"),
    [
        ("main", "plain", {"evaluate.tta"}),
        ("main", "longer", {"epochs"}),
        ("longer", "plain", {"epochs", "evaluate.tta"}),
        ("longer", "main", {"epochs"}),
    ],
)
def test_any_two_revisions(project, printed, a, b, keys):
    shown = json.loads(printed(a, b, "--json"))
    for name, letter in ((a, "a"), (b, "b")):
        metrics = json.loads(project.show(name, artifacts.TEST_METRICS))
        assert shown["accuracy"][letter] == pytest.approx(metrics["accuracy"])
    assert set(shown["params"]) == keys
    assert sum(shown["counts"].values()) == shown["images"] == 100
    counts = shown["counts"]
    difference = shown["accuracy"]["b"] - shown["accuracy"]["a"]
    assert counts["fixed"] - counts["broken"] == pytest.approx(100 * difference)


def test_the_workspace_is_the_second_if_none_is_named(project, printed):
    same = json.loads(printed("main", "--json"))
    assert same["b"] == "workspace"
    assert same["churn"] == 0
    project.run("dvc", "exp", "apply", "longer")
    try:
        applied, named = (
            json.loads(printed("main", "--json")),
            json.loads(printed("main", "longer", "--json")),
        )
        assert applied["params"] == {"epochs": {"a": 2, "b": 3}}
        assert applied | {"b": "longer"} == named
    finally:
        project.restore()


def test_nothing_in_the_project_changes(project, printed):
    before = project.sums()
    printed("main", "longer")
    assert project.sums() == before
    assert project.run("git", "status", "--porcelain") == ""


def test_the_list_of_experiments_shows_what_differs(project):
    table = project.run("make", "--old-file=.venv/ready", "experiments", COLUMNS="200")
    header = next(line for line in table.splitlines() if "Experiment" in line)
    assert header.split() == ["Experiment", "accuracy", "calibration_error", "epochs", "evaluate.tta"]
    assert all(name in table for name in ("main", "[plain]", "[longer]"))


def test_what_is_printed(printed):
    text, mark = printed("main", "longer"), printed("main", "longer", "--md")
    assert "broken: p = " in text
    assert mark.startswith("<!-- blindspot-compare -->\n\n## main → longer\n\n**McNemar")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            ["many"],
            "--fail-if-broken-above: should be a number of images or a percentage of them, not 'many'",
        ),
        (["101"], "--fail-if-broken-above: should be a number"),
        (["nan"], "--fail-if-broken-above: should be a number"),
        (["0"], r"\d+ images are broken \(\d+\.00%\), more than 0"),
        (["0.5%"], "more than 0.5%"),
    ],
)
def test_a_limit_that_is_none_or_is_not_kept(printed, flags, line):
    with pytest.raises(InputError, match=line):
        printed("main", "longer", "--fail-if-broken-above", *flags)


def test_a_limit_that_is_kept(printed):
    assert "Accuracy" in printed("main", "longer", "--fail-if-broken-above", "100%")
    assert "Accuracy" in printed("main", "main", "--fail-if-broken-above", "0")


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["main", "longer"], 0, ""),
        (["main", "longer", "--require-not-worse-by", "99%", "--fail-if-worse-by", "99%"], 0, ""),
        (["base", "good", "--require-not-worse-by", "0%", "--min-seeds", "3"], 0, ""),
        (
            ["good", "base", "--fail-if-worse-by", "1%"],
            1,
            "--fail-if-worse-by 1%: base is worse by more than",
        ),
        (
            ["good", "base", "--require-not-worse-by", "1%"],
            1,
            "--require-not-worse-by 1%: base may be worse by",
        ),
        (["main", "longer", "--fail-on-new-blind-spot"], 0, ""),
        (
            ["good", "base", "--fail-if-broken-above", "1"],
            1,
            r"\d+ images are reliably broken .* more than 1$",
        ),
        (["main", "good-seed1", "--fail-if-broken-above", "0"], 1, r"\d+ images are broken .* more than 0$"),
        (
            ["base", "good", "--min-seeds", "4"],
            2,
            "base: 3 runs, below --min-seeds 4; `make seeds` runs more",
        ),
        (["main", "good", "--fail-if-worse-by", "1%"], 2, "--fail-if-worse-by: too few seeds to tell"),
        (
            ["main", "longer", "--fail-if-worse-by", "half"],
            2,
            "--fail-if-worse-by: should be a percentage such",
        ),
        (["mian"], 2, "mian: not a branch, tag, commit or experiment"),
        (
            ["base*", "longer"],
            2,
            r"base\*: not a group, for more than the seed differs: epochs \(1 in base-few, 2",
        ),
    ],
)
def test_exit_statuses(groups, arguments, status, line):
    done = groups.attempt("python", "-m", "src.compare", *arguments)
    assert (done.returncode, bool(done.stderr)) == (status, bool(line)), done.stderr
    if line:
        [said] = done.stderr.splitlines()
        assert re.match(f"compare: {line}", said)


def test_argparse_ends_like_other_bad_input(groups):
    assert groups.attempt("python", "-m", "src.compare", "--fail").returncode == 2


def test_groups_are_compared(groups, monkeypatch, capsys):
    groups.enter(monkeypatch)
    compare.main(["base", "good"])
    text = capsys.readouterr().out
    assert "good helps: the mean accuracy of good is 30.00 points higher than that of base" in text
    compare.main(["base-seed0,base-seed1,base-seed2", "good*", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["verdict"] == "helps"
    assert shown["a"]["runs"] == ["base-seed0", "base-seed1", "base-seed2"]
    assert shown["params"] == {"optimizer.lr": {"a": 0.2, "b": 0.3}}
    compare.main(["base", "good", "--md"])
    assert capsys.readouterr().out.startswith("<!-- blindspot-compare -->\n\n## base → good\n\n**good helps")


def test_the_page_about_groups(groups, monkeypatch, capsys):
    groups.enter(monkeypatch)
    compare.main(["base", "good", "--html", "-o", "groups.html"])
    path = groups.folder / "groups.html"
    page = path.read_text()
    path.unlink()
    assert "<title>base → good" in page
    for name in (f"{group}-seed{seed}" for group in ("base", "good") for seed in range(3)):
        assert name in page
        assert f"<code>{commit_of(name)}</code>" in page
    assert path.as_uri() in capsys.readouterr().err


def test_one_run_a_side_is_told_what_the_seed_can_do(groups, monkeypatch, capsys):
    groups.enter(monkeypatch)
    compare.main(["main", "good-seed1"])
    assert "run both versions with several seeds (`make seeds`)." in capsys.readouterr().out
    compare.main(["base-seed0", "base-seed1"])
    assert (
        "Only the seed differs: two runs of the same recipe differ this much by chance."
        in capsys.readouterr().out
    )
    compare.main(["main", "main"])
    assert "seed" not in capsys.readouterr().out.partition("Images")[0]


def test_the_page_goes_where_it_is_asked_to(project, printed):
    for arguments, name in ((["--html"], "comparison.html"), (["--md", "-o", "here.html"], "here.html")):
        assert "Accuracy" in printed("main", "longer", *arguments)
        path = project.folder / name
        assert "<title>main → longer" in path.read_text()
        path.unlink()


def test_a_reader_that_goes_away_is_no_failure(project):
    command = "set -o pipefail; python -m src.compare main longer -o x.html | head -1"
    done = project.attempt("bash", "-c", command)
    assert (done.returncode, done.stdout) == (0, "Accuracy\n")
    assert "Error" not in done.stderr
    page = project.folder / Path("x.html")
    assert page.stat().st_size > 500_000
    page.unlink()
