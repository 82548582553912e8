"""Runs every command of the project in a folder, each in a process of its own, and keeps what it printed.

`python -m tests.every_command RESULTS [--no-reader]`. A child is forked for each after all modules have been
imported, or that would take most of the time. One of them is DVC, which wraps `sys.stdout`.
"""

import importlib
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from src.explanation import faithfulness

ODD = "größe→"  # neither cp1252 nor ASCII has all of it
# What each is called with. Every module that can be run is here; heavy ones only say how they are used.
COMMANDS: dict[str, list[list[str]]] = {
    "stages.download": [[]],
    "stages.compute_mean_std": [[]],
    "stages.find_lr": [[]],
    "stages.preview": [[]],
    "stages.train": [[]],
    "stages.evaluate": [[]],
    "stages.find_misclassified": [[]],
    "stages.gradcam": [[]],
    "stages.find_blindspots": [[]],
    "stages.find_label_issues": [[]],
    "src.compare": [
        ["workspace", "--fail-if-broken-above", "0"],
        ["workspace", "--md", "-o", "c.html"],
        ["workspace", "-o", "-"],
        ["--help"],
        [ODD],
    ],
    "src.copies": [[]],
    "src.corrections": [["apply", f"{ODD}.csv"], []],
    "src.download.sample": [[]],
    "src.export": [["--help"], ["onnx", "--rev", ODD], [ODD]],
    "src.predict": [["pictures", "absent.png"], ["pictures", "--csv"], ["--help"]],
    "src.report": [[], ["-o", "-"], [ODD], ["--help"]],
    "src.report.vega": [[]],
    "src.seeds": [["--help"], [ODD], ["base", ODD]],
    "src.supported": [[]],
    "recipes.enqueue": [["-S", f"{ODD}=1"]],
    "recipes.results": [[]],
    "benchmarks": [["--help"], [ODD]],
    "benchmarks.false_alarms": [["--help"]],
    "benchmarks.gpu": [["--help"], ["--minutes", "0", ODD]],
    "benchmarks.gpu.kit": [["--help"], ["--has", ODD]],
    "benchmarks.gpu.unpack": [[]],
    "benchmarks.heatmaps": [["--help"]],
    "benchmarks.label_issues": [["--help"], [f"{ODD}.csv"]],
    "benchmarks.page": [[]],
    "benchmarks.planted": [["--help"]],
    "benchmarks.processes": [["--help"]],
    "benchmarks.textbook": [["fast", "4", "8"]],
    "benchmarks.time_to_accuracy": [["--help"]],
}


def main() -> None:
    results, no_reader = Path(sys.argv[1]).resolve(), "--no-reader" in sys.argv
    for module in COMMANDS:
        importlib.import_module(module)
    for module in ("src.report.__main__", "benchmarks.__main__", "benchmarks.gpu.__main__", "dvc.api"):
        importlib.import_module(module)
    faithfulness.STEPS = 1  # what heatmaps are checked with takes long, and prints nothing
    statuses = {}
    for module, calls in COMMANDS.items():
        for number, arguments in enumerate(calls):
            files = [results / f"{module}-{number}.{end}" for end in ("out", "err")]
            child = os.fork()
            if not child:
                become(module, arguments, files, no_reader)
            _, status = os.waitpid(child, 0)
            statuses[f"{module}-{number}"] = os.waitstatus_to_exitcode(status)
    (results / "statuses.json").write_text(json.dumps(statuses))


def become(module: str, arguments: list[str], files: list[Path], no_reader: bool) -> NoReturn:
    """Do in this process what `python -m module` does, with standard output and standard error elsewhere.

    It ends as Python would, but at once: to take all modules apart takes a second.
    """
    for number, file in enumerate(files, start=1):
        if no_reader:
            reader, writer = os.pipe()
            os.close(reader)
        else:
            writer = os.open(file, os.O_WRONLY | os.O_CREAT, 0o666)
        os.dup2(writer, number)
    sys.argv = [module, *arguments]
    for name in (module, f"{module}.__main__"):
        sys.modules.pop(name, None)  # to be run anew, as __main__
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        status = 120
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()
