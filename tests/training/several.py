"""Small trainings, done here or by several processes that meet: `python -m tests.training.several FOLDER`.

Each process writes `RANK.pt` there, with what it has in the end, by the name of the training.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from src import distributed, ranks
from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches
from src.data.dataset import Dataset, Split, first_of_each_class, load_dataset
from src.data.normalization import Normalize
from src.evaluation.inference import Answerer, predict_logits, predict_views, recorded_embeddings
from src.hardware import Hardware, set_up_torch
from src.launch import loopback
from src.lr_finder import run_range_test
from src.params import Params, load_params
from src.training.checkpoint import CheckpointFile
from src.training.features import FeatureFolder
from src.training.loop import Epoch, train
from src.training.objective import Objective
from tests.conftest import ROOT
from tests.training.small_net import SmallNet

CPU = torch.device("cpu")
FP32 = Hardware(CPU, torch.float32)
NORMALIZE = Normalize([0.5] * 3, [0.25] * 3, CPU)
SHIPPED = load_params(ROOT / "params.yaml")
SGD = {"name": "sgd", "lr": 0.05, "weight_decay": 0.001}
UNEVEN, TOO_FEW = 51, 63  # images to train on: batches of 20, 20 and 11; and of 20, 20, 20 and 3


def params_for(optimizer: dict[str, Any] = SGD, schedule: str = "linear", **changes: Any) -> Params:
    groups = {
        "optimizer": SHIPPED.optimizer.model_copy(update=optimizer),
        "schedule": SHIPPED.schedule.model_copy(
            update={
                "name": schedule,
                "plateau": SHIPPED.schedule.plateau.model_copy(update={"patience": 0, "threshold": 0.9}),
            }
        ),
    }
    return SHIPPED.model_copy(update={"epochs": 2, "batch_size": 20, "norm": "group", **groups, **changes})


def network(norm: str, dropout: bool = False) -> nn.Module:
    torch.manual_seed(0)
    net = SmallNet()
    if norm == "group":
        net.norm = nn.GroupNorm(4, 16)
    if not dropout:  # it draws something else in each process
        net.drop = nn.Identity()
    return FP32.place(net)


def batches_of(split: Split, params: Params) -> TrainingBatches:
    augmentation = Augmentation(params.augment, split.images, [0.5] * 3, 0)
    return TrainingBatches(augmentation, split.labels, params.batch_size, params.seed)


def multiples(number: int) -> np.ndarray:
    """What is done in turn within what is done in turn."""
    return np.stack(distributed.do_in_turn(lambda factor: np.array(factor * number), range(3)))


class Trainings:
    """Of one process; their results are in `done`."""

    def __init__(self) -> None:
        set_up_torch(1, deterministic=True)
        sample = load_dataset(ROOT / "data/sample")
        self.data: Dataset = sample
        self.val = sample.test.take(first_of_each_class(sample.test.labels, 3))
        self.done: dict[str, dict[str, Any]] = {}

    def some(self, count: int) -> Split:
        return self.data.train.take(np.arange(count))

    def run(
        self,
        name: str,
        params: Params,
        count: int = UNEVEN,
        objective: Objective | None = None,
        dropout: bool = False,
        net: nn.Module | None = None,
        **options: Any,
    ) -> None:
        split = self.some(count)
        net = net or network(params.norm, dropout)
        curves = train(
            net,
            batches_of(split, params),
            self.val,
            NORMALIZE,
            FP32,
            params,
            True,
            objective=objective,
            **options,
        )
        self.done[name] = {
            "weights": net.state_dict(),
            "curves": [list(row.row().values()) for row in curves],
        }

    def run_all(self) -> None:
        self.run("sgd", params_for())
        self.run("few in the last batch", params_for(), TOO_FEW)
        muon = {"name": "muon", "lr": 0.02, "weight_decay": 0.06, "adam_lr": 0.002}
        self.run("muon", params_for(muon))
        self.run("ema", params_for(ema=0.9))
        self.run("plateau", params_for(schedule="plateau", epochs=4))
        weights = torch.linspace(0.5, 1.5, 10)
        self.run("weighted", params_for(label_smoothing=0.2), objective=Objective(0.2, weights))
        self.run("sync_batch", params_for(norm="sync_batch"))
        torch.manual_seed(0)
        library = FP32.place(timm.create_model("test_resnet", num_classes=10))
        self.run("sync_batch of timm", params_for(norm="sync_batch"), net=library)
        # What each process does on its own, and may do in another way than one alone.
        self.run("batch", params_for(norm="batch"), TOO_FEW, dropout=True)
        self.run_interrupted()
        self.run_range_test()
        self.answer()
        self.make_features()

    def run_interrupted(self) -> None:
        params = params_for(norm="batch", ema=0.9, epochs=3)
        self.run("undisturbed", params, dropout=True)

        def end(row: Epoch) -> None:
            if row.epoch == 2:
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            self.run("", params, dropout=True, checkpoint=CheckpointFile("key"), on_epoch_end=end)
        self.run("resumed", params, dropout=True, checkpoint=CheckpointFile("key"))

    def run_range_test(self) -> None:
        params = params_for()
        setup = SimpleNamespace(
            model=network("group"),
            batches=batches_of(self.some(TOO_FEW), params),
            normalize=NORMALIZE,
            objective=Objective(0.0),
        )
        test = run_range_test(setup, FP32, params)
        self.done["range test"] = {"rates": test.rates.tolist(), "losses": test.losses.tolist()}

    def answer(self) -> None:
        net = network("group")
        logits = predict_logits(net, self.val.images, NORMALIZE, FP32, batch_size=7)
        answerer = Answerer(net, NORMALIZE, "flip")
        with recorded_embeddings(net.linear, 2) as embeddings:
            views = predict_views(answerer, self.val.images, FP32, batch_size=7)
        steps = distributed.in_order(embeddings)
        table = distributed.do_in_turn(multiples, range(5))
        found = [logits, *views, np.concatenate(steps), np.stack(table)]
        self.done["answers"] = {"all": [torch.from_numpy(array) for array in found]}

    def make_features(self) -> None:
        images = self.data.train.images[:1100]  # three chunks
        made = []

        def extract(part: np.ndarray) -> np.ndarray:
            made.append(len(part))
            return part.reshape(1, len(part), -1)[:, :, :5].astype(np.float32)

        features = FeatureFolder("key").compute("some", images, extract, 1)
        self.done["features"] = {"all": torch.from_numpy(np.array(features)), "made": made}


@contextlib.contextmanager
def meeting(folder: Path, size: int, command: list[str]) -> Iterator[list[subprocess.Popen]]:
    """Several processes that run a command in a folder, where they meet; killed at the end of the block."""
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "GLOO_SOCKET_IFNAME": loopback()}
    given |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "PYTHONPATH": str(ROOT)}
    given |= {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    processes = [
        subprocess.Popen(
            command, cwd=folder, env=os.environ | given | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(size)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def of_several(folder: Path, size: int) -> list[dict[str, dict[str, Any]]]:
    """What each of so many processes has in the end."""
    with meeting(folder, size, [sys.executable, "-m", "tests.training.several", str(folder)]) as processes:
        assert [process.wait(200) for process in processes] == [0] * size
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]


def main() -> None:
    distributed.join(CPU)
    trainings = Trainings()
    trainings.run_all()
    torch.save(trainings.done, Path(sys.argv[1], f"{ranks.OURS.rank}.pt"))


if __name__ == "__main__":
    main()
