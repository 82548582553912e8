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

import torch

from src import artifacts


def fingerprint(facts: Mapping[str, Any], files: Iterable[Path]) -> str:
    """A name for everything that shapes a result.

    Args:
        facts: whatever JSON can hold.
        files: code and small data, compared by content.
    """
    summary = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for path in sorted(files):
        summary.update(path.as_posix().encode())
        summary.update(hashlib.sha256(path.read_bytes()).digest())
    return summary.hexdigest()[:32]


class StateFile:
    """The state of one training, written whole or not at all; nothing in it is executed when it is read.

    Args:
        key: from `fingerprint`.
        report: is told when a file is put aside.
    """

    def __init__(self, key: str, report: Callable[[str], None] = print) -> None:
        # DVC runs `--temp` and queued experiments in a copy that is thrown away when they fail; the
        # variable names the project they were started from.
        self.path = Path(os.environ.get("DVC_ROOT", "."), ".resume", f"{key}.pt")
        self.key, self.report = key, report

    def load(self) -> dict[str, Any] | None:
        """The state, or None if there is none that can be trusted; a damaged file is put aside."""
        try:
            sum_, _, content = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        try:
            if sum_.decode() != hashlib.sha256(content).hexdigest():
                raise ValueError("its sum is wrong")
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            if state["key"] != self.key:
                raise ValueError("it belongs to another training")
        except Exception as error:  # whatever is wrong with it, training from the start is right
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            self.report(f"{aside}: put aside, {error}; training starts afresh")
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state.

        Raises:
            InputError: it cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({**state, "key": self.key}, buffer)
        content = buffer.getvalue()
        # Another process may be at the same training (a queue, two terminals): a temporary file for each.
        with artifacts.atomic_file(self.path, tag=str(os.getpid())) as temporary:
            temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)

    def remove(self) -> None:
        """The training is over: away with it, and with what killed processes left."""
        for path in (self.path, *self.path.parent.glob(f".tmp-*{self.path.name}")):
            path.unlink(missing_ok=True)
