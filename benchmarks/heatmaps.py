"""How well the heatmaps of the model in the workspace locate: `python -m benchmarks.heatmaps [--images N]`.

The checks of the `gradcam` stage, on more images: equally many of each class, the first of the test split.
"""

import argparse

import torch

from src.command import run_main
from src.data.dataset import first_of_each_class, load_dataset
from src.evaluation.inference import answerer_of
from src.explanation.faithfulness import check
from src.explanation.gradcam import Explainer
from src.hardware import choose_hardware, set_up_torch
from src.models.layers import choose_layers, find_layer
from src.models.trained import load_trained, with_random_weights
from src.params import load_params


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heatmaps", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="of all classes; default: 1000")
    parser.add_argument("--layers", nargs="+", metavar="LAYER", help="default: as gradcam.layers says")
    options = parser.parse_args()
    params, dataset = load_params(), load_dataset()
    hardware = choose_hardware(params.device, "fp32")
    set_up_torch(params.threads, params.deterministic)
    trained = load_trained(of=dataset.classes)
    explainer, randomized = (
        Explainer(answerer_of(model, params.evaluate.tta, hardware), hardware)
        for model in (trained, with_random_weights(trained))
    )
    chosen = first_of_each_class(dataset.test.labels, options.images // len(dataset.classes))
    images = dataset.test.images[chosen]
    example = torch.zeros(1, 3, trained.size, trained.size, device=hardware.device)
    if options.layers:
        layers = [find_layer(trained.model, name, example) for name in options.layers]
    else:
        layers = choose_layers(params.gradcam.layers, trained.model, example)
    for layer in layers:
        figures = check(explainer, randomized, images, layer)
        said = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        print(f"{layer}, {len(images)} images: {said}", flush=True)


if __name__ == "__main__":
    run_main("benchmarks", main)
