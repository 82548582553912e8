"""Workers, and what can become of them."""

import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from src import workers
from src.errors import InputError
from src.workers import Workers
from tests.conftest import ROOT
from tests.starved import SHARED_MEMORY, needs_namespaces, without_shared_memory

METHODS = ["fork", "spawn", "thread"]


def made(work, count=2, method="fork") -> Workers:
    return Workers(work, count, "workers: a process that squares", "Try fewer", method)


def square(number: int) -> np.ndarray:
    time.sleep(0.02 * (number % 3))  # later ones overtake it
    return np.array([number**2])


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(workers, "REMINDER", 0.3)
    monkeypatch.setattr(workers, "PATIENCE", 1.2)


# --- what they are for


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_results_come_in_the_order_of_the_tasks(count, method):
    with made(square, count, method) as squares:
        for _ in range(2):  # the same workers again
            assert [int(result[0]) for result in squares.map(range(8))] == [n**2 for n in range(8)]
        assert list(squares.map([])) == []


def test_few_results_are_in_memory_at_a_time():
    begun = []
    with made(square, 2) as squares:
        results = squares.map(begun.append(number) or number for number in range(50))
        for done, _ in enumerate(results, 1):
            assert len(begun) <= done + 2 * workers.AHEAD


def test_who_stops_early_may_start_again():
    with made(square) as squares:
        for _ in squares.map(range(50)):
            break
        assert [int(result[0]) for result in squares.map([3, 4])] == [9, 16]


def fail(number: int) -> None:
    if number == 2:
        raise InputError("images.path: number 2 is wrong")


@pytest.mark.parametrize("method", METHODS)
def test_an_error_arrives_as_it_was_raised(method):
    with made(fail, 2, method) as failing, pytest.raises(InputError) as raised:
        list(failing.map(range(5)))
    assert str(raised.value) == "images.path: number 2 is wrong"
    if method != "thread":  # where the traceback has it
        assert "in fail\n" in raised.value.__notes__[0]


# --- lost ones


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def stop(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGSTOP)
    return number


def stop_in_the_middle_of_an_answer(number: int) -> int:
    if number == 3:
        connection = sys._getframe(1).f_locals["connection"]
        os.write(connection.fileno(), struct.pack("!i", 1_000_000) + b"not all of it")
        os.kill(os.getpid(), signal.SIGSTOP)
    return number


def gone(pids: list[int]) -> bool:
    """Whether these processes end soon."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return psutil.wait_procs(processes, timeout=20)[1] == []


def pids(of: Workers) -> list[int]:
    return [int(process[0]) for process in of.map(range(20))]


def pid(_: object) -> np.ndarray:
    time.sleep(0.02)
    return np.array([os.getpid()])


@pytest.mark.parametrize("count", [1, 3])
def test_one_that_is_killed_ends_in_one_line(count):
    line = r"^workers: a process that squares died \(killed by SIGKILL\); did memory run out\? Try fewer$"
    with made(die, count) as deadly, pytest.raises(InputError, match=line):
        list(deadly.map(range(8)))


@pytest.mark.parametrize("work", [stop, stop_in_the_middle_of_an_answer])
@pytest.mark.usefixtures("impatient")
def test_one_that_was_stopped_is_said_and_ends_in_one_line(work, capsys):
    before = set(psutil.Process().children())
    with made(work) as stopping, pytest.raises(InputError) as raised:
        list(stopping.map(range(8)))
    assert str(raised.value) == (
        "workers: a process that squares has not answered for 0:00:01; is a disk or the machine overloaded? "
        "Try fewer"
    )
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "workers: a process that squares has not answered for 0:00:00, stops at 0:00:01"
    assert gone([child.pid for child in set(psutil.Process().children()) - before])


@pytest.mark.usefixtures("impatient")
def test_one_that_was_stopped_while_there_was_nothing_to_do():
    with made(pid, 1) as stopped:
        [number] = set(pids(stopped))
        os.kill(number, signal.SIGSTOP)
        with pytest.raises(InputError, match="has not answered"):  # 1 MB: more than a pipe takes
            list(stopped.map([b"x" * 1_000_000] * 3))
    assert gone([number])


@pytest.mark.usefixtures("impatient")
def test_slow_ones_are_waited_for(monkeypatch, capsys):
    monkeypatch.setattr(workers, "PATIENCE", 60)
    with made(sleep, 1) as slow:
        assert list(slow.map([1, 0, 1])) == [1, 0, 1]
    assert "has not answered for 0:00:00, stops at 0:01:00" in capsys.readouterr().err


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_waits_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with made(Path.read_bytes, 2, "thread") as reading, pytest.raises(InputError, match="has not answered"):
        list(reading.map([tmp_path / "pipe"]))
    (tmp_path / "pipe").open("w").close()  # let it go


def test_they_can_be_started_again_after_a_loss():
    with made(die) as deadly:
        with pytest.raises(InputError):
            list(deadly.map(range(8)))
        assert list(deadly.map([5, 6])) == [5, 6]


def test_they_end_with_what_holds_them():
    held = made(pid)
    numbers = pids(held)
    del held
    assert gone(numbers)
    assert all(thread.name != "_serve" for thread in threading.enumerate())


# --- in a process of its own

SCRIPT = """
import os, signal, sys
from tests.test_workers import made, pid, pids, sleep, stop
"""


def start(script: str, *before: str) -> subprocess.Popen:
    """Run it by a command that runs others."""
    command = [*before, sys.executable, "-c", SCRIPT + script]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Status and what was printed, of one that ends soon."""
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_program_ends_although_one_is_stopped(method):
    process = start(f"""
stopped = made(pid, 2, "{method}")
numbers = set(pids(stopped))
for number in numbers: os.kill(number, signal.SIGSTOP)
print(*numbers)
""")
    status, out, err = ended(process)
    assert (status, err) == (0, "")
    assert gone([int(number) for number in out.split()])


def test_ctrl_c_ends_it_at_once_although_one_is_stopped():
    process = start("""
from src.command import run_main
signal.signal(signal.SIGINT, signal.default_int_handler)
def main():
    with_pids = made(pid, 2)
    print(*set(pids(with_pids)), flush=True)
    stopping = made(stop, 2)
    for number in stopping.map(range(20)):
        print(number, flush=True)
run_main("here", main)
""")
    numbers = [int(number) for number in process.stdout.readline().split()]
    for line in process.stdout:
        if line == "2\n":
            break
    time.sleep(0.5)  # so that it waits; where it does not yet, it is interrupted all the same
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert ended(process) == (1, "", "here: interrupted\n")
    assert gone(numbers)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_they_end_when_the_program_is_killed(method):
    process = start(f"""
others = made(pid, 2, "fork")
running = made(pid, 2, "{method}")
print(*set(pids(others)), *set(pids(running)), flush=True)
signal.pause()
""")
    numbers = [int(number) for number in process.stdout.readline().split()]
    assert len(numbers) >= 2
    process.kill()
    process.wait()
    assert gone(numbers)


@pytest.mark.parametrize(("files", "used"), [(30, r"[1-7] of 8 are"), (18, "none is")])
def test_too_few_files_may_be_open(files, used):
    script = "print(sum(len(p) for p in made(pid, 8).map(range(99))))"
    status, out, err = ended(start(script, "bash", "-c", f'ulimit -n {files}; exec "$0" "$@"'))
    assert (status, out) == (0, "99\n")
    assert re.fullmatch(
        rf"workers: a process that squares cannot be started \(Too many open files\): {used} used, "
        "the result is the same\n",
        err,
    )


@needs_namespaces
@pytest.mark.parametrize("shared", SHARED_MEMORY)
def test_no_shared_memory_is_needed(shared):
    script = "print(len(set(pids(made(pid, 8)))))"
    assert ended(start(script, *without_shared_memory(shared))) == (0, "8\n", "")
