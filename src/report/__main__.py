"""Writes the report page of a run: `python -m src.report [REVISION] [-o FILE]`."""

import argparse
from pathlib import Path

from src.command import run_main
from src.outputs import is_replaced, write_output
from src.report import page
from src.report.run import WORKSPACE, read_run

REPORT = Path("report.html")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m src.report",
        description="Writes one HTML file: what the model gets wrong, and where it looked.",
    )
    parser.add_argument(
        "revision",
        nargs="?",
        default=WORKSPACE,
        help="a branch, tag, commit or name of an experiment; default: the files in the workspace",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=REPORT,
        metavar="FILE",
        help=f"- is standard output; default: {REPORT}",
    )
    options = parser.parse_args(arguments)
    write_output(options.output, page.render(read_run(options.revision), options.output))
    if is_replaced(options.output):
        print(options.output.resolve().as_uri())


if __name__ == "__main__":
    run_main("report", main)
