"""Compares two experiments, or two groups of seeds: `python -m src.compare A [B]`."""

import argparse
import json
import shlex
import sys
from pathlib import Path

from src.command import run_main
from src.errors import InputError
from src.outputs import is_replaced, is_standard_output, write_output
from src.report import group_tables, pull_request, tables
from src.report.blindspots import Fate
from src.report.comparison import Comparison, Outcome, compare
from src.report.gates import Facts, Gates
from src.report.group_comparison import GroupComparison, compare_groups
from src.report.groups import Group, read_group
from src.report.reliability import Reliability
from src.report.revision import WORKSPACE, commit_of
from src.report.verdict import Verdict

PAGE = Path("comparison.html")
CANNOT_JUDGE = 2  # the exit status where there is nothing to compare; 1 is a failed gate


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    gates = Gates(
        options.fail_if_worse_by,
        options.require_not_worse_by,
        options.fail_if_broken_above,
        options.min_seeds,
        options.fail_on_new_blind_spot,
    )
    gates.check_form()
    a, b = read_group(options.a), read_group(options.b)
    single = len(a.runs) == len(b.runs) == 1
    comparison = compare(a.runs[0], b.runs[0]) if single else compare_groups(a, b)
    target = options.output or (PAGE if options.html else None)
    if target:
        from src.report import group_page, page  # not needed for a table

        if isinstance(comparison, GroupComparison):
            write_output(target, group_page.render(comparison, _commits(a, b), target))
        else:
            write_output(target, page.render(comparison, target))
        if is_replaced(target):  # not among what --json and --md print for others to read
            print(f"page: {target.resolve().as_uri()}", file=sys.stderr)
    try:
        gates.check(_facts(comparison))
        failure = None
    except InputError as error:  # raised once everything is printed
        failure = error
    if options.md:
        command = shlex.join(["python", "-m", "src.compare", *arguments])
        context = pull_request.Context(command, _commits(a, b), str(failure or ""), gates != Gates())
        text = pull_request.comment(comparison, context)
    else:
        form = group_tables if isinstance(comparison, GroupComparison) else tables
        text = json.dumps(form.as_dict(comparison), indent=2) if options.json else form.terminal(comparison)
    print(text, file=sys.stderr if target and is_standard_output(target) else sys.stdout)
    if failure:
        raise failure


def _commits(a: Group, b: Group) -> tuple[list[str], list[str]]:
    """Of the runs of each side, abbreviated."""
    return [commit_of(run.name) for run in a.runs], [commit_of(run.name) for run in b.runs]


def _facts(comparison: Comparison | GroupComparison) -> Facts:
    """What gates judge."""
    names = comparison.a.name, comparison.b.name
    followed = comparison.blindspots
    new = tuple(f"{spot.figures.sentence}: {spot.reason(*names)}" for spot in followed.by_verdict(Fate.NEW))
    if isinstance(comparison, Comparison):
        broken = comparison.count(Outcome.BROKEN)
        return Facts(names, (1, 1), comparison.interval, broken, comparison.images, new, followed.missing)
    enough = comparison.verdict != Verdict.TOO_FEW
    return Facts(
        names,
        (len(comparison.a.runs), len(comparison.b.runs)),
        comparison.difference.interval if enough else None,
        comparison.changes.count(Reliability.BROKEN),
        comparison.images,
        new,
        followed.missing,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.compare",
        description="Shows which images the second experiment fixed, and which it broke.",
        epilog="A and B are each a branch, a tag, a commit or the name of a DVC experiment; or a group of "
        "runs that differ in the seed alone: a pattern in quotes ('base*'), names separated by commas, or "
        "what numbered experiments have in common (base for base-seed0, base-seed1, ...). "
        "Exit status: 0 done, and every gate passed; 1 a gate failed; 2 it cannot be judged.",
    )
    parser.add_argument("a", metavar="A", help="the first experiment or group")
    parser.add_argument(
        "b",
        metavar="B",
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
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the page to FILE; - is standard output"
    )
    gates = parser.add_argument_group("gates", "for CI; X is a percentage of the test images, such as 0.5%")
    gates.add_argument("--fail-if-worse-by", metavar="X", help="fail if B is surely worse by more than X")
    gates.add_argument(
        "--require-not-worse-by", metavar="X", help="fail unless B is surely not worse by more than X"
    )
    gates.add_argument(
        "--fail-if-broken-above",
        metavar="X",
        help="fail if more than X images, or X of all, went from right to wrong; in groups, reliably",
    )
    gates.add_argument(
        "--fail-on-new-blind-spot",
        action="store_true",
        help="fail if B has a blind spot that A does not have; in groups, reliably",
    )
    gates.add_argument(
        "--min-seeds", type=int, default=1, metavar="N", help="judge nothing with fewer runs on a side"
    )
    return parser


if __name__ == "__main__":
    run_main("compare", main, CANNOT_JUDGE)
