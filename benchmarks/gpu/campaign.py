"""Runs the steps that have no result yet, one after the other, for as long as there is time."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.gpu import processes, steps
from benchmarks.gpu.records import CUT, DONE, FAILED, LOG, STOPPED, Record, Records
from benchmarks.gpu.steps import Step, Work
from src import artifacts
from src.errors import InputError, reason_of

NOTES = "notes.json"


def run(
    plan: Sequence[Step],
    records: Records,
    seconds: float,
    again: Collection[str] = (),
    log: Callable[[str], None] = print,
) -> None:
    """Do what is missing; every result is kept at once.

    Args:
        plan: all steps, in order.
        records: what there is, and where results go.
        seconds: for all of it. A step is not begun if less is left than it needs at least.
        again: those to do even if they have a result, and then no others.
        log: is told the result of each.
    """
    end = time.monotonic() + seconds
    names = [step.name for step in plan]
    missing = [step for step in plan if step.name in again or not (again or records.is_kept(step.name))]
    records.write_table(names)
    with tempfile.TemporaryDirectory(prefix="blindspot-gpu-") as folder:
        for step in missing:
            left = end - time.monotonic()
            if left < step.least:
                log(f"{step.name}: not begun, {max(left, 0):.0f} s are left")
                continue
            record = run_step(step, records, Path(folder), left)
            records.add(step.name, record)
            records.write_table(names)
            log(f"{step.name}: {record.result} ({record.seconds:.0f} s)")


def run_step(step: Step, records: Records, folder: Path, left: float) -> Record:
    """Run a step in a process of its own; a step that fails or takes too long is a result like any other."""
    notes, limit = folder / NOTES, min(left, step.most)
    notes.unlink(missing_ok=True)
    path = (records.folder / LOG).resolve()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n== {step.name}\n")
    earlier = {
        name: {"device": record.device, "figures": record.figures}
        for name, record in records.steps.items()
        if record.state == DONE
    }
    work = Work(folder, notes, records.rehearsal, earlier)
    started = time.monotonic()
    status = processes.run(path, limit, do, step.work, work)
    seconds = time.monotonic() - started
    noted: dict[str, Any] = {"result": "", "device": "", "figures": {}}
    if notes.exists():
        noted |= artifacts.read_json(notes)
    record = Record(DONE, noted["result"], seconds, noted["device"], commit(), noted["figures"])
    if status == 0 and noted["result"] and "problem" not in noted:
        return record
    if status is None:
        cut = left < step.most
        why = "at the end of the time" if cut else f"at its limit of {step.most:.0f} s"
        said = "; ".join(filter(None, (f"stopped {why}", noted["result"])))
        return replace(record, state=CUT if cut else STOPPED, result=said)
    problem = noted.get("problem") or f"ended with status {status}, see {LOG}"
    return replace(record, state=FAILED, result=f"failed: {problem}")


def do(step: Callable[[Work], None], work: Work) -> None:
    """In the step's process: what goes wrong is noted in one line."""
    try:
        step(work)
    except Exception as error:
        known = isinstance(error, InputError | RuntimeError)
        work.fail(steps.last_line(error) if known else reason_of(error))
        raise


def commit() -> str:
    """Of the code in the working folder, with a plus sign if something in it has changed since."""
    with suppress(OSError, subprocess.CalledProcessError):
        short, changed = (
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            for command in (
                ["git", "rev-parse", "--short=10", "HEAD"],
                ["git", "status", "--porcelain", "-uno"],
            )
        )
        return f"{short}+" if changed else short
    return "unknown"
