"""What several processes do together. Where there is one, nothing is done, and nothing costs anything.

Not torch's DistributedDataParallel: it regroups the gradients after its first step, so that from three
processes on a training that resumes would add them up in another order than one that was never stopped.
"""

import atexit
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from src.errors import InputError
from src.progress import duration
from src.ranks import OURS

T = TypeVar("T")

PATIENCE = timedelta(minutes=15)  # for the others; longer than any of them waits for something else
GRACE = 10.0  # seconds in which a process that is lost is noticed by who has started it, who knows why it is
_NOTHING = object()
_met = False  # whether this process has joined others
_in_turn = False  # whether what this process does now is its share of something

LOST = "no answer from another process"  # begins the reason of one that fails because another one did


def join(device: torch.device) -> None:
    """Meet the other processes; each calls this before anything else here.

    Args:
        device: this process's own.

    Raises:
        InputError: there is no way to meet, or the others do not come.
    """
    global _met
    if OURS.size == 1:
        return
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    with _loss_noticed():
        dist.init_process_group(backend, timeout=PATIENCE)
    atexit.register(dist.destroy_process_group)
    _met = True


def add_up(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if _met:
        with _loss_noticed():
            dist.all_reduce(tensor)
    return tensor


def total(value: float) -> float:
    """The sum of a number over all processes."""
    return add_up(torch.tensor(value, dtype=torch.float64)).item() if _met else value


def largest(value: int) -> int:
    """The largest of all processes' numbers; none goes on before all have come here."""
    if not _met:
        return value
    every = torch.tensor(value)
    with _loss_noticed():
        dist.all_reduce(every, dist.ReduceOp.MAX)
    return int(every)


def wait_for_all() -> None:
    """Go on when all have come here."""
    largest(0)


def add_up_gradients(model: nn.Module) -> None:
    """Have every process the sum of all gradients; each has scaled its loss by `Part.share`."""
    if _met:
        _as_one([weights.grad for weights in model.parameters() if weights.grad is not None], add_up)


def take_from_first(modules: Iterable[nn.Module]) -> None:
    """Have all weights and statistics as the first process has them."""
    if _met:
        for module in modules:
            _as_one(module.state_dict().values(), lambda tensor: dist.broadcast(tensor, 0))


def of_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them."""
    if not _met:
        return make()
    box = [make() if OURS.rank == 0 else None]
    with _loss_noticed():
        dist.broadcast_object_list(box, 0, device=torch.device("cpu"))
    return box[0]  # type: ignore[return-value]


def do_in_turn(work: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """What `work` makes of each item, in order: each process does its share, and gets all.

    Where `work` itself has something done in turn, one process does all of that.

    Args:
        work: makes tensors or arrays; the same ones, whichever process does it.
        items: the same in all processes.
    """
    global _in_turn
    if not _met or _in_turn:
        return [work(item) for item in items]
    _in_turn = True
    try:
        mine = [work(item) for item in items[OURS.rank :: OURS.size]]
    finally:
        _in_turn = False
    return in_order(mine)


def in_order(mine: Sequence[T]) -> list[T]:
    """What all processes have made in turn, from what each has."""
    if not _met or _in_turn:
        return list(mine)
    shares: list[Any] = [None] * OURS.size
    with _loss_noticed():
        dist.all_gather_object(shares, [each.cpu() if isinstance(each, Tensor) else each for each in mine])
    rounds = zip_longest(*shares, fillvalue=_NOTHING)
    return [result for one_of_each in rounds for result in one_of_each if result is not _NOTHING]


def require_same(value: object, what: str) -> None:
    """Raise InputError where another process has another value than the first."""
    if _met and of_first(lambda: value) != value:
        raise InputError(f"{what} differ from those of rank 0: give all machines the same")


def seed_layers(seed: int, epoch: int) -> None:
    """Have layers such as dropout draw something else in each process, the same whenever it is done again."""
    if _met:
        [own] = np.random.SeedSequence((seed, epoch, OURS.rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(own))


@torch.no_grad()
def _as_one(tensors: Iterable[Tensor], operation: Callable[[Tensor], object]) -> None:
    """Do it to all tensors of a type as to a single one, which is much faster."""
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        by_type.setdefault(tensor.dtype, []).append(tensor)
    for group in by_type.values():
        flat = torch.cat([tensor.flatten() for tensor in group])
        with _loss_noticed():
            operation(flat)
        for tensor, part in zip(group, flat.split([tensor.numel() for tensor in group]), strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def _loss_noticed() -> Iterator[None]:
    """Around all that waits for other processes.

    Raises:
        InputError: one of them has ended, or has not come for `PATIENCE`; begins with `LOST`.
    """
    try:
        yield
    except RuntimeError as error:  # torch's and gloo's, of many kinds
        time.sleep(GRACE)
        late = "timed out" in str(error).lower() or "timeout" in str(error).lower()
        why = f"not for {duration(PATIENCE.total_seconds())}" if late else "the connection is lost"
        raise InputError(f"{LOST}: {why}") from error
