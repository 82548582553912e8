"""Shows where the model looks: at its mistakes, and at the same images in every experiment."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from src import artifacts, schema
from src.command import run_main
from src.data.dataset import Dataset, first_of_each_class, load_dataset
from src.data.mean_std import load_mean_std
from src.data.normalization import Normalize
from src.evaluation.predictions import read_predictions
from src.explanation import faithfulness, overlays
from src.explanation.gradcam import Explainer, enlarge, to_bytes
from src.hardware import choose_hardware, set_up_torch
from src.models.layers import Layer, choose_layers, model_layers
from src.models.registry import create_model
from src.models.trained import load_trained
from src.params import load_params

CHECKED_PER_CLASS = 5  # images, the first, that the maps are checked with


def main() -> None:
    params = load_params()
    dataset = load_dataset()
    mean_std = load_mean_std()
    hardware = choose_hardware(params.device, "fp32")  # gradients in bf16 are too coarse to be drawn
    set_up_torch(params.threads, params.deterministic)
    trained = load_trained(of=dataset.classes)
    normalize = Normalize(mean_std["mean"], mean_std["std"], hardware.device)
    explainer = Explainer(hardware.place(trained.model), normalize, hardware)
    torch.manual_seed(0)  # fixed: the checks should compare experiments, not draws
    untrained = create_model(trained.name, len(trained.classes), trained.norm)
    randomized = Explainer(hardware.place(untrained), normalize, hardware)

    example = explainer.inputs(dataset.test.images[:1])
    layers = choose_layers(params.gradcam.layers, trained.model, example)
    depths = model_layers(trained.model, example)
    depths += [layer for layer in layers if layer not in depths]
    columns = ["predicted", "actual"] if params.gradcam.classes == "both" else [params.gradcam.classes]

    metrics = explain_mistakes(explainer, dataset, layers, columns)
    draw_probes(explainer, dataset, depths)
    write_heatmaps(explainer, dataset, layers[-1])
    for layer in layers:
        metrics[layer.name] |= check(explainer, randomized, dataset, layer)
    artifacts.write_json(artifacts.GRADCAM_METRICS, metrics)


def explain_mistakes(
    explainer: Explainer, dataset: Dataset, layers: Sequence[Layer], columns: Sequence[str]
) -> dict[str, dict]:
    """Draw one picture per mistake; return figures about the maps, by layer.

    Args:
        explainer: the trained model.
        dataset: what the mistakes are about.
        layers: each gets a row of maps.
        columns: `predicted`, `actual`: the classes whose evidence is drawn.
    """
    table = schema.read_table(schema.MISCLASSIFIED, dataset.classes)
    images = dataset.test.images[table["index"].to_numpy()]
    targets = [table[column].cat.codes.to_numpy(np.int64) for column in columns]
    maps = np.zeros((len(layers), len(columns), *images.shape[:3]), np.float32)
    for number, layer in enumerate(layers):
        maps[number] = [explainer.maps(images, layer, target) for target in targets]

    with artifacts.atomic_folder(artifacts.GRADCAM) as folder:
        for number, (_, row) in enumerate(table.iterrows()):
            overlays.save_explanation(
                folder / f"{number + 1:02}.png",  # by slot, so that experiments can be paired
                images[number],
                [str(layer) for layer in layers],
                [f"for {row[column]} ({column})" for column in columns],
                maps[:, :, number],
                heading(row),
            )
    return {
        layer.name: {
            "height": layer.height,
            "width": layer.width,
            "without_positive_evidence": {
                column: int((maps[at, which].max((1, 2)) <= 0).sum()) if len(table) else 0
                for which, column in enumerate(columns)
            },
        }
        for at, layer in enumerate(layers)
    }


def heading(row: pd.Series) -> str:
    """What stands over the picture of a mistake."""
    issue = " (label issue)" if row["label_issue"] else ""
    return (
        f"Test image {row['index']}: is {row['actual']}{issue}, taken for {row['predicted']}\n"
        f"{row['confidence']:.1%} sure; {row['actual']} got {row['actual_probability']:.1%}"
    )


def write_heatmaps(explainer: Explainer, dataset: Dataset, layer: Layer) -> None:
    """Write the map of every test image for the class it was taken for: what the report shows."""
    predictions = read_predictions(dataset.classes, len(dataset.test))
    maps = explainer.native_maps(dataset.test.images, layer, predictions.predicted)
    artifacts.write_array(artifacts.HEATMAPS, to_bytes(maps))


def check(explainer: Explainer, randomized: Explainer, dataset: Dataset, layer: Layer) -> dict[str, float]:
    """Figures that tell whether maps show what the model relies on; the same images in every experiment."""
    images = dataset.test.images[first_of_each_class(dataset.test.labels, CHECKED_PER_CLASS)]
    predicted = explainer.predict(images)
    maps = explainer.native_maps(images, layer, predicted)
    # Blobs of the same size in random places: single pixels in random order would hurt any model more.
    # Seeded, because the reference must be the same in every experiment.
    blobs = np.random.default_rng(0).random(maps.shape, np.float32)
    values = {}
    for ending, order in (("", maps), ("_random", blobs)):
        enlarged = enlarge(order, *images.shape[1:3])
        areas = faithfulness.deletion_insertion(explainer.probabilities, images, enlarged, predicted)
        for name, area in zip(("deletion", "insertion"), areas, strict=True):
            values[name + ending] = float(area.mean())
    other = randomized.native_maps(images, layer, predicted)
    return {
        **dict(sorted(values.items())),
        "randomized_correlation": faithfulness.rank_correlation(maps, other),
    }


def draw_probes(explainer: Explainer, dataset: Dataset, layers: Sequence[Layer]) -> None:
    """Draw the first test image of every class with its maps for that class, shallow to deep."""
    indices = first_of_each_class(dataset.test.labels, 1)
    indices = indices[np.argsort(dataset.test.labels[indices])]
    images, labels = dataset.test.images[indices], dataset.test.labels[indices]
    predicted = explainer.predict(images)
    titles = [
        dataset.classes[label] + ("\nright" if label == answer else f"\nnot {dataset.classes[answer]}")
        for label, answer in zip(labels, predicted, strict=True)
    ]
    overlays.save_probes(
        artifacts.GRADCAM_PROBES,
        images,
        titles,
        (predicted == labels).tolist(),
        [str(layer) for layer in layers],
        np.stack([explainer.maps(images, layer, labels) for layer in layers]),
        "Evidence for the actual class,\neach map on its own scale;\nthe same images in every experiment",
    )


if __name__ == "__main__":
    run_main("gradcam", main)
