import contextlib
import pickle
import random

import pytest
import torch

from src import checkpoint, models
from src.checkpoint import Checkpoint
from src.errors import InputError


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    made = Checkpoint(models.create("resnet18", 3, "group"), "resnet18", "group", ("a", "b", "c"))
    checkpoint.save(made, tmp_path / "model.pt")
    return made, tmp_path / "model.pt"


def test_it_comes_back_as_it_was(saved):
    made, path = saved
    found = checkpoint.load(path)
    assert (found.name, found.norm, found.classes) == ("resnet18", "group", ("a", "b", "c"))
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(found.model.eval()(images), made.model.eval()(images))


def test_the_same_content_gives_the_same_bytes(saved, tmp_path):
    made, path = saved
    made.model.to(memory_format=torch.channels_last)
    checkpoint.save(made, tmp_path / "another name.pt")
    assert (tmp_path / "another name.pt").read_bytes() == path.read_bytes()


def test_truncated(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.pt: damaged, or no model of this pipeline"):
        checkpoint.load(path)


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_is_told_in_one_line(saved, seed):
    _, path = saved
    rng = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(20):  # in the directory and the pickle at the ends, where it hurts
        place = rng.randrange(3000)
        content[place if rng.random() < 0.5 else -place] = rng.randrange(256)
    path.write_bytes(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)
    with contextlib.suppress(InputError):  # some damage does no harm; nothing else may be raised
        checkpoint.load(path)


def test_weights_that_do_not_fit(saved):
    _, path = saved
    content = torch.load(path, weights_only=True)
    content["name"] = "resnet34"
    torch.save(content, path)
    with pytest.raises(InputError, match="damaged, or no model"):
        checkpoint.load(path)


def test_nothing_in_it_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "opened").mkdir, ()

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError):
        checkpoint.load(tmp_path / "model.pt")
    torch.save({"name": Bomb()}, tmp_path / "model.pt")
    with pytest.raises(InputError):
        checkpoint.load(tmp_path / "model.pt")
    assert not (tmp_path / "opened").exists()
