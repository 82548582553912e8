"""Progress that can be read on a terminal and in a log file."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

from src.ranks import OURS

T = TypeVar("T")

REDRAW_INTERVAL = 0.5  # seconds between two looks at the numbers; on a GPU each look waits for the device
LOG_INTERVAL = 30.0  # seconds between two lines where there is no terminal


def bar(**options: Any) -> tqdm:
    """A tqdm bar on a terminal, nothing elsewhere; of several processes the first has one."""
    return tqdm(disable=True if OURS.rank else None, dynamic_ncols=True, leave=False, **options)


def say(line: str) -> None:
    """Tell whoever waits, above a bar if one is shown and apart from results that are printed."""
    with tqdm.external_write_mode():
        print(line, file=sys.stderr, flush=True)


class TrainingProgress:
    """One bar per epoch on a terminal, a line now and then elsewhere; both end in one line per epoch.

    Args:
        epochs: how many the training has.
        steps: how many batches an epoch has.
        epochs_done: how many were over before.
    """

    def __init__(self, epochs: int, steps: int, epochs_done: int = 0) -> None:
        self.epochs, self.steps = epochs, steps
        self.started = time.monotonic()
        self.steps_left = (epochs - epochs_done) * steps
        self.steps_done = 0
        self.terminal = sys.stderr.isatty()

    def track(self, epoch: int, batches: Iterable[T], numbers: Callable[[], str]) -> Iterator[T]:
        """The batches of an epoch; `numbers` is asked for loss and accuracy when they are to be shown."""
        last_shown = last_logged = started = time.monotonic()
        images = 0
        with bar(total=self.steps, desc=self._name(epoch), unit="batch") as shown:
            for step, batch in enumerate(batches, 1):
                yield batch
                images += len(batch[1]) * OURS.size  # type: ignore[index]
                self.steps_done += 1
                now = time.monotonic()
                if now - last_shown < REDRAW_INTERVAL and step < self.steps:
                    continue
                last_shown = now
                self.rate = images / (now - started)
                text = f"{numbers()}, {self.rate:.0f} images/s, {self.time_left()} left"
                shown.n = step
                shown.set_postfix_str(text)
                if not self.terminal and now - last_logged >= LOG_INTERVAL:
                    last_logged = now
                    print(f"{self._name(epoch)}, batch {step}/{self.steps}: {text}", flush=True)

    def end_epoch(self, epoch: int, numbers: str) -> None:
        """Print the line that stays."""
        print(
            f"{self._name(epoch)}: {numbers}, {self.rate:.0f} images/s, {self.time_left()} left",
            flush=True,
        )

    def time_left(self) -> str:
        """Of the whole training, from the pace so far, validation included: h:mm:ss."""
        elapsed = time.monotonic() - self.started
        return duration(elapsed / self.steps_done * (self.steps_left - self.steps_done))

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"


class Progress:
    """How far a long piece of work is: a bar on a terminal, a line now and then elsewhere. A context manager.

    Args:
        what: is done: `decoding`.
        total: how many there are.
        unit: what they are.
    """

    def __init__(self, what: str, total: int, unit: str = "image") -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.started = self.last_logged = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.bar = bar(total=total, desc=what, unit=unit)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        self.bar.update(count)
        now = time.monotonic()
        if not self.terminal and now - self.last_logged >= LOG_INTERVAL:
            self.last_logged = now
            rate = self.done / (now - self.started)
            left = duration((self.total - self.done) / rate)
            print(
                f"{self.what}: {self.done:,} of {self.total:,}, {rate:.0f} {self.unit}s/s, {left} left",
                flush=True,
            )


def duration(seconds: float) -> str:
    """As h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
