"""What the pipeline costs around the training, in a clone of the last commit."""

from statistics import median

from benchmarks.clone import clone

STAGES = (
    "download",
    "compute_mean_std",
    "find_lr",
    "preview",
    "evaluate",
    "find_misclassified",
    "gradcam",
    "find_blindspots",
    "find_label_issues",
)


def measure(dataset: str, rounds: int) -> dict[str, float]:
    """Seconds by stage, and of `dvc repro` with nothing to do beside `dvc status`; medians over rounds.

    Args:
        dataset: what it runs on. The model is trained for one epoch on few images either way.
        rounds: how often each is done.
    """
    with clone() as project:
        project.change(dataset="sample", epochs=1, batch_size=100)
        project.run("dvc", "repro")
        project.change(dataset=dataset)
        project.run("python", "-m", "stages.download")  # from the network the first time, then from a copy
        stages = {
            f"{stage}_s": median(project.seconds("python", "-m", f"stages.{stage}") for _ in range(rounds))
            for stage in STAGES
        }
        project.change(dataset="sample")
        project.run("dvc", "repro")
        pairs = [(project.seconds("dvc", "repro"), project.seconds("dvc", "status")) for _ in range(rounds)]
        return {
            **stages,
            "all_but_train_s": sum(stages.values()),
            "repro_nothing_to_do_s": median(a for a, _ in pairs),
            "status_s": median(b for _, b in pairs),
            "repro_less_status_s": median(a - b for a, b in pairs),
        }
