"""Every training image judged by a model that has not seen it: k-fold cross-validation."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from src import artifacts, distributed
from src.data.dataset import Dataset
from src.data.mean_std import MeanStd
from src.errors import InputError
from src.evaluation.inference import Answerer, predict_views, probabilities
from src.hardware import Hardware, choose_hardware, describe_environment, explain_out_of_memory, set_up_torch
from src.params import Params
from src.ranks import OURS
from src.training.checkpoint import CheckpointFile, fingerprint_of_training
from src.training.fit import Checkpoints, fit
from src.training.setup import set_up_training

FOLDS = 5

Fold = tuple[np.ndarray, np.ndarray]  # positions, int64: to train on, and to judge


class CrossValidation:
    """Trains `FOLDS` times, each time without a part of the training images, and has those judged.

    Each training is as params.yaml has it, and validates as the only one would: with images held out of its
    own, with those set aside for it, or, with `validation: 0`, not at all.

    Args:
        params: all that shapes a training, and how a model is applied.
        stage: the code that calls this.
    """

    def __init__(self, params: Params, stage: Path) -> None:
        self.params = params
        set_up_torch(params.threads, params.deterministic)
        self.hardware = choose_hardware(params.device, params.precision)
        distributed.join(self.hardware.device)
        self.environment = describe_environment(self.hardware)
        self.key = fingerprint_of_training(params, self.environment, stage)

    def judge(self, dataset: Dataset, mean_std: MeanStd) -> tuple[np.ndarray, np.ndarray]:
        """Have each training image judged by the model that was trained without it.

        A killed training resumes after its last finished epoch. What finished ones said is kept beside the
        checkpoints, so that nothing is trained again if only what is made of it changes; see `tidy`.

        Args:
            dataset: whose training images it is about.
            mean_std: of all of them.

        Returns:
            Probabilities, float32 (N, classes), test-time augmentation included; and bool (N,), whether they
            can judge the label: not where that model has seen no image of its class.

        Raises:
            InputError: no class has an image for each fold; see also `set_up_training` and `fit`.
        """
        train = dataset.train
        probabilities = np.zeros((len(train), len(dataset.classes)), np.float32)
        judged = np.zeros(len(train), bool)
        folds = split(train.labels, train.groups, self.params.seed)
        for number, (inside, outside) in enumerate(folds, 1):
            file = self._predictions(number)
            finished = distributed.of_first(file.load)
            if finished is None:
                print(f"fold {number} of {FOLDS}: trains without {len(outside):,} images", flush=True)
                finished = {"probabilities": self._train(number, dataset, mean_std, inside, outside)}
                if OURS.rank == 0:
                    file.save(finished)
                    self._checkpoints(number).remove()
            else:
                print(f"fold {number} of {FOLDS}: finished before", flush=True)
            probabilities[outside] = finished["probabilities"].numpy()
            judged[outside] = np.isin(train.labels[outside], train.labels[inside])
        return probabilities, judged

    def tidy(self) -> None:
        """All have been trained: remove what is no longer needed, with what other settings had said."""
        for number in range(1, FOLDS + 1):
            self._checkpoints(number).remove()  # of one that was killed after its last epoch
        mine = {self._predictions(number).path for number in range(1, FOLDS + 1)}
        folder = artifacts.outside_runs(artifacts.CHECKPOINTS)
        for other in set(folder.glob("*-judged?-*.pt")) - mine:
            other.unlink(missing_ok=True)

    def _train(
        self, number: int, dataset: Dataset, mean_std: MeanStd, inside: np.ndarray, outside: np.ndarray
    ) -> torch.Tensor:
        """Probabilities of the images outside, float32 (n, classes), from a model trained on those inside."""
        params, hardware = self.params, self.hardware
        judged = dataset.train.take(outside)
        fold = replace(dataset, train=dataset.train.take(inside), test=judged)
        setup = set_up_training(params, fold, mean_std, hardware)
        # Features are filed under these: two folds' own positions may be the same.
        setup = replace(setup, train_indices=inside[setup.train_indices])
        with explain_out_of_memory("batch_size", params.batch_size):
            fit(setup, hardware, params, self.environment, self._checkpoints(number))
        config = params.evaluate
        fp32 = Hardware(hardware.device, torch.float32)  # as `evaluate` has it
        with explain_out_of_memory("evaluate.batch_size", config.batch_size):
            answerer = Answerer(setup.model, setup.normalize, config.tta)
            logits, _ = predict_views(answerer, judged.images, fp32, config.batch_size)
        return torch.from_numpy(probabilities(logits).astype(np.float32))

    def _checkpoints(self, number: int) -> Checkpoints:
        return Checkpoints(f"{self.key}-fold{number}")

    def _predictions(self, number: int) -> CheckpointFile:
        return CheckpointFile(f"{self.key}-judged{number}-{self.params.evaluate.tta}")


def split(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> list[Fold]:
    """`FOLDS` splits of the training images; each image is outside of one, and each class in all alike.

    Args:
        labels: int64 (N,).
        groups: int64 (N,), equal for images that stay on one side; None: each for itself.
        seed: of which images go where.

    Raises:
        InputError: no class has as many images as there are folds.
    """
    most = int(np.bincount(labels).max())
    if most < FOLDS:
        raise InputError(
            f"label_issues: true trains {FOLDS} times, each time without a part of every class, but no class "
            f"has more than {most} training images; set label_issues to false"
        )
    options = {"n_splits": FOLDS, "shuffle": True, "random_state": seed}
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        # About a class with fewer images: then some folds judge none of them.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(kind(**options).split(labels, labels, groups))
