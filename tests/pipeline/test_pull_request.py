"""The workflow for pull requests: its shell steps, run in a clone as GitHub would run them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from src.report.pull_request import MARKER, MAX_LENGTH
from tests.conftest import ROOT
from tests.experiments import add_experiment
from tests.project import Project

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/compare.yml").read_text())
JOBS = WORKFLOW["jobs"]
STEPS = JOBS["compare"]["steps"]


@pytest.fixture(scope="module")
def shared(compared, tmp_path_factory) -> Path:
    """A folder with a project whose files are in `remote`, and branches for pull requests."""
    folder = tmp_path_factory.mktemp("pull-request")
    project = compared.copy(folder / "project")
    add_experiment(project, "good", 0.9, 1, optimizer__lr=0.3)
    add_experiment(project, "bad", 0.1, 2, optimizer__lr=0.4)
    project.run("git", "branch", "without-remote")
    for name in ("good", "bad"):
        project.run("dvc", "exp", "branch", name, f"{name}-branch")
    project.run("dvc", "remote", "add", "--default", "storage", str(folder / "remote"))
    project.run("git", "commit", "--quiet", "--all", "--message=Remote")
    for name in ("good", "bad"):  # a pull request begins at the base
        project.run("git", "switch", "--quiet", f"{name}-branch")
        project.run("git", "rebase", "--quiet", "main")
    project.run("git", "switch", "--quiet", "main")
    (project.folder / ".dvc/cache").rename(folder / "remote")
    return folder


def clone(shared: Path, folder: Path, branch: str) -> Project:
    """What `actions/checkout` leaves."""
    subprocess.check_call(
        ["git", "clone", "--quiet", "--branch", branch, shared / "project", folder / "clone"]
    )
    return Project(folder / "clone")


def run_steps(project: Project, **changes: str) -> tuple[int, dict[str, str]]:
    """Run every shell step but the installation; the first failure's status, and the steps' outputs."""
    outputs, status = project.folder.parent / "outputs", 0
    outputs.touch()
    environment = JOBS["compare"]["env"] | {
        "A": "origin/main",
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_STEP_SUMMARY": str(project.folder.parent / "summary"),
    }
    for step in STEPS:
        found = "found=yes" in outputs.read_text()
        if "run" not in step or "pip install" in step["run"] or ("if" in step and not found):
            continue
        assert step.get("if", "steps.remote.outputs.found") == "steps.remote.outputs.found"
        done = project.attempt("bash", "-e", "-o", "pipefail", "-c", step["run"], **(environment | changes))
        status = status or done.returncode
    return status, dict(line.split("=") for line in outputs.read_text().splitlines())


@pytest.mark.parametrize(
    ("base", "branch", "gates", "status", "said"),
    [
        ("main", "good-branch", "", 0, ":white_check_mark: All gates passed."),
        ("good-branch", "bad-branch", "", 1, "- :x: --fail-if-worse-by 0.5%: HEAD is worse by more than"),
        ("main", "good-branch", "--min-seeds 3", 2, "- :x: origin/main: 1 run, below --min-seeds 3"),
    ],
)
def test_a_pull_request(shared, tmp_path, base, branch, gates, status, said):
    project = clone(shared, tmp_path, branch)
    changes = {"A": f"origin/{base}"} | ({"GATES": gates} if gates else {})
    assert run_steps(project, **changes) == (status, {"found": "yes"})
    text = (project.folder / "comparison/comment.md").read_text()
    assert text.startswith(f"{MARKER}\n\n## origin/{base} → HEAD\n\n**McNemar")
    assert said in text
    assert re.search(r"\| optimizer.lr +\| +0.[23] \| +0.[34] \|", text)
    assert len(text) < MAX_LENGTH
    assert (tmp_path / "summary").read_text() == text
    assert "<title>" in (project.folder / "comparison/comparison.html").read_text()


def test_a_base_without_results(shared, tmp_path):
    project = clone(shared, tmp_path, "good-branch")
    status, _ = run_steps(project, A="nothing")
    text = (project.folder / "comparison/comment.md").read_text()
    assert status == 2
    assert re.fullmatch(rf"{MARKER}\n\nNot compared:\n\n    compare: nothing: has no dvc.lock .*\n", text)


def test_a_project_without_a_remote(shared, tmp_path):
    project = clone(shared, tmp_path, "without-remote")
    assert run_steps(project) == (0, {})
    assert not (project.folder / "comparison").exists()


def test_who_may_do_what():
    assert "pull_request_target" not in (ROOT / ".github/workflows/compare.yml").read_text()
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOBS["compare"]
    assert JOBS["comment"]["permissions"] == {"pull-requests": "write"}
    assert all("run" not in step and "checkout" not in step["uses"] for step in JOBS["comment"]["steps"])
    [find] = [step for step in JOBS["comment"]["steps"] if "find-comment" in step["uses"]]
    assert find["with"]["body-includes"] == MARKER
