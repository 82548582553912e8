import dataclasses

import numpy as np
import pytest
import torch

from src.data.normalization import Normalize
from src.errors import InputError
from src.hardware import choose_hardware
from src.params import load_params
from src.training.setup import TrainingSetup, set_up_training
from tests.conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml").model_copy(update={"batch_size": 20, "threads": 1})
MEAN_STD = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}


def set_up(tiny, **changes) -> TrainingSetup:
    hardware = choose_hardware("cpu", "fp32")
    return set_up_training(PARAMS.model_copy(update=changes), tiny, MEAN_STD, hardware)


def test_images_held_out_are_not_trained_on(tiny):
    setup = set_up(tiny, validation=0.1)
    assert setup.held_out
    assert (len(setup.train_split), len(setup.val_split)) == (180, 20)
    both = np.concatenate([setup.train_split.images, setup.val_split.images])
    assert {image.tobytes() for image in both} == {image.tobytes() for image in tiny.train.images}
    assert np.bincount(setup.val_split.labels).tolist() == [2] * 10
    assert sum(len(labels) for _, labels in setup.batches.epoch(1)) == 180


def test_without_images_held_out_the_curves_are_of_the_test_split(tiny):
    setup = set_up(tiny, validation=0)
    assert not setup.held_out
    assert len(setup.train_split) == 200
    assert setup.val_split is tiny.test


def test_the_seed_decides_about_model_and_batches(tiny):
    one, same, other = (set_up(tiny, seed=seed) for seed in (1, 1, 2))
    for attribute in (lambda setup: setup.model.linear.weight, lambda setup: next(setup.batches.epoch(1))[0]):
        assert torch.equal(attribute(one), attribute(same))
        assert not torch.equal(attribute(one), attribute(other))


def test_the_model_has_looked_at_the_training_images(tiny):
    model = set_up(tiny, validation=0).model
    normalize = Normalize(MEAN_STD["mean"], MEAN_STD["std"], torch.device("cpu"))
    with torch.inference_mode():
        whitened = model.whitening(normalize(torch.from_numpy(tiny.train.images)))
    whitened = whitened[:, :12].transpose(0, 1).flatten(1)
    moments = whitened @ whitened.T / whitened.shape[1]
    assert torch.allclose(moments, torch.diag(moments.diag()), atol=1e-3)
    assert moments.diag().max().item() == pytest.approx(1, abs=1e-3)


def test_a_batch_of_more_than_all_images_is_refused(tiny):
    with pytest.raises(InputError, match="batch_size: 181 is more than the 180 images to train on"):
        set_up(tiny, batch_size=181, validation=0.1)


def test_the_users_own_validation_images_take_the_place_of_those_held_out(tiny, capsys):
    own = tiny.test.take(np.arange(30))
    setup = set_up(dataclasses.replace(tiny, val=own), validation=0.1)
    assert setup.held_out
    assert setup.val_split is own
    assert len(setup.train_split) == 200
    line = "validation: the 30 images of the val part; none are held out of training\n"
    assert line in capsys.readouterr().out


def test_groups_are_not_torn_apart(tiny):
    groups = np.arange(200) // 4
    grouped = dataclasses.replace(tiny, train=dataclasses.replace(tiny.train, groups=groups))
    setup = set_up(grouped, validation=0.2)
    assert not set(setup.train_split.groups) & set(setup.val_split.groups)
    np.testing.assert_array_equal(setup.train_split.labels, tiny.train.labels[setup.train_indices])


def test_the_statistics_of_pretrained_weights_take_the_place_of_the_datas(tiny, tmp_path, capsys):
    import timm

    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "weights.pt")
    setup = set_up(tiny, model="timm/test_resnet", weights=str(tmp_path / "weights.pt"), stem="original")
    assert setup.model.statistics
    assert setup.mean_std == {
        "mean": list(setup.model.statistics.mean),
        "std": list(setup.model.statistics.std),
    }
    white = setup.normalize(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))[0, :, 0, 0]
    expected = [(1 - m) / s for m, s in zip(setup.mean_std["mean"], setup.mean_std["std"], strict=True)]
    assert white.tolist() == pytest.approx(expected, rel=1e-5)
    assert "images are normalized with the weights' own statistics: mean 0." in capsys.readouterr().out
    assert set_up(tiny).mean_std == MEAN_STD
    assert capsys.readouterr().out == ""


def test_weights_from_a_file_are_not_prepared_anew(tiny, tmp_path):
    trained = set_up(tiny, seed=5).model
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    other = dataclasses.replace(tiny, train=tiny.test)  # other images, other filters
    model = set_up(other, weights=str(tmp_path / "weights.pt"), validation=0).model
    assert torch.equal(model.whitening.weight, trained.whitening.weight)
    assert not torch.equal(set_up(other, validation=0).model.whitening.weight, trained.whitening.weight)
