"""Bad input, as a user meets it: exit status 1, one line, and nothing lost."""

import shutil
import signal

import pytest

from src import checkpoint, models
from src.checkpoint import Checkpoint
from tests.conftest import shipped_params
from tests.project import Project

LR = f"lr: {shipped_params()['optimizer']['lr']}"


@pytest.fixture(scope="module")
def ready(tmp_path_factory, tiny):
    """A project as it is after an untrained model has been evaluated."""
    project = Project(tmp_path_factory.mktemp("ready"), tiny)
    for stage in ("download", "compute_mean_std", "find_lr"):
        project.run("python", "-m", f"stages.{stage}")
    untrained = Checkpoint(models.create("fast", 10), "fast", "batch", tiny.classes)
    checkpoint.save(untrained, project.folder / "data/model.pt")
    for stage in ("evaluate", "find_misclassified", "gradcam"):
        project.run("python", "-m", f"stages.{stage}")
    return project


@pytest.fixture
def project(ready):
    """The same, put back after each test."""
    backup = ready.folder.with_suffix(".backup")
    shutil.copytree(ready.folder, backup)
    yield ready
    shutil.rmtree(ready.folder)
    backup.rename(ready.folder)


def params(old: str, new: str):
    return lambda project: project.edit({old: new})


def remove(name: str):
    return lambda project: (project.folder / name).unlink()


def write(name: str, text: str):
    return lambda project: (project.folder / name).write_text(text, errors="surrogateescape")


def truncate(name: str):
    def damage(project: Project) -> None:
        path = project.folder / name
        # In the middle of a row, of a table: one that ends with a row would be a table too.
        path.write_bytes(path.read_bytes()[:300].rpartition(b",")[0])

    return damage


@pytest.mark.parametrize(
    ("stage", "damage", "line"),
    [
        ("download", params("epochs:", "epoch:"), "params.yaml: unknown key 'epoch'; did you mean 'epochs'?"),
        ("download", params("model: fast", "model: fats"), "model: 'fats' is not known; did you mean"),
        (
            "download",
            params("epochs: 2", "epochs: -2"),
            "epochs: should be greater than or equal to 1",
        ),
        (
            "download",
            params(LR, "lr: fast"),
            "lr: should be 'find' or a number above 0, not 'fast'",
        ),
        ("download", params("seed: 0", "seed: ["), "params.yaml: not valid YAML"),
        ("download", remove("params.yaml"), "params.yaml: missing; `git restore params.yaml`"),
        ("download", remove("data/sample/test_labels.npy"), "data/sample/test_labels.npy: missing"),
        ("train", params("size: 50", "size: 181"), "batch_size: 181 is more than the 180 images to train on"),
        (
            "train",
            params("layers: auto", "layers: layer5"),
            "gradcam.layers: no layer 'layer5'; did you",
        ),
        ("train", truncate("data/dataset/train_images.npy"), "data/dataset/train_images.npy: damaged"),
        ("train", remove("data/lr.json"), "data/lr.json: missing; `dvc repro` brings it back"),
        ("train", write("data/lr.json", "{}"), "data/lr.json: damaged (KeyError: 'lr')"),
        ("train", remove("metrics/stats.json"), "metrics/stats.json: missing; `dvc repro` brings it back"),
        ("evaluate", truncate("data/model.pt"), "data/model.pt: damaged, or no model of this pipeline"),
        ("evaluate", remove("data/model.pt"), "data/model.pt: missing; `dvc repro` brings it back"),
        ("find_misclassified", truncate("data/predictions.csv"), "data/predictions.csv: damaged"),
        ("gradcam", params("layers: auto", "layers: [linear]"), "gradcam.layers: 'linear' has no map with"),
        ("gradcam", remove("data/misclassified.csv"), "data/misclassified.csv: missing"),
        ("gradcam", truncate("data/misclassified.csv"), "data/misclassified.csv: damaged"),
        ("gradcam", write("metrics/stats.json", "{}"), "metrics/stats.json: damaged (KeyError: 'mean')"),
        ("train", write("data/dataset/meta.json", "[]"), "data/dataset/meta.json: damaged"),
        ("find_misclassified", write("data/predictions.csv", ""), "data/predictions.csv: damaged"),
        ("find_misclassified", write("data/predictions.csv", "\udcff"), "data/predictions.csv: damaged"),
        ("train", params("validation: 0.1", "validation: 0.99"), "validation: 0.99 leaves none of the 200"),
    ],
)
def test_bad_input(project, stage, damage, line):
    damage(project)
    before = {path: path.read_bytes() for path in project.folder.glob("[dmp]*/**/*") if path.is_file()}
    done = project.attempt("python", "-m", f"stages.{stage}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{stage}: ")
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for path, content in before.items():
        assert path.read_bytes() == content, path


def test_cuda_without_a_gpu(project):
    project.edit({"device: auto": "device: cuda"})
    done = project.attempt("python", "-m", "stages.train", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert done.stderr.startswith("train: device: 'cuda', but torch finds no CUDA GPU here")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "stage",
    ["download", "compute_mean_std", "find_lr", "train", "evaluate", "find_misclassified", "gradcam"],
)
def test_a_full_disk(project, stage):
    # No file may grow beyond nothing: each write fails as on a full disk.
    before = {path: path.read_bytes() for path in project.outputs()[stage] if path.exists()}
    assert before
    # (torch, when it is imported, would look for a folder for temporary files, and find none.)
    limited = f"ulimit -f 0; exec python -B -m stages.{stage}"
    done = project.attempt("bash", "-c", limited, TORCHINDUCTOR_CACHE_DIR=str(project.folder / "cache"))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{stage}: ")
    assert "cannot be written: File too large" in last
    assert "Traceback" not in done.stderr
    for path, content in before.items():
        assert path.read_bytes() == content
    assert not list(project.folder.rglob(".tmp-*"))


def test_a_range_without_a_good_rate(project):
    project.edit({"name: muon": "name: sgd", LR: "lr: find", "lowest: 0.0001": "lowest: 9"})
    before = (project.folder / "data/lr.json").read_bytes()
    done = project.attempt("python", "-m", "stages.find_lr")
    assert done.returncode == 1
    assert "find_lr: find_lr.lowest, find_lr.highest: between 9 and 10 the loss hardly falls" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (project.folder / "data/lr.json").read_bytes() == before


def test_a_loss_that_is_no_number_leaves_the_model_alone(project):
    (project.folder / "data/lr.json").write_text('{"lr": 1e9}')
    before = (project.folder / "data/model.pt").read_bytes()
    done = project.attempt("python", "-m", "stages.train")
    assert done.returncode == 1
    assert "train: optimizer.lr: the loss became" in done.stderr
    assert "in epoch 1 at step" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (project.folder / "data/model.pt").read_bytes() == before


def test_a_disk_that_is_full_by_the_end_of_a_training(project):
    # 20 MB are enough for every file but the state and the model.
    before = (project.folder / "data/model.pt").read_bytes()
    done = project.attempt("bash", "-c", "ulimit -f 20000; exec python -B -m stages.train")
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr.splitlines()[-1]
    assert (project.folder / "data/model.pt").read_bytes() == before
    assert not list(project.folder.rglob(".tmp-*"))


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
    project.edit({"epochs: 2": "epochs: none"})
    done = project.attempt("dvc", "repro")
    assert done.returncode != 0
    assert "params.yaml: epochs: should be a valid integer, not 'none'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_without_mistakes(project):
    path = project.folder / "data/predictions.csv"
    header, *rows = path.read_text().splitlines()
    classes = header.split(",")[4:]
    perfect = [header]
    for row in rows:
        index, actual = row.split(",")[:2]
        perfect.append(
            ",".join([index, actual, actual, "1", *("1" if c == actual else "0" for c in classes)])
        )
    path.write_text("\n".join(perfect) + "\n")
    assert "0 of 100 test images misclassified" in project.run("python", "-m", "stages.find_misclassified")
    project.run("python", "-m", "stages.gradcam")
    assert list((project.folder / "plots/gradcam").iterdir()) == []
    assert (project.folder / "plots/gradcam_probes.png").exists()
