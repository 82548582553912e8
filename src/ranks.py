"""Which of several processes that do one piece of work this is, and how it ends.

Those that run others, torch.distributed.run among them, tell each its number by the environment.
"""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

LAUNCHER = "BLINDSPOT_LAUNCHER"  # the number of the process that src/launch.py runs in, if it runs this one
LOOK = 1.0  # seconds between two looks at whether the process that has started this one still lives


@dataclass(frozen=True)
class Ranks:
    """The number of this process, from 0, of how many; and the same among those on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def label(self) -> str:
        """What a line about this process begins with; empty if there is no other."""
        return f"rank {self.rank}: " if self.size > 1 else ""


def _given() -> Ranks:
    given = os.environ
    if not all(given.get(name) for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        return Ranks()
    local_rank, local_size = given.get("LOCAL_RANK", "0"), given.get("LOCAL_WORLD_SIZE", "1")
    return Ranks(int(given["RANK"]), int(given["WORLD_SIZE"]), int(local_rank), int(local_size))


OURS = _given()


@dataclass(frozen=True)
class Part:
    """What one process gets of a batch.

    Attributes:
        where: its images.
        weight: of each of these in a sum over all processes.
        share: of the mean over these in the mean over the whole batch.
    """

    where: slice
    weight: float
    share: float


def part_of(count: int, ranks: Ranks = OURS) -> Part:
    """The part of a batch of `count` images: every image is in one, and none is in two.

    Sizes differ by one at most. A batch of less than two images a process (batch norm needs two) stays whole:
    each process computes all of it, and together they count once.
    """
    if count < 2 * ranks.size:
        return Part(slice(0, count), 1 / ranks.size, 1 / ranks.size)
    size, larger = divmod(count, ranks.size)
    start = ranks.rank * size + min(ranks.rank, larger)
    length = size + (ranks.rank < larger)
    return Part(slice(start, start + length), 1.0, length / count)


def settle_in() -> None:
    """Of one of several: only the first prints, none outlives who has started it, Ctrl-C is for that one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if OURS.rank:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if "TORCHELASTIC_RUN_ID" in os.environ:
        parent = int(os.environ.get(LAUNCHER, os.getppid()))
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> NoReturn:
    import psutil

    while os.getppid() == parent and psutil.pid_exists(parent):
        time.sleep(LOOK)
    os._exit(1)


def report(message: str) -> bool:
    """Leave it to the process that has started this one to say why it ends; whether that one will."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if OURS.size == 1 or LAUNCHER not in os.environ or not path:
        return False
    try:
        temporary = Path(f"{path}.tmp")
        temporary.write_text(json.dumps({"message": message, "timestamp": int(time.time())}), "utf-8")
        temporary.replace(path)
    except OSError:
        return False
    return True


def leave(status: int) -> NoReturn:
    """End: one of several at once, as what it has open to the others may wait for them."""
    if OURS.size == 1:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)
