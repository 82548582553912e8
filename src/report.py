"""Writes the report page of an experiment: `python -m src.report [REVISION] [-o FILE]`."""

import argparse
from pathlib import Path

from src import artifacts, experiments, page
from src.errors import run_stage

REPORT = Path("report.html")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m src.report",
        description="Writes one HTML file: what the model gets wrong, and where it looked.",
    )
    parser.add_argument(
        "revision",
        nargs="?",
        default=experiments.WORKSPACE,
        help="a branch, tag, commit or name of an experiment; without it, the files as they are",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=REPORT, metavar="FILE", help=f"default: {REPORT}"
    )
    options = parser.parse_args(arguments)
    artifacts.write_text(options.output, page.render(experiments.read(options.revision)))
    print(options.output.resolve().as_uri())


if __name__ == "__main__":
    run_stage("report", main)
