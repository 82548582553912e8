"""Bad input, as a user meets it: exit status 1, one line, and nothing lost.

Stages are called in this process, except where the process itself is what is tested.
"""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from src import artifacts, schema
from src.evaluation.predictions import Predictions, write_predictions
from src.models.registry import create_model
from src.models.trained import TrainedModel, save_trained
from src.preprocessing import Preprocessing
from tests.project import STAGES, call, replace, set_params

Damage = Callable[[Path], None]


def params(**changes: object) -> Damage:
    """Changes to params.yaml, `group__key=value`."""
    return lambda folder: set_params(folder, {key.replace("__", "."): new for key, new in changes.items()})


def edit(name: str | Path, old: str, new: str) -> Damage:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        replace(folder / name, text.replace(old, new, 1))

    return damage


def remove(name: str | Path) -> Damage:
    return lambda folder: (folder / name).unlink()


def write(name: str | Path, content: str | bytes) -> Damage:
    return lambda folder: replace(folder / name, content)


def truncate(name: str | Path) -> Damage:
    def damage(folder: Path) -> None:
        # In the middle of a row, of a table: one that ends with a row would be a table too.
        replace(folder / name, (folder / name).read_bytes()[:300].rpartition(b",")[0])

    return damage


def array(name: str | Path, content: np.ndarray) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        np.save(folder / name, content)

    return damage


def line_of(stage: str) -> str:
    """Run a stage that has to fail; the one line that it ends with."""
    with pytest.raises(SystemExit) as ended, redirect_stderr(io.StringIO()) as printed:
        call(stage)
    assert ended.value.code == 1
    [line] = printed.getvalue().splitlines()
    assert line.startswith(f"{stage}: ")
    return line


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


PREDICTIONS, PROBABILITIES, MISCLASSIFIED = (
    "data/predictions.csv",
    "data/probabilities.npy",
    "data/misclassified.csv",
)
AGAIN = "run `dvc repro` to restore it"


@pytest.mark.parametrize(
    ("stage", "damage", "line"),
    [
        ("download", edit("params.yaml", "epochs", "epoch"), "unknown key 'epoch'; did you mean 'epochs'?"),
        ("download", params(model="fats"), "params.yaml: model: 'fats' is not a valid value; did you mean"),
        ("download", params(epochs=-2), "epochs: should be greater than or equal to 1"),
        ("download", params(optimizer__lr="fast"), "lr: should be 'find' or a number above 0, not 'fast'"),
        ("download", edit("params.yaml", "seed: 0", "seed: ["), "params.yaml: not valid YAML"),
        ("download", remove("params.yaml"), "params.yaml: missing; run `git restore params.yaml`"),
        ("download", remove("data/sample/test_labels.npy"), "data/sample/test_labels.npy: missing"),
        ("download", remove("data/corrections.csv"), "missing; run `git restore data/corrections.csv`"),
        ("download", write("data/corrections.csv", "a\n"), "data/corrections.csv: has no column 'split'"),
        ("compute_mean_std", truncate("data/dataset/train_images.npy"), "train_images.npy: damaged"),
        ("compute_mean_std", write("data/dataset/meta.json", "[]"), "data/dataset/meta.json: damaged"),
        ("find_lr", params(optimizer__lr="find"), "'find' is for optimizer.name: sgd"),
        ("preview", params(gradcam__layers="layer5"), "gradcam.layers: no layer 'layer5'; did you"),
        ("preview", params(validation=0.99), "batch_size: 50 is more than the 10 images to train on"),
        ("train", params(batch_size=181), "batch_size: 181 is more than the 180 images to train on"),
        ("train", params(gradcam__layers="layer5"), "gradcam.layers: no layer 'layer5'; did you"),
        ("train", truncate("data/dataset/train_images.npy"), "data/dataset/train_images.npy: damaged"),
        ("train", remove("data/lr.json"), f"data/lr.json: missing; {AGAIN}"),
        ("train", write("data/lr.json", "{}"), "data/lr.json: damaged (KeyError: 'lr')"),
        ("train", remove("metrics/stats.json"), f"metrics/stats.json: missing; {AGAIN}"),
        ("train", write("metrics/stats.json", "{}"), "metrics/stats.json: damaged (KeyError: 'mean')"),
        ("evaluate", truncate("data/model.pt"), "data/model.pt: damaged, or not a model of this pipeline"),
        ("evaluate", remove("data/model.pt"), f"data/model.pt: missing; {AGAIN}"),
        ("evaluate", remove("data/corrections.csv"), "missing; run `git restore data/corrections.csv`"),
        ("find_misclassified", truncate(PREDICTIONS), f"{PREDICTIONS}: damaged"),
        ("find_misclassified", write(PREDICTIONS, ""), f"{PREDICTIONS}: damaged"),
        ("find_misclassified", write(PREDICTIONS, b"\xff"), f"{PREDICTIONS}: damaged"),
        ("find_misclassified", edit(PREDICTIONS, "0,,", "0,,un"), "row 1: actual is 'un"),
        ("find_misclassified", edit(PREDICTIONS, "\n1,", "\n2,"), "should have 100 rows, in order"),
        ("find_misclassified", edit(PREDICTIONS, "confidence", "sure"), "has no column 'confidence'"),
        ("find_misclassified", remove(PROBABILITIES), f"{PROBABILITIES}: missing; {AGAIN}"),
        ("find_misclassified", truncate(PROBABILITIES), f"{PROBABILITIES}: damaged"),
        (
            "find_misclassified",
            array(PROBABILITIES, np.zeros((100, 9), np.float32)),
            f"{PROBABILITIES}: float32 of 100×9, should be float32 of 100×10",
        ),
        ("find_misclassified", remove("data/label_issues.csv"), f"data/label_issues.csv: missing; {AGAIN}"),
        ("gradcam", params(gradcam__layers=["linear"]), "gradcam.layers: 'linear' has no map with"),
        ("find_blindspots", remove("data/embeddings.npy"), f"data/embeddings.npy: missing; {AGAIN}"),
        ("find_blindspots", truncate("data/heatmaps.npy"), "data/heatmaps.npy: damaged"),
        ("gradcam", remove(MISCLASSIFIED), f"{MISCLASSIFIED}: missing; {AGAIN}"),
        ("gradcam", truncate(MISCLASSIFIED), f"{MISCLASSIFIED}: damaged"),
        (
            "gradcam",
            edit(MISCLASSIFIED, ",true\n", ",maybe\n"),
            "label_issue is 'maybe', should be true or false",
        ),
    ],
)
def test_bad_input(results, stage, damage, line):
    damage(results)
    before = contents(results)
    assert line in line_of(stage)
    assert contents(results) == before


def test_a_model_of_other_classes_says_nothing_about_these(results):
    model, statistics = create_model("fast", 3), ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    save_trained(TrainedModel(model, "fast", "batch", "auto", ("a", "b", "c"), *statistics, Preprocessing()))
    before = contents(results)
    for stage in ("evaluate", "gradcam"):
        assert "data/model.pt: knows the classes a, b, c, not airplane, automobile" in line_of(stage)
    assert contents(results) == before


def test_cuda_without_a_gpu(results, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    set_params(results, {"device": "cuda"})
    assert "device: 'cuda', but torch finds no CUDA GPU here" in line_of("train")


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk(results, monkeypatch, stage):
    # The last that is done to a file before it gets its name.
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = contents(results)
    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be written: No space left on device" in line_of(stage)
    assert contents(results) == before


@pytest.mark.parametrize("stage", ["download", "find_misclassified"])
def test_a_full_disk_as_the_system_reports_it(project, stage):
    # No file may grow beyond nothing: each write fails as on a full disk.
    before = project.sums()
    done = project.attempt("bash", "-c", f"ulimit -f 0; exec python -B -m stages.{stage}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{stage}: ")
    assert "cannot be written: File too large" in last
    assert "Traceback" not in done.stderr
    assert project.sums() == before
    assert not list(project.folder.rglob(".tmp-*"))


def test_a_disk_that_is_full_by_the_end_of_a_training(project):
    # 20 MB are enough for every file but the checkpoint.
    before = (project.folder / artifacts.TRAINED_MODEL).read_bytes()
    done = project.attempt("bash", "-c", "ulimit -f 20000; exec python -B -m stages.train")
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr.splitlines()[-1]
    assert (project.folder / artifacts.TRAINED_MODEL).read_bytes() == before
    assert not list(project.folder.rglob(".tmp-*"))


def test_a_range_without_a_good_rate(results):
    set_params(results, {"optimizer.name": "sgd", "optimizer.lr": "find", "find_lr.lowest": 9})
    before = contents(results)
    assert "find_lr.lowest, find_lr.highest: between 9 and 10 the loss hardly falls" in line_of("find_lr")
    assert contents(results) == before


def test_a_loss_that_is_no_number_leaves_the_model_alone(results):
    replace(results / artifacts.LR, '{"lr": 1e9}')
    before = artifacts.TRAINED_MODEL.read_bytes()
    line = line_of("train")
    assert "optimizer.lr: the loss became" in line
    assert "in epoch 1 at step" in line
    assert artifacts.TRAINED_MODEL.read_bytes() == before


def test_ctrl_c(project):
    process = project.start("python", "-m", "stages.train")
    for line in process.stdout:
        if "to train on" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate()[0]
    assert process.returncode == 1
    assert rest.splitlines()[-1] == "train: interrupted"
    assert "Traceback" not in rest


def test_dvc_stops_at_bad_input_too(project):
    project.change({"epochs": "none"})
    done = project.attempt("dvc", "repro")
    assert done.returncode != 0
    assert "params.yaml: epochs: should be a valid integer, not 'none'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stage", ["download", "compute_mean_std", "find_lr", "find_misclassified"])
def test_what_a_kill_left_half_written_is_gone_once_any_stage_has_run(results, stage):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for folder in ("data", "metrics", "plots", ".checkpoints", ".downloads"):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, f".tmp-{gone.pid}-half").write_text("")
    Path(f"plots/.tmp-{gone.pid}-gradcam").mkdir()
    Path(f"plots/.tmp-{gone.pid}-gradcam/01.png").write_text("")
    living = Path(f"plots/.tmp-{os.getppid()}-half")
    living.write_text("")
    call(stage)
    assert list(results.rglob(".tmp-*")) == [results / living]


# --- unusual input that is not bad


def perfect(classes: tuple[str, ...], labels: np.ndarray) -> Predictions:
    return Predictions.from_probabilities(labels, np.eye(len(classes), dtype=np.float32)[labels], classes)


def test_a_model_without_mistakes(results, capsys):
    meta = json.loads((artifacts.DATASET / "meta.json").read_text())
    labels = np.load(artifacts.DATASET / "test_labels.npy")
    write_predictions(perfect(tuple(meta["classes"]), labels))
    schema.write_table(schema.LABEL_ISSUES, pd.DataFrame(columns=list(schema.LABEL_ISSUES.columns)))
    call("find_misclassified")
    assert "0 of 100 test images misclassified" in capsys.readouterr().out
    call("gradcam")
    assert list(artifacts.GRADCAM.iterdir()) == []
    assert artifacts.GRADCAM_PROBES.exists()


def test_classes_that_are_called_like_columns_and_values(results):
    names = ("index", "file", "confidence", "NA", "true", "1e5", "nan", "", "a,b", 'say "cat"')
    path = artifacts.DATASET / "meta.json"
    replace(path, json.dumps(json.loads(path.read_text()) | {"classes": names}))
    content = torch.load(artifacts.TRAINED_MODEL, weights_only=True)
    artifacts.TRAINED_MODEL.unlink()
    torch.save(content | {"classes": list(names)}, artifacts.TRAINED_MODEL)
    before = pd.read_csv(artifacts.PREDICTIONS)
    call("evaluate")
    call("find_misclassified")
    labels = np.load(artifacts.DATASET / "test_labels.npy")
    table = schema.read_table(schema.PREDICTIONS, names)
    assert table["actual"].tolist() == [names[label] for label in labels]
    assert table["confidence"].tolist() == pytest.approx(before["confidence"].tolist())
    assert set(json.loads(artifacts.TEST_METRICS.read_text())["per_class"]) == set(names)
    mistakes = schema.read_table(schema.MISCLASSIFIED, names)
    assert (mistakes["actual"] != mistakes["predicted"].astype(mistakes["actual"].dtype)).all()
    shutil.rmtree(artifacts.GRADCAM)
    call("gradcam")
    assert len(list(artifacts.GRADCAM.iterdir())) == len(mistakes)
