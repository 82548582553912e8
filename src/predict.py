"""What the trained model takes pictures for: `python -m src.predict FILE|FOLDER|- …`."""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from src import artifacts, streams
from src.command import run_main
from src.download.names import natural_key, shown
from src.download.reader import UnusableImage, read_image, read_whole
from src.download.walk import walk
from src.errors import InputError
from src.evaluation.inference import answerer_of, predict_views, probabilities
from src.hardware import Hardware, choose_hardware, explain_out_of_memory, set_up_torch
from src.models.trained import TrainedModel, load_trained
from src.outputs import output_file
from src.params import Params, load_params
from src.preprocessing import Preprocessing
from src.report.answers import Answer, csv_rows, lines
from src.report.heat import lay_over
from src.report.revision import WORKSPACE, files_of
from src.workers import Workers

BATCH_SIZE = 64  # pictures at once, at most: as fast as more of them, and the first answers come sooner
STANDARD_INPUT = "-"


class Predictor:
    """A trained model as `evaluate` applies it: fp32, the same views.

    Args:
        trained: carries classes, preprocessing and statistics.
        params: of the revision that the model is from.
    """

    def __init__(self, trained: TrainedModel, params: Params) -> None:
        self.trained = trained
        self.batch_size = min(params.evaluate.batch_size, BATCH_SIZE)
        # Not params.device itself: that there was a GPU where the model was trained means nothing here.
        device = "cpu" if params.device == "cpu" else "auto"
        self.hardware: Hardware = choose_hardware(device, "fp32", log=lambda line: None)
        set_up_torch(params.threads, params.deterministic)
        self.answerer = answerer_of(trained, params.evaluate.tta, self.hardware)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Of uint8 (N, size, size, 3): float32 (N, classes)."""
        with explain_out_of_memory("evaluate.batch_size", self.batch_size):
            logits, _ = predict_views(self.answerer, images, self.hardware, self.batch_size)
        return probabilities(logits).astype(np.float32)

    def answer(self, file: str, probabilities: np.ndarray, top: int) -> Answer:
        """Put float32 (classes,) into words."""
        order = np.argsort(-probabilities, kind="stable")[:top]
        threshold = self.trained.unsure_below
        return Answer(
            file,
            tuple(self.trained.classes[position] for position in order),
            tuple(probabilities[order].tolist()),
            bool(probabilities[order[0]] < threshold) if threshold > 0 else None,
        )


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    with files_of(options.rev, artifacts.PARAMS, artifacts.TRAINED_MODEL) as folder:
        params = load_params(folder / artifacts.PARAMS)
        trained = load_trained(folder / artifacts.TRAINED_MODEL)
    predictor = Predictor(trained, params)
    top = min(options.top, len(trained.classes))
    draw = None
    if options.heatmaps is not None:
        draw = _Heatmaps(options.heatmaps, predictor, params.gradcam.layers)
    answered = unusable = 0
    write = csv_rows(top) if options.csv else lines(trained.classes)
    for answer in answers(list_files(options.files), predictor, top, draw):
        answered, unusable = answered + (not answer.problem), unusable + bool(answer.problem)
        write(answer)
        sys.stdout.flush()  # for whoever waits for it at the other end of a pipe
        if answer.problem:
            print(f"predict: {shown(answer.file)}: {answer.problem}", file=sys.stderr)
        if draw is None and not streams.is_read():
            return  # `head` has seen enough
    if not answered:
        raise InputError(
            f"no answers: {f'none of {unusable} files is usable' if unusable else 'no pictures'}"
        )


def list_files(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The files that are meant: those in folders, those named on standard input, and those named.

    Returns:
        Paths, each with why it cannot be used, or nothing, as far as that is known before it is read.
    """
    for argument in arguments:
        names: Iterable[str] = [argument]
        if argument == STANDARD_INPUT:
            listed = sys.stdin.buffer if sys.stdin else ()  # closed from the start
            names = (os.fsdecode(line.rstrip(b"\r\n")) for line in listed)
        for name in filter(None, names):
            if not _is_folder(name):
                yield name, ""
                continue
            found = walk(Path(name))
            inside = [*((image, "") for image in found.images), *found.skipped]
            for file, problem in sorted(inside, key=lambda row: natural_key(row[0])):
                yield str(Path(name, file)), problem


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # too long a name, say: reading will tell
        return False


def answers(
    files: Iterable[tuple[str, str]], predictor: Predictor, top: int, draw: "_Heatmaps | None" = None
) -> Iterator[Answer]:
    """One answer a file, in order; memory holds a batch at a time.

    Args:
        files: from `list_files`.
        predictor: the model.
        top: classes in an answer.
        draw: is given the pictures and answers of each batch.
    """
    read = partial(_read, how=predictor.trained.preprocessing)
    remaining = iter(files)
    # Threads, because Pillow decodes without Python's lock.
    what, remedy = "a thread that reads images", "Can all files be opened?"
    with Workers(read, torch.get_num_threads(), what, remedy, "thread") as readers:
        while batch := list(islice(remaining, predictor.batch_size)):
            images = list(readers.map(batch))
            usable = [image for image in images if not isinstance(image, UnusableImage)]
            probabilities = iter(predictor.probabilities(np.stack(usable)) if usable else ())
            made = [
                Answer(file, problem=str(image))
                if isinstance(image, UnusableImage)
                else predictor.answer(file, next(probabilities), top)
                for (file, _), image in zip(batch, images, strict=True)
            ]
            if draw is not None:
                draw(made, usable)
            yield from made


def _read(file: tuple[str, str], how: Preprocessing) -> np.ndarray | UnusableImage:
    name, problem = file
    try:
        return UnusableImage(problem) if problem else read_image(Path(name), how)
    except UnusableImage as error:
        return error


class _Heatmaps:
    """Draws where the model sees evidence for its answer, over each picture at its own size.

    Args:
        folder: where to; made if it is not there.
        predictor: the model.
        layers: `gradcam.layers`; the last of them is drawn.
    """

    def __init__(self, folder: Path, predictor: Predictor, layers: str | list[str]) -> None:
        from src.explanation.gradcam import Explainer  # not needed for answers
        from src.models.layers import choose_layers

        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.trained = folder, predictor.trained
        self.explainer = Explainer(predictor.answerer, predictor.hardware)
        size = self.trained.preprocessing.size
        example = torch.zeros(1, 3, size, size, device=predictor.hardware.device)
        self.layer = choose_layers(layers, self.trained.model, example)[-1]
        self.count = 0

    def __call__(self, answers: Sequence[Answer], images: Sequence[np.ndarray]) -> None:
        """Write a PNG for each answer; `images` are those of the usable files, uint8 (size, size, 3)."""
        usable = [answer for answer in answers if not answer.problem]
        targets = np.array([self.trained.classes.index(answer.classes[0]) for answer in usable], np.int64)
        maps = iter(self.explainer.native_maps(np.stack(images), self.layer, targets) if usable else ())
        for answer in answers:
            self.count += 1  # of unusable files too: numbers are those of rows
            if not answer.problem:
                self._draw(answer, next(maps))

    def _draw(self, answer: Answer, heat: np.ndarray) -> None:
        path, how = Path(answer.file), self.trained.preprocessing
        remark = "" if heat.max() > 0 else f"no positive evidence for {shown(answer.classes[0])}"
        name = re.sub(r"[^\w.-]+", "_", path.stem)[:40]
        try:
            picture = lay_over(read_whole(path, how), heat, how)
            with output_file(self.folder / f"{self.count:05}-{name}.png") as temporary:
                picture.save(temporary, "PNG")
        except UnusableImage as problem:  # what is left out of a small copy may be damaged
            remark = f"no heatmap: {problem}"
        if remark:
            print(f"predict: {shown(answer.file)}: {remark}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Classifies pictures with the trained model.",
        epilog="`unsure`: less probable than 95% of the right answers on validation images.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a picture, a folder of pictures, or - to read names from standard input, one per line",
    )
    parser.add_argument(
        "--rev",
        default=WORKSPACE,
        help="use the model of a branch, tag, commit or DVC experiment; default: the one in the workspace",
    )
    parser.add_argument("--csv", action="store_true", help="print CSV with a row for each file")
    parser.add_argument(
        "--heatmaps", type=Path, metavar="DIR", help="also write a heatmap for each picture to DIR"
    )
    parser.add_argument(
        "--top", type=_count, default=3, metavar="N", help="show the N most probable classes; default: 3"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number, 1 or more, not {text!r}")
    return int(text)


if __name__ == "__main__":
    run_main("predict", main)
