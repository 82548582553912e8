"""Shows where the model looks: at its mistakes, and at the same images in every experiment."""

import numpy as np

from src import artifacts, checkpoint, datasets, hardware, heatmaps, params
from src.errors import InputError, run_stage
from src.explanation import Explainer
from src.inference import Normalise
from src.layers import Layer, chosen_layers, default_layers


def main() -> None:
    settings = params.load()
    dataset = datasets.load()
    stats = artifacts.read_json(artifacts.STATS, "mean", "std")
    used = hardware.choose(settings.device, "fp32")  # gradients in bf16 are too coarse to be drawn
    hardware.set_up(settings.threads, settings.deterministic)
    model = used.place(checkpoint.load().model)
    explainer = Explainer(model, Normalise(stats["mean"], stats["std"], used.device), used)

    example = explainer.inputs(dataset.test.images[:1])
    layers = chosen_layers(settings.gradcam.layers, model, example)
    depths = default_layers(model, example)
    depths += [layer for layer in layers if layer not in depths]

    summary = explain_mistakes(explainer, dataset, layers)
    draw_probes(explainer, dataset, depths)
    artifacts.write_json(artifacts.GRADCAM_METRICS, summary)


def explain_mistakes(explainer: Explainer, dataset: datasets.Dataset, layers: list[Layer]) -> dict:
    """Write a picture a mistake; return figures about the maps, by layer."""
    rows = artifacts.read_csv(artifacts.MISCLASSIFIED)
    try:
        images = dataset.test.images[np.array([int(row["index"]) for row in rows], np.int64)]
        predicted, actual = (
            np.array([dataset.classes.index(row[column]) for row in rows], np.int64)
            for column in ("predicted", "actual")
        )
        sure = [(float(row["confidence"]), float(row["actual_probability"])) for row in rows]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{artifacts.MISCLASSIFIED}: damaged ({error}); {artifacts.REMEDY}") from error
    maps = np.zeros((len(layers), 2, *images.shape[:3]), np.float32)
    if len(rows):
        for number, layer in enumerate(layers):
            maps[number] = [explainer.maps(images, layer, t) for t in (predicted, actual)]

    with artifacts.atomic_folder(artifacts.GRADCAM) as folder:
        for number, row in enumerate(rows):
            heatmaps.save_explanation(
                folder / f"{number + 1:02}.png",  # by slot, so that experiments can be paired
                images[number],
                [str(layer) for layer in layers],
                [f"for {row['predicted']} (predicted)", f"for {row['actual']} (actual)"],
                maps[:, :, number],
                f"Test image {row['index']}: is {row['actual']}, taken for {row['predicted']}\n"
                f"{sure[number][0]:.1%} sure; {row['actual']} got {sure[number][1]:.1%}",
            )
    return {
        layer.name: {
            "height": layer.height,
            "width": layer.width,
            "without_positive_evidence": {
                name: int((maps[number, which].max((1, 2)) <= 0).sum()) if len(rows) else 0
                for which, name in enumerate(("predicted", "actual"))
            },
        }
        for number, layer in enumerate(layers)
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
