"""Shows where the model looks: at its mistakes, and at the same images in every experiment."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from src import artifacts, distributed, schema
from src.command import run_main
from src.data.dataset import Dataset, first_of_each_class, load_dataset
from src.data.images import CHUNK
from src.evaluation.inference import answerer_of
from src.evaluation.predictions import read_predictions
from src.explanation import faithfulness, overlays
from src.explanation.gradcam import Explainer, enlarge, to_bytes
from src.hardware import choose_hardware, set_up_torch
from src.launch import done_in_several
from src.models.layers import Layer, choose_layers, model_layers
from src.models.trained import load_trained, with_random_weights
from src.params import load_params
from src.ranks import OURS

CHECKED_PER_CLASS = 5  # images, the first, that the maps are checked with
CHECKED = 200  # of all classes together, at most
PROBES = 10  # classes, the first


def main() -> None:
    params = load_params()
    dataset = load_dataset()
    if done_in_several("gradcam", params, len(dataset.test)):
        return
    hardware = choose_hardware(params.device, "fp32")  # gradients in bf16 are too coarse to be drawn
    distributed.join(hardware.device)
    set_up_torch(params.threads, params.deterministic)
    trained = load_trained(of=dataset.classes)
    tta = params.evaluate.tta
    explainer = Explainer(answerer_of(trained, tta, hardware), hardware)
    randomized = Explainer(answerer_of(with_random_weights(trained), tta, hardware), hardware)

    example = torch.zeros(1, 3, trained.size, trained.size, device=hardware.device)
    layers = choose_layers(params.gradcam.layers, trained.model, example)
    depths = model_layers(trained.model, example)
    depths += [layer for layer in layers if layer not in depths]
    columns = ["predicted", "actual"] if params.gradcam.classes == "both" else [params.gradcam.classes]

    metrics = explain_mistakes(explainer, dataset, layers, columns)
    draw_probes(explainer, dataset, depths)
    metrics[layers[-1].name]["differing_answers"] = write_heatmaps(explainer, dataset, layers[-1])
    checked = dataset.test.images[checked_images(dataset.test.labels)]
    for layer in layers:
        metrics[layer.name] |= faithfulness.check(explainer, randomized, checked, layer)
    if OURS.rank == 0:
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
    # For each layer float32 (mistakes, columns, h, w).
    native = [
        np.stack([explainer.native_maps(images, layer, target) for target in targets], axis=1)
        for layer in layers
    ]
    if OURS.rank:  # the first of several processes draws and writes
        return {layer.name: {} for layer in layers}
    without = np.zeros((len(layers), len(columns)), int)
    with artifacts.atomic_folder(artifacts.GRADCAM) as folder:
        for number, (_, row) in enumerate(table.iterrows()):
            maps = [enlarge(of_layer[number], *images.shape[1:3]) for of_layer in native]
            without += [(of_layer.max((1, 2)) <= 0) for of_layer in maps]
            overlays.save_explanation(
                folder / f"{number + 1:02}.png",  # by slot, so that experiments can be paired
                images[number],
                [str(layer) for layer in layers],
                [f"for {row[column]} ({column})" for column in columns],
                maps,
                heading(row),
            )
    return {
        layer.name: {
            "height": layer.height,
            "width": layer.width,
            "without_positive_evidence": dict(zip(columns, without[at].tolist(), strict=True)),
        }
        for at, layer in enumerate(layers)
    }


def heading(row: pd.Series) -> str:
    """What stands over the picture of a mistake."""
    issue = " (label issue)" if row["label_issue"] else ""
    file = f"{row['file']}\n" if row["file"] else ""
    return (
        f"{file}Test image {row['index']}: is {row['actual']}{issue}, taken for {row['predicted']}\n"
        f"{row['confidence']:.1%} sure; {row['actual']} got {row['actual_probability']:.1%}"
    )


def write_heatmaps(explainer: Explainer, dataset: Dataset, layer: Layer) -> int:
    """Write the map of every test image for the class it was taken for: what the report shows.

    Returns:
        How many images the explained function takes for something else than the table says.
    """
    predictions = read_predictions(dataset.classes, len(dataset.test))
    images = dataset.test.images
    maps = np.zeros((len(images), layer.height, layer.width), np.uint8)
    differing = 0
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        heat, logits = explainer.explain(images[part], layer, predictions.predicted[part])
        maps[part] = to_bytes(heat)
        differing += int((logits.argmax(1) != predictions.predicted[part]).sum())
    if OURS.rank == 0:
        artifacts.write_array(artifacts.HEATMAPS, maps)
    return differing


def checked_images(labels: np.ndarray) -> np.ndarray:
    """Positions of the images that the maps are checked with: of each class, or of some of very many."""
    classes = np.unique(labels)
    if len(classes) > CHECKED:
        classes = classes[np.arange(CHECKED) * len(classes) // CHECKED]
    count = min(CHECKED_PER_CLASS, CHECKED // len(classes))
    chosen = first_of_each_class(labels, count)
    return chosen[np.isin(labels[chosen], classes)]


def draw_probes(explainer: Explainer, dataset: Dataset, layers: Sequence[Layer]) -> None:
    """Draw the first test image of every class, or of the first few, with its maps, shallow to deep."""
    indices = first_of_each_class(dataset.test.labels, 1)
    indices = indices[np.argsort(dataset.test.labels[indices])][:PROBES]
    images, labels = dataset.test.images[indices], dataset.test.labels[indices]
    predicted = explainer.predict(images)
    maps = [explainer.maps(images, layer, labels) for layer in layers]
    if OURS.rank:
        return
    titles = [
        dataset.classes[label] + ("\nright" if label == answer else f"\nnot {dataset.classes[answer]}")
        for label, answer in zip(labels, predicted, strict=True)
    ]
    classes = len(dataset.classes)
    some = f"\n(the first {PROBES} of {classes:,} classes)" if classes > PROBES else ""
    overlays.save_probes(
        artifacts.GRADCAM_PROBES,
        images,
        titles,
        (predicted == labels).tolist(),
        [str(layer) for layer in layers],
        maps,
        "Evidence for the actual class,\neach map on its own scale;\n"
        f"the same images in every experiment{some}",
    )


if __name__ == "__main__":
    run_main("gradcam", main)
