"""Exported files say what the pipeline says, or do not come into being."""

import io
import json
import zipfile

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from src import artifacts, export
from src.data.dataset import Dataset, Split
from src.errors import InputError
from src.preprocessing import Preprocessing
from src.report import agreement
from tests.small_run import make_run, save_model


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(agreement, "TIMED", 0)


def ask_onnx(path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path))
    [probabilities] = session.run(None, {"images": images})
    return probabilities


def ask_pt2(path, images: np.ndarray) -> np.ndarray:
    return torch.export.load(path).module()(torch.from_numpy(images)).detach().numpy()


ASK = {"onnx": ask_onnx, "pt2": ask_pt2}


def metadata(path) -> dict[str, str]:
    if path.suffix == ".onnx":
        return onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    extra = {export.METADATA: ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra[export.METADATA])


@pytest.mark.parametrize("tta", ["flip", "flip_shift"])
@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_the_file_agrees_with_the_table(tiny, run, write_params, capsys, format, tta):
    make_run(tiny, write_params, evaluate__tta=tta)
    capsys.readouterr()
    export.main([format])
    printed = capsys.readouterr()
    path = run / f"model.{format}"
    known = np.load(artifacts.PROBABILITIES)
    images = np.array(tiny.test.images)
    given = ASK[format](path, images)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, known, atol=1e-5)
    predicted = np.array(tiny.classes)[given.argmax(1)]
    assert predicted.tolist() == pd.read_csv(artifacts.PREDICTIONS)["predicted"].tolist()
    for count in (1, 3):  # any number at once
        np.testing.assert_allclose(ASK[format](path, images[:count]), known[:count], atol=1e-5)
    size, checked, speed = printed.out.splitlines()
    assert size.startswith(f"model.{format}: {path.stat().st_size / 1e6:.1f} MB; ")
    assert "on all 100 test images; probabilities differ by" in checked
    assert "images/s by" in speed
    assert printed.err == ""


def test_a_file_on_standard_output(run, capsysbinary):
    export.main(["pt2", "-o", "-"])
    printed = capsysbinary.readouterr()
    assert zipfile.is_zipfile(io.BytesIO(printed.out))
    assert f"-: {len(printed.out) / 1e6:.1f} MB; takes images".encode() in printed.err
    assert not list(run.glob("*.pt2"))


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_the_file_says_how_it_is_used(run, format):
    classes = ("a, b", "Käfer", '"🐸"', "index", "1e5", "NA", "g", "h", "i", "j")
    how = Preprocessing(32, "crop", "bilinear", 4095)
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    split = Split(images, np.arange(20) % 10)
    save_run(Dataset("sample", "here", classes, split, split, preprocessing=how), unsure_below=0.25)
    export.main([format, "-o", f"below/odd name.{format}"])
    said = metadata(run / f"below/odd name.{format}")
    assert json.loads(said["classes"]) == list(classes)
    assert (said["size"], said["fit"], said["interpolation"]) == ("32", "crop", "bilinear")
    assert (said["white"], said["unsure_below"]) == ("4095", "0.25")
    assert "largest square in the middle" in said["resizing"]
    assert "255/4095" in said["resizing"]


def save_run(dataset: Dataset, **model) -> None:
    from src.data.dataset import save_dataset
    from tests.project import call

    save_dataset(dataset, artifacts.DATASET)
    save_model(dataset.classes, how=dataset.preprocessing, **model)
    call("evaluate")


def test_the_same_model_gives_the_same_file(run):
    export.main(["onnx"])
    first = (run / "model.onnx").read_bytes()
    export.main(["onnx"])
    assert (run / "model.onnx").read_bytes() == first
    assert str(export.__file__).encode() not in first  # nothing about this machine


@pytest.mark.parametrize(
    ("name", "format"),
    [("torchvision/shufflenet_v2_x0_5", "onnx"), ("timm/test_vit", "onnx"), ("timm/test_vit", "pt2")],
)
def test_networks_of_libraries(tiny, run, write_params, capsys, name, format):
    few = Split(tiny.test.images[:30], tiny.test.labels[:30])
    make_run(Dataset("sample", "here", tiny.classes, few, few), write_params, name)
    export.main([format])
    assert "on all 30 test images" in capsys.readouterr().out


# --- no file that is wrong


def leftovers(folder) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith((".tmp", "model"))]


def test_a_table_of_another_model(tiny, run):
    (run / "model.onnx").write_text("as before")
    save_model(tuple(reversed(tiny.classes)))  # the table is of the one before
    save_model(tiny.classes, "custom_resnet")
    with pytest.raises(InputError) as refused:
        export.main(["onnx"])
    [line] = str(refused.value).splitlines()
    assert line.startswith("not exported: the file differs from data/predictions.csv on ")
    assert "so does data/model.pt itself" in line
    assert leftovers(run) == ["model.onnx"]
    assert (run / "model.onnx").read_text() == "as before"


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_an_export_that_went_wrong(run, monkeypatch, format):
    save, load, runtime = export.FORMATS[format]

    def save_wrongly(model, path, metadata):
        with torch.no_grad():
            model.answerer.normalize.mean += 20
            save(model, path, metadata)
            model.answerer.normalize.mean -= 20

    monkeypatch.setitem(export.FORMATS, format, (save_wrongly, load, runtime))
    with pytest.raises(InputError, match="the model agrees with the table, so the export is wrong"):
        export.main([format])
    assert leftovers(run) == []


def test_a_network_that_cannot_be_exported(run, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("\nno decomposition for aten::strange\n\nmore")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(
        InputError, match=r"^fast cannot be exported as onnx: no decomposition for aten::strange$"
    ):
        export.main(["onnx"])
    assert leftovers(run) == []


def test_without_a_table_nothing_is_exported(run):
    artifacts.PROBABILITIES.unlink()
    with pytest.raises(InputError, match=r"data/probabilities.npy: missing"):
        export.main(["pt2"])


# --- what counts as agreement


@pytest.fixture
def table(run):
    from src.evaluation.predictions import Predictions

    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.450001, 0.449999], [0, 0, 1]], np.float32)
    return Predictions.from_probabilities(np.zeros(3, int), probabilities, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ([0, 0, 0], True),
        ([9e-5, -9e-5, 0], True),
        ([2e-4, -2e-4, 0], False),
        ([np.nan, 0, 0], False),
        ([-0.2, 0.2, 0], False),
    ],
)
def test_how_far_probabilities_may_be_off(table, change, right):
    images = np.zeros((3, 4, 4, 3), np.uint8)
    given = table.probabilities.copy()
    given[0] += np.array(change, np.float32)
    if right:
        assert "all 3 test images; " in agreement.check(lambda _: given, lambda _: given, images, table)
    else:
        with pytest.raises(InputError, match=r"on 1 of 3 test images \(first: 0\)"):
            agreement.check(lambda _: given, lambda _: given[:1], images, table)


def test_a_tie_is_no_disagreement_but_is_told(table):
    images = np.zeros((3, 4, 4, 3), np.uint8)
    given = table.probabilities.copy()
    given[1, 1:] = given[1, :0:-1]
    assert "but for 1 where two classes" in agreement.check(lambda _: given, lambda _: given, images, table)
