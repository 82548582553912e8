"""What comparing two experiments costs, in a clone of the last commit."""

from pathlib import Path
from statistics import median

from benchmarks.clone import clone


def measure(dataset: str, rounds: int) -> dict[str, float]:
    """Seconds, medians over rounds, and the size of the page.

    Args:
        dataset: whose test images are compared.
        rounds: how often each is done.
    """
    with clone() as project:
        project.test_on(dataset)
        project.run("dvc", "commit", "--force")
        project.run("git", "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qam", "One")
        project.change(evaluate={"tta": "none"})
        project.run("python", "-m", "stages.evaluate")
        project.run("dvc", "commit", "--force")
        commands = {
            "compare_s": ("src.compare", "HEAD"),
            "compare_with_page_s": ("src.compare", "HEAD", "-o", "page.html"),
            "report_s": ("src.report", "-o", "report.html"),
        }
        seconds = {
            name: median(project.seconds("python", "-m", *command) for _ in range(rounds))
            for name, command in commands.items()
        }
        sizes = {
            f"{Path(name).stem}_MB": (project.folder / name).stat().st_size / 1e6
            for name in ("page.html", "report.html")
        }
        return seconds | sizes
