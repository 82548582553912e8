"""Compares two experiments image by image: `python -m src.compare REV_A [REV_B]`."""

import argparse
import json
import sys
from pathlib import Path

from src import artifacts
from src.command import printing, run_main
from src.errors import InputError
from src.report import tables
from src.report.comparison import Comparison, Outcome, compare
from src.report.run import WORKSPACE, read_run

PAGE = Path("comparison.html")


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    comparison = compare(read_run(options.a), read_run(options.b))
    if options.html or options.output:
        from src.report import page  # not needed for a table

        target = options.output or PAGE
        artifacts.write_text(target, page.render(comparison, target))
        # Not among what --json and --md print for others to read.
        print(f"page: {target.resolve().as_uri()}", file=sys.stderr)
    if options.json:
        text = json.dumps(tables.as_dict(comparison), indent=2)
    else:
        text = tables.markdown(comparison) if options.md else tables.terminal(comparison)
    with printing():
        print(text)
    if options.fail_if_broken_above is not None:
        check(comparison, options.fail_if_broken_above)


def check(comparison: Comparison, limit: str) -> None:
    """Refuse a second model that breaks too many images.

    Raises:
        InputError: more images are broken than `limit`, a number of images or a percentage of all.
    """
    try:
        number = float(limit.removesuffix("%"))
        most = number / 100 * len(comparison.outcomes) if limit.endswith("%") else number
    except ValueError:
        most = -1.0
    if not 0 <= most <= len(comparison.outcomes):
        raise InputError(
            f"--fail-if-broken-above: should be a number of images or a percentage of them, not {limit!r}"
        )
    broken = comparison.count(Outcome.BROKEN)
    if broken > most:
        raise InputError(f"{broken} images are broken ({comparison.negative_flips:.2%}), more than {limit}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.compare",
        description="Shows which images the second experiment fixed, and which it broke.",
        epilog="A revision is a branch, a tag, a commit or the name of a DVC experiment.",
    )
    parser.add_argument("a", metavar="REV_A", help="the first experiment")
    parser.add_argument(
        "b",
        metavar="REV_B",
        nargs="?",
        default=WORKSPACE,
        help="the second; the files in the workspace if left out",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="print JSON, with the positions of the images in each group"
    )
    form.add_argument("--md", action="store_true", help="print Markdown, for a pull request")
    parser.add_argument("--html", action="store_true", help=f"also write a page with the pictures, to {PAGE}")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the page to FILE")
    parser.add_argument(
        "--fail-if-broken-above",
        metavar="X",
        help="exit with status 1 if more than X (or X%%) images went from right to wrong",
    )
    return parser


if __name__ == "__main__":
    run_main("compare", main)
