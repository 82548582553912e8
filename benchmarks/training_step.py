"""Our training loop against a textbook one, and against what the machine can do at most."""

from statistics import median

from benchmarks import operations, textbook
from benchmarks.epoch import memory_batches, random_split, seconds_an_epoch
from src.hardware import choose_hardware, set_up_torch
from src.models.registry import create_model
from src.params import Params


def measure(params: Params, images: int, rounds: int) -> dict[str, float]:
    """Images a second and ratios, each the median over rounds.

    Ours is the real thing, augmentation included, in the precision that `auto` chooses; the textbook's trains
    the same network on images in memory. The share of the peak is of the product of large matrices in
    the same precision, measured in the same round.
    """
    hardware = choose_hardware(params.device, params.precision, lambda _: None)
    set_up_torch(params.threads, params.deterministic)
    size = params.batch_size
    split = random_split(max(images // size, 1) * size)
    ready = memory_batches(params, split, hardware)
    work = operations.of_a_training_step(create_model(params.model, 10, params.norm), hardware.device)

    def measure_once() -> tuple[float, float, float, float]:
        return (
            len(split) / seconds_an_epoch(params, hardware, split),
            len(split) / seconds_an_epoch(params, hardware, split, batches=ready),
            textbook.images_per_second(params.model, size, len(split)),
            operations.matrix_peak(hardware),
        )

    measure_once()  # the first steps choose kernels
    figures = [measure_once() for _ in range(rounds)]
    return {
        "ours_images_per_s": median(ours for ours, _, _, _ in figures),
        "textbook_images_per_s": median(plain for _, _, plain, _ in figures),
        "ours_over_textbook": median(ours / plain for ours, _, plain, _ in figures),
        "loaded_over_in_memory": median(ours / fed for ours, fed, _, _ in figures),
        "gflop_per_image": work / 1e9,
        "matrix_peak_gflop_per_s": median(peak for _, _, _, peak in figures) / 1e9,
        "share_of_peak": median(ours * work / peak for ours, _, _, peak in figures),
        "share_of_peak_in_memory": median(fed * work / peak for _, fed, _, peak in figures),
    }
