import contextlib
import pickle
import random

import pytest
import torch

from src.errors import InputError
from src.models.registry import create_model
from src.models.trained import TrainedModel, load_trained, save_trained
from src.preprocessing import Preprocessing

CLASSES, MEAN, STD = ("a", "b", "c"), (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    made = TrainedModel(
        create_model("resnet18", 3, "group"),
        "resnet18",
        "group",
        "auto",
        CLASSES,
        MEAN,
        STD,
        Preprocessing(96, "crop", "bilinear", 4095.0),
        0.55,
    )
    save_trained(made, tmp_path / "model.pt")
    return made, tmp_path / "model.pt"


def test_it_comes_back_as_it_was(saved):
    made, path = saved
    loaded = load_trained(path)
    assert (loaded.name, loaded.norm, loaded.stem, loaded.classes) == ("resnet18", "group", "auto", CLASSES)
    assert (loaded.mean, loaded.std, loaded.unsure_below) == (MEAN, STD, 0.55)
    assert loaded.preprocessing == Preprocessing(96, "crop", "bilinear", 4095.0)
    assert loaded.size == 96
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded.model.eval()(images), made.model.eval()(images))


def test_the_same_content_gives_the_same_bytes(saved, tmp_path):
    made, path = saved
    made.model.to(memory_format=torch.channels_last)
    save_trained(made, tmp_path / "another name.pt")
    assert (tmp_path / "another name.pt").read_bytes() == path.read_bytes()


def test_a_truncated_file(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.pt: damaged, or not a model of this pipeline"):
        load_trained(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> bytes:
    """The file of a smaller model."""
    path = tmp_path_factory.mktemp("small") / "model.pt"
    fast = create_model("fast", 3)
    save_trained(TrainedModel(fast, "fast", "batch", "auto", CLASSES, MEAN, STD, Preprocessing()), path)
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_ends_in_an_input_error(small, tmp_path, seed):
    path = tmp_path / "model.pt"
    rng = random.Random(seed)
    content = bytearray(small)
    for _ in range(20):  # in the directory and the pickle at the ends, where it hurts
        place = rng.randrange(3000)
        content[place if rng.random() < 0.5 else -place] = rng.randrange(256)
    path.write_bytes(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)
    with contextlib.suppress(InputError):  # some damage does no harm; nothing else may be raised
        load_trained(path)


def test_weights_that_do_not_fit(saved):
    _, path = saved
    content = torch.load(path, weights_only=True)
    content["name"] = "resnet34"
    torch.save(content, path)
    with pytest.raises(InputError, match="damaged, or not a model"):
        load_trained(path)


def test_nothing_in_it_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "opened").mkdir, ()

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError):
        load_trained(tmp_path / "model.pt")
    torch.save({"name": Bomb()}, tmp_path / "model.pt")
    with pytest.raises(InputError):
        load_trained(tmp_path / "model.pt")
    assert not (tmp_path / "opened").exists()


def test_a_model_that_is_not_known_here(small, tmp_path):
    (tmp_path / "model.pt").write_bytes(small)
    content = torch.load(tmp_path / "model.pt", weights_only=True) | {"name": "vgg"}
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"not a model of this pipeline \(model: 'vgg' is not known"):
        load_trained(tmp_path / "model.pt")


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"model\.pt: missing; run `dvc repro` to restore it"):
        load_trained(tmp_path / "model.pt")


def test_a_file_of_before_is_refused(small, tmp_path):
    """It does not say how its images were normalized."""
    (tmp_path / "model.pt").write_bytes(small)
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    del content["mean"], content["std"], content["preprocessing"], content["stem"]
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"not a model of this pipeline .* run `dvc repro --force`"):
        load_trained(tmp_path / "model.pt")


def test_a_library_model_comes_back(tmp_path):
    torch.manual_seed(0)
    name = "torchvision/shufflenet_v2_x0_5"
    model = create_model(name, 3, size=48)
    made = TrainedModel(model, name, "batch", "auto", CLASSES, MEAN, STD, Preprocessing(48))
    save_trained(made, tmp_path / "model.pt")
    loaded = load_trained(tmp_path / "model.pt")
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(loaded.model.eval()(images), model.eval()(images))
    assert loaded.model.cam_layers == model.cam_layers
    save_trained(loaded, tmp_path / "again.pt")
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "model.pt").read_bytes()
