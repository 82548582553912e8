"""The trained model as a file for other programs: `python -m src.export onnx|pt2 [-o FILE]`."""

import argparse
import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from src import artifacts
from src.command import run_main
from src.data.images import Images, images_file, offsets_of, open_images
from src.errors import InputError
from src.evaluation.inference import answerer_of
from src.evaluation.predictions import read_predictions
from src.hardware import Hardware, set_up_torch
from src.models.trained import TrainedModel, load_trained
from src.outputs import is_standard_output, output_file
from src.params import load_params
from src.report.agreement import Ask, check, images_per_second
from src.report.revision import WORKSPACE, files_of

INPUT, OUTPUT = "images", "probabilities"
METADATA = "metadata.json"
TABLE = (artifacts.PREDICTIONS, artifacts.PROBABILITIES)
META = artifacts.DATASET / "meta.json"


class BytesToProbabilities(nn.Module):
    """What is exported: uint8 (N, size, size, 3) to float32 (N, classes), the same as `evaluate` computes.

    Args:
        trained: the model, and what images are normalized with.
        tta: see `src.evaluation.inference.Answerer`.
    """

    def __init__(self, trained: TrainedModel, tta: str) -> None:
        super().__init__()
        cpu = Hardware(torch.device("cpu"), torch.float32)
        self.answerer, self.size = answerer_of(trained, tta, cpu), trained.size

    def forward(self, images: Tensor) -> Tensor:
        return self.answerer.answer(images).softmax(1)


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    target = options.output or Path(f"model.{options.format}")
    stored, needed = _test_images(options.rev)
    with files_of(options.rev, artifacts.PARAMS, artifacts.TRAINED_MODEL, *TABLE, *needed) as folder:
        params = load_params(folder / artifacts.PARAMS)
        trained = load_trained(folder / artifacts.TRAINED_MODEL)
        images = stored(folder)
        table = read_predictions(trained.classes, len(images), folder)
        set_up_torch(params.threads, deterministic=False)
        model = BytesToProbabilities(trained, params.evaluate.tta).eval()
        save, load, runtime = FORMATS[options.format]
        with output_file(target) as temporary:
            with _one_line(f"{trained.name} cannot be exported as {options.format}"):
                save(model, temporary, describe(trained, params.evaluate.tta))
                answer = load(temporary)
            agreement = check(answer, in_memory(model), images, table)
            speeds = [f"{images_per_second(run, images):,.0f}" for run in (answer, in_memory(model))]
            del answer  # has the file open
            size = f"{temporary.stat().st_size / 1e6:.1f} MB"
    side, threads = trained.size, f"CPU, {torch.get_num_threads()} threads"
    said = (
        f"{target}: {size}; takes {INPUT}, bytes (N, {side}, {side}, 3), "
        f"and returns {OUTPUT} (N, {len(trained.classes)})",
        agreement,
        f"{speeds[0]} images/s by {runtime}, {speeds[1]} by torch; {threads}",
    )
    print(*said, sep="\n", file=sys.stderr if is_standard_output(target) else sys.stdout)


def describe(trained: TrainedModel, tta: str) -> dict[str, str]:
    """What somebody who has only the file needs to know; JSON where it is no plain text."""
    how = trained.preprocessing
    return {
        "model": trained.name,
        "classes": json.dumps(trained.classes, ensure_ascii=False),
        "size": str(how.size),
        "fit": how.fit,
        "interpolation": how.interpolation,
        "white": f"{how.white:g}",
        "resizing": how.in_words(),
        "test_time_augmentation": tta,
        "unsure_below": f"{trained.unsure_below:.8g}",
    }


def save_onnx(model: BytesToProbabilities, path: Path, metadata: dict[str, str]) -> None:
    """Write an ONNX file with any number of images at once."""
    with _silence():
        program = torch.onnx.export(
            model,
            (_example(model),),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"images": {0: "N"}},
        )
        assert program is not None
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # where each was in the source code, with this machine's paths
        program.model.metadata_props.update(metadata)
        program.save(str(path))


def load_onnx(path: Path) -> Ask:
    """What a program with ONNX Runtime does."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def save_pt2(model: BytesToProbabilities, path: Path, metadata: dict[str, str]) -> None:
    """Write a program of torch's own, without Python code of ours."""
    with _silence(), torch.no_grad():
        shapes = {"images": {0: torch.export.Dim("N")}}
        program = torch.export.export(model, (_example(model),), dynamic_shapes=shapes)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # as above
        # By way of a file object: given a path, torch insists on an ending that a temporary file lacks.
        with path.open("wb") as file:
            torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata, ensure_ascii=False)})


def load_pt2(path: Path) -> Ask:
    """What a program with torch, and nothing of ours, does."""
    with path.open("rb") as file:
        return in_memory(torch.export.load(file).module())


def in_memory(model: nn.Module) -> Ask:
    """A model in memory."""

    def answer(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(images)).numpy()

    return answer


def _example(model: BytesToProbabilities) -> Tensor:
    # More than one image, or the exporter would take their number for a constant.
    return torch.zeros(2, model.size, model.size, 3, dtype=torch.uint8)


def _test_images(revision: str) -> tuple[Callable[[Path], Images], list[Path]]:
    """How to open a revision's test images in a folder, and the files of theirs that have to be there."""
    with files_of(revision, META) as folder:
        meta = artifacts.read_json(folder / META, "store", "preprocessing")
    store, size = meta["store"], meta["preprocessing"]["size"]
    path = images_file(artifacts.DATASET, "test", store)
    needed = [path] if store == "raw" else [path, offsets_of(path)]
    return lambda folder: open_images(folder / artifacts.DATASET, "test", store, size), needed


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps torch's exporters from telling how they are getting on."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # exporters raise almost anything
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(f"{what}: {reason.strip()[:200]}") from error


# name → writes a file, opens it, and what it is opened with
FORMATS = {
    "onnx": (save_onnx, load_onnx, "ONNX Runtime"),
    "pt2": (save_pt2, load_pt2, "torch.export"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.export",
        description="Exports the trained model for other programs and checks the file on every test image.",
        epilog="The file takes bytes and returns probabilities. Its metadata says how to resize pictures.",
    )
    parser.add_argument("format", choices=FORMATS, help="onnx for ONNX Runtime and others, pt2 for torch")
    parser.add_argument(
        "--rev",
        default=WORKSPACE,
        help="use the model of a branch, tag, commit or DVC experiment; default: the one in the workspace",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="- is standard output; default: model.onnx or model.pt2",
    )
    return parser


if __name__ == "__main__":
    run_main("export", main)
