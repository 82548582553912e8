"""What is printed about files, and that it is what the pipeline says about the same pictures."""

import csv
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from src import artifacts, predict
from src.command import run_main
from src.errors import InputError
from src.models.trained import TrainedModel
from src.params import load_params
from src.preprocessing import Preprocessing
from tests.conftest import ROOT
from tests.download import pictures
from tests.small_run import MEAN, STD, make_run, save_model, write_pictures

ODD_NAMES = [
    "a b.png",
    "Käfer.png",
    "🐸.png",
    'say "cheese".png',
    "a,b;c.png",
    "two\nlines.png",
    "-.png",
    "no suffix",
]


@pytest.fixture
def run(run, tiny, capsys) -> Path:
    """As everywhere, and the test images as files in `pictures`."""
    write_pictures(tiny, run / "pictures")
    capsys.readouterr()
    return run


@pytest.fixture
def table(run, capsys):
    """What `--csv` prints, and what goes to standard error."""

    def read(*arguments: str) -> tuple[pd.DataFrame, list[str]]:
        capsys.readouterr()
        predict.main(["--csv", *arguments])
        printed = capsys.readouterr()
        frame = pd.read_csv(io.StringIO(printed.out), keep_default_na=False, dtype={"file": str})
        return frame, printed.err.splitlines()

    return read


def started(folder: Path, command: str, **options) -> subprocess.CompletedProcess[str]:
    """A shell's command, in the folder of a run; `predict` is what people type."""
    typed = f"set -o pipefail; predict() {{ '{sys.executable}' -m src.predict \"$@\"; }}; {command}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-c", typed], cwd=folder, env=environment, capture_output=True, text=True, **options
    )


@pytest.mark.parametrize("tta", ["none", "flip_shift"])
def test_answers_are_those_of_the_pipeline(tiny, table, write_params, tta):
    make_run(tiny, write_params, evaluate__tta=tta)
    said, problems = table("pictures", "--top", "10")
    known = pd.read_csv(artifacts.PREDICTIONS)
    probabilities = np.load(artifacts.PROBABILITIES)
    assert probabilities.max(1).std() > 0.05  # or agreement would mean nothing
    assert problems == []
    assert said["file"].tolist() == [f"pictures/{number}.png" for number in range(100)]
    assert said["class"].tolist() == known["predicted"].tolist()
    ranked = np.stack([said["probability"], *(said[f"probability_{rank}"] for rank in range(2, 11))], 1)
    np.testing.assert_allclose(ranked, -np.sort(-probabilities, 1), atol=1e-6)
    second = np.array(tiny.classes)[np.argsort(-probabilities, 1, kind="stable")[:, 1]]
    assert said["class_2"].tolist() == second.tolist()


def test_a_file_gets_the_same_answer_in_any_company(table):
    together, _ = table("pictures")
    for number in (0, 64, 99):
        alone, _ = table(f"pictures/{number}.png")
        assert alone["class"][0] == together["class"][number]
        assert alone["probability"][0] == pytest.approx(together["probability"][number], abs=1e-6)


def test_folders_are_read_as_people_count(run, table):
    folder = run / "more/below"
    folder.mkdir(parents=True)
    for name in ("10.png", "9.png", ".hidden.png", "Thumbs.db", "notes.txt"):
        (folder / name).write_bytes((run / "pictures/1.png").read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "notes.txt").write_text("no picture")
    (folder / "again").symlink_to(run / "more")
    said, problems = table("more", "pictures/3.png")
    assert said["file"].tolist() == [
        "more/below/9.png",
        "more/below/10.png",
        "more/below/broken.jpg",
        "pictures/3.png",
    ]
    assert [bool(error) for error in said["error"]] == [False, False, True, False]
    [problem] = problems
    assert problem.startswith("predict: more/below/broken.jpg: ")


def test_odd_names(run, table, capsys):
    for number, name in enumerate(ODD_NAMES):
        os.link(run / f"pictures/{number}.png", run / name)
    expected, _ = table(*(f"pictures/{number}.png" for number in range(len(ODD_NAMES))))
    names = [f"./{name}" for name in ODD_NAMES]
    predict.main(["--csv", *names])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == names
    assert [row["class"] for row in rows] == expected["class"].tolist()
    predict.main(names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(names)
    assert lines[5].endswith("  ./two\\nlines.png")
    assert len({line.index("./") for line in lines}) == 1  # aligned


def test_a_name_that_is_no_text(run):
    os.link(run / "pictures/0.png", os.fsencode(run) + b"/\xff\xfe.png")
    done = started(
        run, "predict --csv $'./\\xff\\xfe.png' | tail -1 | od -An -tx1 -N7; predict $'./\\xff\\xfe.png'"
    )
    assert done.returncode == 0, done.stderr
    assert "2e 2f ff fe 2e 70 6e" in done.stdout
    assert done.stdout.rstrip().endswith("./\\xff\\xfe.png")


def test_unusable_files_in_between(run, table):
    whole = (run / "pictures/0.png").read_bytes()
    for name, content in {
        "empty.png": b"",
        "half.png": pictures.truncated(whole),
        "text.png": b"no picture",
        "bomb.png": pictures.bomb(),
    }.items():
        (run / name).write_bytes(content)
    files = [
        "empty.png",
        "pictures/0.png",
        "half.png",
        "absent.png",
        "text.png",
        "pictures/1.png",
        "bomb.png",
        "x" * 300,
    ]
    said, problems = table(*files)
    usable = said["error"] == ""
    assert said["file"].tolist() == files
    assert usable.tolist() == [name.startswith("pictures") for name in files]
    assert (said.loc[~usable, ["class", "probability", "unsure", "class_3"]] == "").all(axis=None)
    assert problems == [
        f"predict: {file}: {error}" for file, error in zip(files, said["error"], strict=True) if error
    ]
    assert said["error"].tolist()[:4] == ["0 bytes", "", "truncated", "no such file"]
    assert "max_pixels" in said["error"].tolist()[-2]
    assert said["error"].tolist()[-1] == "file name too long"


def test_nothing_usable_is_an_error(run, capsys):
    (run / "empty").mkdir()
    for files, line in (["absent.png", "none of 1 files is usable"], ["empty", "no pictures"]):
        with pytest.raises(SystemExit):
            run_main("predict", lambda files=files: predict.main([files]))
        assert capsys.readouterr().err.endswith(f"predict: no answers: {line}\n")


def test_names_from_standard_input(run, table):
    done = started(run, "predict - --csv", input="pictures/5.png\n\nabsent.png\r\npictures/7.png")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert (done.returncode, done.stderr) == (0, "predict: absent.png: no such file\n")
    assert [row["file"] for row in rows] == ["pictures/5.png", "absent.png", "pictures/7.png"]


def test_a_reader_that_goes_away_is_no_failure(run):
    for lines in (0, 1):
        done = started(run, f"predict pictures | head -{lines}")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == lines


def test_a_model_that_knows_when_it_is_unsure(tiny, run, table, capsys):
    before, _ = table("pictures")
    assert set(before["unsure"]) == {""}  # without a threshold nothing is said
    threshold = float(before["probability"].median())
    save_model(tiny.classes, unsure_below=threshold)
    said, _ = table("pictures")
    assert said["unsure"].tolist() == (said["probability"] < threshold).tolist()
    predict.main(["pictures", "--top", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [" unsure " in line for line in lines] == said["unsure"].tolist()


def test_photographs_are_fine_for_small_models(run, table):
    (run / "photo.jpg").write_bytes(pictures.jpeg(pictures.photograph(500, 375)))
    said, _ = table("photo.jpg", "--top", "99")
    assert sum(said.filter(like="probability").iloc[0]) == pytest.approx(1)


def test_a_project_without_a_model(run):
    artifacts.TRAINED_MODEL.unlink()
    with pytest.raises(InputError, match=r"^data/model.pt: missing; run `dvc repro` to restore it$"):
        predict.main(["pictures"])


def test_heatmaps_lie_over_the_pictures(run, capsys):
    (run / "x").mkdir()
    (run / "x/0.png").write_bytes(pictures.encode(pictures.photograph(60, 45)))
    (run / "x/a b:c.png").write_bytes(pictures.jpeg(pictures.photograph(40, 90), exif=pictures.exif(6)))
    predict.main(["pictures/0.png", "absent.png", "x/0.png", "x/a b:c.png", "--heatmaps", "maps"])
    drawn = {path.name: Image.open(path).size for path in sorted(Path("maps").iterdir())}
    assert drawn == {"00001-0.png": (32, 32), "00003-0.png": (60, 45), "00004-a_b_c.png": (90, 40)}
    colored = np.asarray(Image.open("maps/00003-0.png"), float)
    assert np.ptp(colored, axis=2).max() > 50  # there is heat in it


def test_a_picture_that_fits_a_small_copy_only_has_no_heatmap(run, monkeypatch, capsys):
    def damaged(path, how):
        raise predict.UnusableImage("truncated")

    monkeypatch.setattr(predict, "read_whole", damaged)
    predict.main(["pictures/0.png", "--heatmaps", "maps"])
    printed = capsys.readouterr()
    assert printed.err == "predict: pictures/0.png: no heatmap: truncated\n"
    assert printed.out.endswith("pictures/0.png\n")
    assert list(Path("maps").iterdir()) == []


class Brightness(torch.nn.Module):
    """Takes no time."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def test_memory_does_not_grow_with_the_files(run):
    how = Preprocessing(size=128)
    trained = TrainedModel(Brightness(), "none", "batch", "auto", ("r", "g", "b"), MEAN, STD, how)
    predictor = predict.Predictor(trained, load_params())

    def peak(count: int) -> int:
        files = (("pictures/0.png", "") for _ in range(count))
        tracemalloc.start()
        made = sum(1 for _ in predict.answers(files, predictor, 1))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made == count
        return size

    peak(100)  # what is imported on the way
    assert abs(peak(3_000) - peak(300)) < 2_000_000  # all 3,000 would take 147 MB
