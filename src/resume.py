"""What a killed training goes on from: its state after the last finished epoch.

The state is kept outside of what DVC knows as outputs, since DVC puts those back before each run, and under a
name made from everything that shapes the result: another parameter, another line of code or other data never
meet it.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch

from src import artifacts

FOLDER = Path(".resume")


def fingerprint(facts: Mapping[str, Any], files: Iterable[Path]) -> str:
    """A name for everything that shapes a result.

    Args:
        facts: whatever JSON can hold.
        files: code and small data, compared by content.
    """
    summary = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    # By name, not by path: a temporary copy of the project is the same project.
    for name, content in sorted((path.name, path.read_bytes()) for path in files):
        summary.update(name.encode())
        summary.update(hashlib.sha256(content).digest())
    return summary.hexdigest()[:32]


class StateFile:
    """The state of one training, written whole or not at all; nothing in it is executed when it is read.

    Args:
        key: from `fingerprint`.
        report: is told when a file is put aside.
    """

    def __init__(self, key: str, report: Callable[[str], None] = print) -> None:
        self.path = artifacts.keep_outside(FOLDER / f"{key}.pt")
        self.key, self.report = key, report

    def load(self) -> dict[str, Any] | None:
        """The state, or None if there is none that can be trusted; a damaged file is put aside."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self.read(content)
        except Exception as error:  # whatever is wrong with it, training from the start is right
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            self.report(f"{aside}: put aside, {error}; training starts afresh")
            return None

    def read(self, content: bytes) -> dict[str, Any]:
        """The state in the content of a file; raises whatever is wrong with it."""
        expected, _, state = content.partition(b"\n")
        if expected != hashlib.sha256(state).hexdigest().encode():
            raise ValueError("its sum is wrong")
        found = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        if found["key"] != self.key:
            raise ValueError("it belongs to another training")
        return found

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state.

        Raises:
            InputError: it cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({**state, "key": self.key}, buffer)
        content = buffer.getvalue()
        # Another process may be at the same training (a queue, two terminals): a temporary file for each.
        with artifacts.atomic_file(self.path, tag=f"{os.getpid()}-") as temporary:
            temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)

    def remove(self) -> None:
        """The training is over: away with it, and with what killed processes left of it."""
        self.path.unlink(missing_ok=True)
        for leftover in self.path.parent.glob(f".tmp-*-{self.path.name}"):
            writer = int(leftover.name.split("-")[1])
            if not psutil.pid_exists(writer) or writer == os.getpid():
                leftover.unlink(missing_ok=True)
