"""What a killed training resumes from: its state after the last finished epoch.

Checkpoints are kept outside of what DVC knows as outputs, since DVC restores those before each run. Each is
named after everything that shapes the result, so that other parameters, code or data never meet it.
"""

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from src import artifacts, places
from src.params import Params


def fingerprint(facts: Mapping[str, Any], files: Iterable[Path]) -> str:
    """A name for everything that shapes a result.

    Args:
        facts: whatever JSON can hold.
        files: code and small data, compared by content.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    # By name, not by path: a temporary copy of the project is the same project.
    for name, content in sorted((path.name, path.read_bytes()) for path in files):
        digest.update(name.encode())
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]


def fingerprint_of_training(params: Params, environment: Mapping[str, Any], stage: Path) -> str:
    """Of all that shapes the weights; what only other stages read, and the number of workers, does not.

    How many processes there really are is among the facts about the environment.

    Args:
        params: with the learning rate that was found, if one was.
        environment: from `describe_environment`.
        stage: the code of the stage; what it has imported of the project counts too: the files DVC compares.
    """
    irrelevant = {"workers", "processes", "tensorboard", "label_issues", "images", "find_lr"}
    irrelevant |= {"evaluate", "misclassified", "gradcam"}
    modules = [module for name, module in sys.modules.items() if name.startswith("src.")]
    code = [stage, *(Path(module.__file__) for module in modules if module.__file__)]
    data = [artifacts.DATASET / "meta.json", artifacts.MEAN_STD]  # meta.json has the checksums of the arrays
    if params.weights not in ("none", "default"):
        data.append(places.given(params.weights))
    facts = {"params": params.model_dump(exclude=irrelevant), "environment": environment}
    return fingerprint(facts, [*code, *data])


class CheckpointFile:
    """The state of one training, written completely or not at all; nothing in it is executed when it is read.

    Args:
        key: from `fingerprint`.
        log: is told when a file is put aside.
    """

    def __init__(self, key: str, log: Callable[[str], None] = print) -> None:
        self.path = artifacts.outside_runs(artifacts.CHECKPOINTS / f"{key}.pt")
        self.key, self.log = key, log

    def load(self) -> dict[str, Any] | None:
        """The state, or None if there is none that can be trusted; a damaged file is put aside."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self.parse(content)
        except Exception as error:  # whatever is wrong with it, training from the start is right
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            self.log(f"{aside}: set aside ({error}); training starts from the beginning")
            return None

    def parse(self, content: bytes) -> dict[str, Any]:
        """The state in the content of a file; raises whatever is wrong with it."""
        expected, _, payload = content.partition(b"\n")
        if expected != hashlib.sha256(payload).hexdigest().encode():
            raise ValueError("checksum mismatch")
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        if state["key"] != self.key:
            raise ValueError("it belongs to another training run")
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state.

        Raises:
            InputError: it cannot be written.
        """
        # In memory first: the checksum goes in front of the content.
        buffer = io.BytesIO()
        torch.save({**state, "key": self.key}, buffer)
        payload = buffer.getvalue()
        with artifacts.atomic_file(self.path) as temporary:
            temporary.write_bytes(hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)

    def remove(self) -> None:
        """The training is over."""
        self.path.unlink(missing_ok=True)
