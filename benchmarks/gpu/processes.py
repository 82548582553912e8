"""A step in a process of its own, which is stopped at a limit with all that it has started."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import psutil

POLL = 1.0  # seconds
context: ForkServerContext = get_context("forkserver")


def run(log: Path, limit: float, target: Callable[..., None], *arguments: Any) -> int | None:
    """Call a function there; its exit status, negative for a signal, or None if it was stopped.

    The processes are forked from one that has imported the function's module, so that torch is loaded once.

    Args:
        log: what it prints is added there.
        limit: seconds.
        target: a function of a module.
        arguments: of the function.
    """
    context.set_forkserver_preload([target.__module__])
    process = context.Process(target=_begin, args=(os.getpid(), log, target, *arguments))
    process.start()
    try:
        process.join(limit)
        return process.exitcode
    finally:
        if process.is_alive():
            kill(process.pid or 0)
            process.join()


def kill(number: int) -> None:
    """Kill a process and all below it."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        family = [*process.children(recursive=True), process]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family)


def _begin(campaign: int, log: Path, target: Callable[..., None], *arguments: Any) -> None:
    os.setsid()  # Ctrl-C is for the campaign, which then ends this
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    threading.Thread(target=_end_with, args=(campaign,), daemon=True).start()
    target(*arguments)


def _end_with(campaign: int) -> None:
    """A campaign that was killed could not stop its step, which would be in the way of the next one."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(campaign)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL)
    kill(os.getpid())
