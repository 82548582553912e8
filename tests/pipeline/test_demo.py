"""`make demo`: in a fresh clone, as someone does who has just heard of the project."""

import json

import yaml

from src import artifacts
from tests.conftest import shipped_params
from tests.project import SMALL, STAGES, stages_run


def test_the_demo_twice_where_git_knows_nobody(project):
    # As in a fresh clone: no results, and params.yaml as it ships. What the cache has need not run again.
    project.run("git", "clean", "-xdfq", "--exclude=.dvc/cache")
    (project.folder / artifacts.PARAMS).write_text(yaml.safe_dump(shipped_params(), sort_keys=False))
    project.commit()
    project.identity = {}
    flags = " ".join(f"-S {key}={value}" for key, value in SMALL.items())
    flags += " -S misclassified.count=2"
    for stages in (["find_misclassified", "gradcam"], []):
        output = project.run("make", "--old-file=.venv/ready", "demo", f"DEMO={flags}")
        assert stages_run(output) == stages
        accuracy, report, pictures = output.splitlines()[-3:]
        test = yaml.safe_load((project.folder / "demo/metrics/test.json").read_text())
        assert accuracy == f"test accuracy: {test['accuracy']:.1%}"
        assert report == f"report:        {(project.folder / 'demo/report.html').resolve().as_uri()}"
        assert pictures == f"pictures:      {(project.folder / 'demo/plots').resolve().as_uri()}"
        assert "<title>" in (project.folder / "demo/report.html").read_text()
        drawn = {path.name for path in (project.folder / "demo/plots").glob("*.png")}
        samples = {"train_samples.png", "test_samples.png"}
        assert drawn == samples | {"dataset.png", "misclassified.png", "gradcam_probes.png", "blindspots.png"}
        assert len(list((project.folder / "demo/plots/gradcam").glob("*.png"))) == 2
        # The workspace is as it was: clean, and the real run is what comes next.
        assert project.run("git", "status", "--short") == ""
        assert project.run("dvc", "exp", "list", "--name-only").split() == ["demo"]
    # (Of the later ones --dry says nothing: DVC looks for the dataset, which has never been there.)
    assert stages_run(project.attempt("dvc", "repro", "--dry").stdout) == ["download"]
    assert sorted(json.loads(project.run("dvc", "status", "--json"))) == sorted(STAGES)
    assert yaml.safe_load((project.folder / artifacts.PARAMS).read_text())["dataset"] == "cifar10"

    # It is an experiment like any other.
    project.run("dvc", "exp", "apply", "demo")
    assert yaml.safe_load((project.folder / artifacts.PARAMS).read_text())["dataset"] == "sample"
    assert (project.folder / artifacts.TEST_METRICS).read_bytes() == (
        project.folder / "demo/metrics/test.json"
    ).read_bytes()
