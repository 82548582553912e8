"""Which runs a name stands for, and which of them are no group."""

import pytest

from src import artifacts
from src.errors import InputError
from src.report.groups import names_of, read_group
from tests.experiments import add_experiment
from tests.project import Project


@pytest.fixture(scope="module")
def read_only(compared, tmp_path_factory) -> Project:
    """A copy of it with experiments that nobody trained."""
    project = compared.copy(tmp_path_factory.mktemp("groups") / "project")
    for seed in (0, 2, 10):
        add_experiment(project, f"base-seed{seed}", 0.7 + seed / 100, seed, seed=seed)
        add_experiment(project, f"wide-{seed}", 0.8, 20 + seed, seed=seed, optimizer__lr=0.3)
    add_experiment(project, "base-narrow", seed=0, epochs=1, batch_size=10)
    add_experiment(project, "single-seed1", seed=1)
    project.run("git", "branch", "single")
    return project


@pytest.fixture
def project(read_only, monkeypatch) -> Project:
    read_only.enter(monkeypatch)
    return read_only


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("longer", ["longer"]),
        ("main", ["main"]),
        ("single", ["single"]),  # a branch of exactly that name wins over single-seed1
        ("base", ["base-seed0", "base-seed10", "base-seed2"]),  # without base-narrow
        ("wide", ["wide-0", "wide-10", "wide-2"]),  # as DVC numbers them
        ("wide*", ["wide-0", "wide-10", "wide-2"]),
        ("*-seed[12]", ["base-seed2", "single-seed1"]),
        ("ma?n", ["main"]),
        ("wide-2, base-seed*,workspace", ["wide-2", "base-seed0", "base-seed10", "base-seed2", "workspace"]),
        ("mian", ["mian"]),  # which reading will refuse
        ("", [""]),
        ("workspace", ["workspace"]),
    ],
)
def test_what_a_name_stands_for(project, spec, names):
    assert list(names_of(spec)) == names


def test_runs_are_ordered_by_the_seed_that_their_params_say(project):
    group = read_group("base")
    assert (group.name, group.seeds) == ("base", (0, 2, 10))
    assert [run.name for run in group.runs] == ["base-seed0", "base-seed2", "base-seed10"]
    assert group.right.shape == (3, 100)
    assert group.right.mean(1).tolist() == [0.7, 0.72, 0.8]
    assert group.median.name == "base-seed2"
    assert read_group("base-seed0,base-seed10").median.name == "base-seed0"


def test_a_single_run_is_a_group_of_one(project):
    group = read_group("longer")
    assert (group.name, len(group.runs)) == ("longer", 1)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (
            "base*",
            r"base\*: not a group, for more than the seed differs: batch_size \(10 in base-narrow, 50 in",
        ),
        ("base,wide-2", r"base,wide-2: not a group, .*: optimizer.lr \(0.2 in base-seed0, 0.3 in wide-2\)"),
        ("base-seed2,base", "base-seed2,base: base-seed2 and base-seed2 have the same seed, 2"),
        ("nope*", r"nope\*: matches no experiment, branch or tag; `dvc exp list"),
        ("base,mian", "mian: not a branch, tag, commit or experiment"),
        ("base,", "an empty name is not a revision"),
        ("base,nothing", "nothing: has no dvc.lock and therefore no results"),
    ],
)
def test_what_is_no_group(project, spec, line):
    with pytest.raises(InputError, match=line) as refused:
        read_group(spec)
    assert len(str(refused.value).splitlines()) == 1


def test_runs_on_other_data(compared, tmp_path, monkeypatch):
    project = compared.copy(tmp_path / "project")
    project.enter(monkeypatch)
    add_experiment(project, "same-1", seed=1)
    add_experiment(project, "same-2", seed=2)
    assert read_group("same").seeds == (1, 2)
    meta = artifacts.DATASET / "meta.json"
    content = artifacts.read_json(meta)
    content["sha256"]["test_images"] = content["sha256"]["train_labels"] = "0" * 64
    meta.unlink()
    artifacts.write_json(meta, content)
    with pytest.raises(InputError, match=r"are about different data \(test_images, train_labels\)"):
        read_group("same,workspace")
