"""Does a stage in several processes, which torch.distributed.run starts and looks after."""

import logging
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from src import artifacts, ranks
from src.distributed import LOST
from src.errors import InputError, border
from src.params import Params

WORTH_A_PROCESS = 10_000  # images that are only answered
HERE = "127.0.0.1"
SHUTDOWN = 5  # seconds from SIGTERM to SIGKILL for those that are left when one has failed


def done_in_several(stage: str, params: Params, images: int | None = None) -> bool:
    """Do a stage in as many processes as `processes` asks for.

    Each of them runs the stage, too, and comes here, where it is told to go on.

    Args:
        stage: its name.
        params: `processes` and `device` matter here.
        images: how many there are, where each is only answered: for few, `auto` means fewer processes, which
            take seconds to start.

    Returns:
        Whether the stage is done; else this process has to do it, alone or as one of several.

    Raises:
        InputError: a process failed, or they cannot be had.
    """
    if ranks.OURS.size > 1:  # those that were started, by us or by whoever calls torchrun
        ranks.settle_in()
        return False
    count = process_count(params, images)
    if count == 1:
        return False
    run_in_several(f"stages.{stage}", count)
    return True


def process_count(params: Params, images: int | None = None) -> int:
    """How many processes are asked for; `auto`: one for each visible GPU, one on a CPU.

    Raises:
        InputError: there are not so many GPUs, or this build of torch has no way to join processes.
    """
    gpus = torch.cuda.device_count() if params.device != "cpu" and torch.cuda.is_available() else 0
    most = gpus if images is None else min(gpus, images // WORTH_A_PROCESS)
    count = max(most, 1) if params.processes == "auto" else params.processes
    if gpus and count > gpus:
        raise InputError(f"processes: {count} is more than the {gpus} GPUs that are visible here")
    distributed = torch.distributed
    if count > 1 and not (distributed.is_available() and distributed.is_gloo_available()):
        raise InputError(
            f"processes: {count}, but this build of torch has no torch.distributed with gloo; set it to 1"
        )
    return count


@border("torch.distributed.run")
def run_in_several(module: str, count: int, arguments: Sequence[str] = ()) -> None:
    """Run `python -m MODULE` in so many processes, to their end.

    Raises:
        InputError: one of them failed; names it and the reason.
    """
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ[ranks.LAUNCHER] = str(os.getpid())
    os.environ.pop("PYTHON_EXEC", None)
    # No name has to be known and no network be there for processes of one machine to meet.
    os.environ["GLOO_SOCKET_IFNAME"] = loopback()
    logging.disable()  # what it has to say takes many lines
    ended_by = None
    # What a kill leaves there is removed by the next stage.
    parent = artifacts.outside_runs(artifacts.CHECKPOINTS)
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{artifacts.TEMPORARY_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        options = ["--standalone", f"--local-addr={HERE}", f"--nproc-per-node={count}"]
        options += [f"--log-dir={folder}", f"--shutdown-timeout={SHUTDOWN}", "-m", module, *arguments]
        try:
            torchrun.run(torchrun.parse_args(options))
        except ChildFailedError as error:
            raise InputError(_cause(error.failures)) from error
        except SignalException as error:
            ended_by = error.sigval
        finally:
            logging.disable(logging.NOTSET)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    if ended_by is not None:  # as without all this
        signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)


def loopback() -> str:
    """The name of the network interface that leads back to this machine."""
    interfaces = psutil.net_if_addrs().items()
    return next((name for name, all_ in interfaces if any(each.address == HERE for each in all_)), "lo")


def _cause(failures: Mapping[int, Any]) -> str:
    """Which process failed first, and why: not those that were ended because of it.

    Args:
        failures: torch's `ProcessFailure` by rank.
    """
    rank, failure = min(failures.items(), key=lambda item: _order(item[1]))
    message = _said(failure)
    if message.startswith(LOST):  # nobody died by itself, or that would have been seen before this was said
        for other, its in failures.items():
            if its.exitcode == -signal.SIGKILL:
                message += f"; rank {other} did not react and was killed"
    elif not message and failure.exitcode < 0:
        message = f"died (killed by {failure.signal_name()}); did memory run out? Try fewer processes"
    message = message or f"ended with exit status {failure.exitcode}"
    return "\n".join(f"rank {rank}: {line}" for line in message.splitlines())


def _said(failure: Any) -> str:
    """What the process has left by `ranks.report`; empty if nothing."""
    return failure.error_file_data["message"] if Path(failure.error_file).is_file() else ""


def _order(failure: Any) -> int:
    """0: it said why; 1: it waited for another in vain; 2: it died; 3: it was ended, as all that are left."""
    if message := _said(failure):
        return int(message.startswith(LOST))
    return 3 if failure.exitcode == -signal.SIGTERM else 2
