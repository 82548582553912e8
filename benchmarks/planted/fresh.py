"""Pictures that nothing has seen: what the error rate of a reported spot really is."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.planted.scenes import ATTRIBUTES
from benchmarks.planted.sets import PlantedSet
from src import artifacts
from src.blindspots.attributes import measure
from src.blindspots.rules import Rule
from src.blindspots.words import Words
from src.evaluation.inference import answerer_of, predict_views
from src.explanation.gradcam import Explainer, to_bytes
from src.hardware import Hardware, choose_hardware, set_up_torch
from src.models.layers import choose_layers
from src.models.trained import TrainedModel, load_trained
from src.params import Params, load_params


class FreshPart:
    """The part `fresh` of a set, as the trained model answers it.

    Args:
        planted: the set; each part is drawn from random numbers of its own.
        kept: the folder of the set, as `training.train` has made it.
    """

    def __init__(self, planted: PlantedSet, kept: Path) -> None:
        self.planted, self.kept = planted, kept

    @cached_property
    def images(self) -> np.ndarray:
        return self.planted.images("fresh")

    @cached_property
    def trained(self) -> TrainedModel:
        return load_trained(self.kept / artifacts.TRAINED_MODEL)

    @cached_property
    def params(self) -> Params:
        return load_params(self.kept / artifacts.PARAMS)

    @cached_property
    def explainer(self) -> Explainer:
        set_up_torch(self.params.threads, self.params.deterministic)
        return Explainer(answerer_of(self.trained, self.params.evaluate.tta, self.hardware), self.hardware)

    @cached_property
    def hardware(self) -> Hardware:
        return choose_hardware(self.params.device, "fp32", lambda _: None)

    @cached_property
    def actual(self) -> np.ndarray:
        """Codes of the labels as given, int64 (N,)."""
        labels = self.planted.table("fresh")["label"]
        return pd.Categorical(labels, list(self.trained.classes)).codes.astype(np.int64)

    @cached_property
    def predicted(self) -> np.ndarray:
        """int64 (N,); kept in the set's folder, where it is found again."""
        path = self.kept / "fresh_predicted.npy"
        if not path.exists():
            logits, _ = predict_views(self.explainer.answerer, self.images, self.hardware)
            artifacts.write_array(path, logits.argmax(1).astype(np.int64))
        return artifacts.read_array(path, np.int64, (len(self.actual),))

    @property
    def wrong(self) -> np.ndarray:
        """bool (N,)."""
        return self.predicted != self.actual

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """What can be measured without heatmaps."""
        return measure(self.images, None)

    def members(self, rule: Rule, words: Words) -> np.ndarray:
        """Where a rule holds, by the limits that were fitted on the test part, bool (N,).

        Where a condition needs heatmaps, only those of the images that meet all others are made.
        """
        known = self._words(words, np.arange(len(self.images)), self.numbers)
        by_heatmap = {name for name in words.measured if name not in self.numbers}
        conditions = tuple(pair for pair in rule.conditions if pair[0] not in by_heatmap)
        members = Rule(conditions, rule.actual).members(known, self.actual, self.trained.classes)
        if len(conditions) < len(rule.conditions):
            rows = np.flatnonzero(members)
            focus = measure(self.images[rows], self._heatmaps(rows))[sorted(by_heatmap)]
            numbers = self.numbers.iloc[rows].reset_index(drop=True).join(focus)
            inside = rule.members(self._words(words, rows, numbers), self.actual[rows], self.trained.classes)
            members[rows] = inside
        return members

    def _words(self, words: Words, rows: np.ndarray, numbers: pd.DataFrame) -> pd.DataFrame:
        numbers = numbers.reindex(columns=list(words.measured)).reset_index(drop=True)
        metadata = self.planted.table("fresh")[list(ATTRIBUTES)].iloc[rows].reset_index(drop=True)
        return words.of(numbers, metadata)

    def _heatmaps(self, rows: np.ndarray) -> np.ndarray:
        """As the stage gradcam writes them, uint8 (rows, h, w)."""
        example = torch.zeros(1, 3, self.trained.size, self.trained.size)
        layer = choose_layers(self.params.gradcam.layers, self.trained.model, example)[-1]
        return to_bytes(self.explainer.native_maps(self.images[rows], layer, self.predicted[rows]))
