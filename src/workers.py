"""Workers that do the same to one thing after the other; nothing waits for one of them for ever.

Processes are joined to this one by pipes alone. The standard library's pools and torch's DataLoader also need
semaphores or memory in /dev/shm, of which a container has little or none; and where one of their processes
stops in the middle of an answer, they wait until somebody ends them.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.util import Finalize, register_after_fork
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from src.errors import InputError
from src.progress import duration, say

Task = TypeVar("Task")
Result = TypeVar("Result")

REMINDER = 60.0  # seconds without an answer after which a line says so, again and again
PATIENCE = 600.0  # seconds without an answer after which there will be none, however slow the disk
AHEAD = 2  # tasks a worker that are begun before their results are asked for
SPARE_FILES = 16  # that this process can still open when all workers run


class Workers(Generic[Task, Result]):
    """Processes or threads, started when they are first needed and kept until `close` or the end.

    As many as can be started are used, with a line if these are fewer: the results are the same.

    Args:
        work: what is done; for processes something that can be pickled.
        count: of the workers; 0: it is done by whoever asks.
        what: they are, in messages: `workers: a process that augments images`.
        remedy: what to try when one is lost, a sentence.
        method: `thread`, or how processes are started, as `multiprocessing.get_context` takes it.
    """

    def __init__(
        self, work: Callable[[Task], Result], count: int, what: str, remedy: str, method: str | None = None
    ) -> None:
        self.work, self.count, self.what, self.remedy, self.method = work, count, what, remedy, method
        self.running = 0

    def map(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Results in the order of the tasks. Few of them are in memory at a time.

        Raises:
            InputError: a worker died, or has not answered for `PATIENCE` seconds.
        """
        if self.count and not self.running:
            self._start()
        if not self.running:
            yield from map(self.work, tasks)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(Future())
                self.queue.put((task, waiting[-1]))
                if len(waiting) >= AHEAD * self.running:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the workers, at once."""
        if self.running:
            self.running = 0
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        self.queue: _Queue = SimpleQueue()
        processes: list[_Process] = []
        # At the end of this process, too, and before multiprocessing waits for those that were stopped.
        self._end = Finalize(self, _end, (self.queue, processes), exitpriority=100)
        context = None if self.method == "thread" else multiprocessing.get_context(self.method)
        try:
            while self.running < self.count:
                _check_spare_files()
                if context:
                    processes.append(_Process(self.work, context))
                ask = processes[-1] if context else self.work
                threading.Thread(target=_serve, args=(ask, self.queue), daemon=True).start()
                self.running += 1
        except (OSError, RuntimeError) as error:  # a limit of files, processes, threads or memory
            reason = error.strerror if isinstance(error, OSError) else error
            used = f"{self.running} of {self.count} are" if self.running else "none is"
            say(f"{self.what} cannot be started ({reason}): {used} used, the result is the same")

    def _result(self, future: Future[Result]) -> Result:
        waited = 0.0
        while not wait([future], REMINDER).done:
            waited += REMINDER
            if waited >= PATIENCE:
                self.close()
                raise InputError(
                    f"{self.what} has not answered for {duration(waited)}; is a disk or the machine "
                    f"overloaded? {self.remedy}"
                )
            say(f"{self.what} has not answered for {duration(waited)}, stops at {duration(PATIENCE)}")
        try:
            return future.result()
        except _LostError as error:
            self.close()
            raise InputError(f"{self.what} died ({error}); did memory run out? {self.remedy}") from error


_Queue = SimpleQueue[tuple[Any, Future[Any]] | None]


class _LostError(Exception):
    """A process has ended; the message says how."""


class _Process:
    """A process that is asked by calling it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, work: Callable[[Any], Any], context: BaseContext) -> None:
        self.connection, theirs = context.Pipe()
        # Else processes forked later, and this one, would hold it open when we have ended.
        register_after_fork(self.connection, type(self.connection).close)
        self.process = context.Process(  # type: ignore[attr-defined]  # each context has its own
            target=_answer, args=(theirs, work), daemon=True
        )
        self.process.start()
        theirs.close()  # so that the pipe breaks when the process ends

    def __call__(self, task: object) -> Any:
        try:
            self.connection.send(task)
            result, error = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(5)  # it may take a moment from its last breath to its exit code
            code = self.process.exitcode or 0
            how = f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
            raise _LostError(how) from None
        if error:
            raise error
        return result


def _answer(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Of a process: do what it is asked until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        while True:
            task = connection.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = work(task), None
            except Exception as error:
                error.add_note(f"in a process of its own:\n{traceback.format_exc()}")
                answer = None, error
            connection.send(answer)
    except (EOFError, OSError):
        return


def _serve(ask: Callable[[Any], Any], queue: _Queue) -> None:
    """Of a thread, which is left behind at the end of this process if it still waits for an answer then."""
    while item := queue.get():
        task, future = item
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(ask(task))
            except BaseException as error:
                future.set_exception(error)
                if isinstance(error, _LostError):
                    return
        del item, task, future  # else a result would stay in memory until the next


def _end(queue: _Queue, processes: list[_Process]) -> None:
    """Kill, since one that was stopped would not hear anything else."""
    for each in processes:
        each.process.kill()
        queue.put(None)


def _check_spare_files() -> None:
    """Raise OSError where so many workers run that this process itself could not go on."""
    opened: list[int] = []
    try:
        for _ in range(SPARE_FILES):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for file in opened:
            os.close(file)
