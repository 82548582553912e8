"""A command, watched for hanging: nothing printed and nothing computed."""

import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

LIMIT = 120.0  # seconds
IDLE = 0.01  # CPUs; less than that is housekeeping


class HangError(AssertionError):
    """The command was silent and idle for too long, and was killed; says what it had printed."""


def watched(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None, limit: float = LIMIT
) -> tuple[int, str]:
    """Run a command to its end; its status, and what it printed.

    Args:
        command: to run.
        folder: its working folder.
        environment: of the command; by default ours.
        limit: seconds that it may be silent while it and its children use less than `IDLE` CPUs.

    Raises:
        HangError: it was so for longer.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        since, before = time.monotonic(), (0, 0.0)  # when it last did something, and all it had done by then
        while process.poll() is None:
            time.sleep(min(limit / 10, 1))
            done = output.seek(0, 2), cpu_seconds(process.pid)
            if done[0] > before[0] or abs(done[1] - before[1]) > IDLE * limit:
                since, before = time.monotonic(), done
            elif time.monotonic() - since > limit:
                output.seek(0)
                kill(process)
                raise HangError(
                    f"{' '.join(command)}: silent and idle for {limit:g} s after\n{output.read()}"
                )
        output.seek(0)
        return process.returncode, output.read()


def cpu_seconds(pid: int) -> float:
    """Of a process, its children and theirs, ended ones included."""
    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for each in tree:
        try:
            total += sum(each.cpu_times()[:4])  # user, system, and both of children that have ended
        except psutil.Error:  # it ends at this moment
            continue
    return total


def kill(process: subprocess.Popen) -> None:
    """With all its children."""
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.kill()
    process.wait()
