"""A model of any revision, at work outside of the pipeline; and what evaluating the user's own files adds."""

import csv
import io

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from src import artifacts, export, predict, schema
from src.command import run_main
from src.data.dataset import load_dataset
from src.evaluation.predictions import read_predictions
from src.report.run import read_run
from tests.project import Project, call, set_params
from tests.small_run import save_model, write_pictures


@pytest.fixture
def project(compared, tmp_path, monkeypatch) -> Project:
    """A copy of it, the working folder; its test images are in `pictures`, and its own model is gone."""
    project = compared.copy(tmp_path / "project")
    project.enter(monkeypatch)
    write_pictures(load_dataset(), project.folder / "pictures")
    artifacts.TRAINED_MODEL.unlink()
    return project


@pytest.fixture
def printed(settings_of_torch, capsys):
    """What a command prints in the working folder."""

    def run(main, *arguments: str) -> str:
        capsys.readouterr()
        main(list(arguments))
        return capsys.readouterr().out

    return run


def test_an_experiment_that_was_never_in_the_workspace(project, printed):
    known = read_run("longer").predictions
    rows = list(csv.DictReader(io.StringIO(printed(predict.main, "pictures", "--csv", "--rev", "longer"))))
    assert [row["class"] for row in rows] == [known.classes[answer] for answer in known.predicted]
    shown = [float(row["probability"]) for row in rows]
    np.testing.assert_allclose(shown, known.confidence, atol=1e-6)

    said = project.run("python", "-m", "src.export", "onnx", "--rev", "longer")
    assert "on all 100 test images; probabilities differ by" in said
    session = onnxruntime.InferenceSession("model.onnx")
    [given] = session.run(None, {"images": np.array(load_dataset().test.images)})
    np.testing.assert_allclose(given, known.probabilities, atol=1e-4)
    assert "model.onnx" not in project.run("git", "status", "--porcelain")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["predict", "pictures"], "predict: data/model.pt: missing; run `dvc repro` to restore it"),
        (["export", "pt2"], "export: data/model.pt: missing; run `dvc repro` to restore it"),
        (["predict", "pictures", "--rev", "mian"], "predict: mian: not a branch, tag, commit or experim"),
        (
            ["export", "onnx", "--rev", "nothing"],
            "export: nothing: has no dvc.lock and therefore no resu",
        ),
    ],
)
def test_one_line_for_what_cannot_be_done(project, settings_of_torch, capsys, command, line):
    name, *arguments = command
    main = {"predict": predict.main, "export": export.main}[name]
    with pytest.raises(SystemExit) as ended:
        run_main(name, lambda: main(arguments))
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    [said] = printed.err.splitlines()
    assert said.startswith(line)


def test_parameters_that_the_revision_had_count(project, printed):
    # The workspace would now look at more views.
    set_params(project.folder, {"evaluate.tta": "flip_shift"})
    known = read_run("plain").predictions
    answers = printed(predict.main, "pictures", "--csv", "--rev", "plain")
    shown = pd.read_csv(io.StringIO(answers))["probability"]
    np.testing.assert_allclose(shown, known.confidence, atol=1e-6)


def test_files_are_named_and_equal_pictures_with_other_labels_are_doubted(run):
    dataset = load_dataset()
    count = len(dataset.test)
    names = [f"a, b/{number} ü.png" for number in range(count)]
    files = {"part": "test", "index": range(count), "file": names, "width": 32, "height": 32}
    pd.DataFrame(files).to_csv(artifacts.DATASET / "files.csv", index=False)
    label = dataset.classes[dataset.test.labels[7]]
    other = next(name for name in dataset.classes if name != label)
    columns = "cluster,kind,file,class,part,dropped,label_conflict\n"
    pair = f'0,exact,"{names[7]}",{label},test,false,true\n0,exact,x.png,{other},train,true,true\n'
    artifacts.write_text(artifacts.DUPLICATES, columns + pair)
    save_model(dataset.classes, unsure_below=0.5)
    call("evaluate")

    predictions = read_predictions(dataset.classes, count)
    assert predictions.files.tolist() == names
    issues = schema.read_table(schema.LABEL_ISSUES, dataset.classes).set_index("index")
    assert issues.loc[7, "suggested"] == other
    metrics = artifacts.read_json(artifacts.TEST_METRICS)
    sure = predictions.confidence[predictions.right] >= 0.5
    assert metrics["false_rejection_rate"] == pytest.approx(1 - sure.mean())
    assert metrics["support"] == dict.fromkeys(dataset.classes, 10)
