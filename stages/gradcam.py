"""Shows where the model looks: at its mistakes, and at the same images in every experiment."""

import numpy as np
import torch

from src import (
    artifacts,
    checkpoint,
    datasets,
    explanation,
    faithfulness,
    hardware,
    heatmaps,
    models,
    params,
    predictions,
)
from src.errors import InputError, run_stage
from src.explanation import Explainer
from src.inference import Normalise
from src.layers import Layer, chosen_layers, model_layers

DOUBT = {"true": " (label in doubt)", "false": ""}
CHECKED = 5  # images of each class, the first, that the checks of the maps are made with


def main() -> None:
    settings = params.load()
    dataset = datasets.load()
    stats = artifacts.read_json(artifacts.STATS, "mean", "std")
    used = hardware.choose(settings.device, "fp32")  # gradients in bf16 are too coarse to be drawn
    hardware.set_up(settings.threads, settings.deterministic)
    loaded = checkpoint.load()
    normalise = Normalise(stats["mean"], stats["std"], used.device)
    explainer = Explainer(used.place(loaded.model), normalise, used)
    torch.manual_seed(0)  # fixed: the checks should compare experiments, not draws
    untrained = used.place(models.create(loaded.name, len(loaded.classes), loaded.norm))
    scrambled = Explainer(untrained, normalise, used)

    example = explainer.inputs(dataset.test.images[:1])
    layers = chosen_layers(settings.gradcam.layers, loaded.model, example)
    depths = model_layers(loaded.model, example)
    depths += [layer for layer in layers if layer not in depths]
    classes = ["predicted", "actual"] if settings.gradcam.classes == "both" else [settings.gradcam.classes]

    summary = explain_mistakes(explainer, dataset, layers, classes)
    draw_probes(explainer, dataset, depths)
    write_heatmaps(explainer, dataset, layers[-1])
    for layer in layers:
        summary[layer.name] |= check(explainer, scrambled, dataset, layer)
    artifacts.write_json(artifacts.GRADCAM_METRICS, summary)


def explain_mistakes(
    explainer: Explainer, dataset: datasets.Dataset, layers: list[Layer], classes: list[str]
) -> dict[str, dict]:
    """Write a picture a mistake, with maps for its `classes`; return figures about the maps, by layer."""
    rows = artifacts.read_csv(artifacts.MISCLASSIFIED)
    try:
        images = dataset.test.images[np.array([int(row["index"]) for row in rows], np.int64)]
        targets = [
            np.array([dataset.classes.index(row[column]) for row in rows], np.int64) for column in classes
        ]
        headings = [
            f"Test image {row['index']}: is {row['actual']}{DOUBT[row['label_doubted']]}, "
            f"taken for {row['predicted']}\n"
            f"{float(row['confidence']):.1%} sure; {row['actual']} got {float(row['actual_probability']):.1%}"
            for row in rows
        ]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{artifacts.MISCLASSIFIED}: damaged ({error}); {artifacts.REMEDY}") from error
    maps = np.zeros((len(layers), len(classes), *images.shape[:3]), np.float32)
    for number, layer in enumerate(layers):
        maps[number] = [explainer.maps(images, layer, target) for target in targets]

    with artifacts.atomic_folder(artifacts.GRADCAM) as folder:
        for number, row in enumerate(rows):
            heatmaps.save_explanation(
                folder / f"{number + 1:02}.png",  # by slot, so that experiments can be paired
                images[number],
                [str(layer) for layer in layers],
                [f"for {row[column]} ({column})" for column in classes],
                maps[:, :, number],
                headings[number],
            )
    return {
        layer.name: {
            "height": layer.height,
            "width": layer.width,
            "without_positive_evidence": {
                column: int((maps[number, which].max((1, 2)) <= 0).sum()) if len(rows) else 0
                for which, column in enumerate(classes)
            },
        }
        for number, layer in enumerate(layers)
    }


def write_heatmaps(explainer: Explainer, dataset: datasets.Dataset, layer: Layer) -> None:
    """Write the map of every test image for the class it was taken for, for whoever compares experiments."""
    found = predictions.read(dataset.classes, len(dataset.test))
    maps = explainer.native_maps(dataset.test.images, layer, found.predicted)
    artifacts.write_array(artifacts.HEATMAPS, heatmaps.to_bytes(maps))


def check(
    explainer: Explainer, scrambled: Explainer, dataset: datasets.Dataset, layer: Layer
) -> dict[str, float]:
    """Figures that tell whether maps show what the model goes by; the same images in every experiment."""
    images = dataset.test.images[datasets.first_of_each_class(dataset.test.labels, CHECKED)]
    predicted = explainer.predict(images)
    maps = explainer.native_maps(images, layer, predicted)
    # Blobs of the same size in random places: single pixels in random order would hurt any model more.
    noise = np.random.default_rng(0).random(maps.shape, np.float32)
    scores = {}
    for ending, order in (("", maps), ("_random", noise)):
        grown = explanation.enlarge(order, *images.shape[1:3])
        areas = faithfulness.deletion_insertion(explainer.probabilities, images, grown, predicted)
        for name, area in zip(("deletion", "insertion"), areas, strict=True):
            scores[name + ending] = float(area.mean())
    other = scrambled.native_maps(images, layer, predicted)
    return {
        **dict(sorted(scores.items())),
        "scrambled_correlation": faithfulness.rank_correlation(maps, other),
    }


def draw_probes(explainer: Explainer, dataset: datasets.Dataset, layers: list[Layer]) -> None:
    """Write the first test image of every class with its maps for that class, shallow to deep."""
    indices = datasets.first_of_each_class(dataset.test.labels, 1)
    indices = indices[np.argsort(dataset.test.labels[indices])]
    images, labels = dataset.test.images[indices], dataset.test.labels[indices]
    predicted = explainer.predict(images)
    titles = [
        dataset.classes[label] + ("\nright" if label == said else f"\nnot {dataset.classes[said]}")
        for label, said in zip(labels, predicted, strict=True)
    ]
    heatmaps.save_probes(
        artifacts.GRADCAM_PROBES,
        images,
        titles,
        (predicted == labels).tolist(),
        [str(layer) for layer in layers],
        np.stack([explainer.maps(images, layer, labels) for layer in layers]),
        "Evidence for the actual class,\neach map on its own scale;\nthe same in every experiment",
    )


if __name__ == "__main__":
    run_stage("gradcam", main)
