import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from src.training.loop import Epoch
from src.training.tensorboard import TensorBoardLog
from tests.project import enter_copy


def read(folder: Path) -> dict[tuple[str, int], float]:
    """Values by tag and step; a record is its length, a checksum, the event, a checksum."""
    [file] = folder.iterdir()
    content, values = file.read_bytes(), {}
    while content:
        [length] = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12 : 12 + length])
        values |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        content = content[16 + length :]
    return values


def test_a_log_is_written_as_it_goes_and_replaces_the_one_before(tmp_path, monkeypatch):
    enter_copy(tmp_path, monkeypatch)
    monkeypatch.setenv("DVC_EXP_NAME", "mine")
    folder = tmp_path / "plots/tensorboard/mine"
    for _ in range(2):
        log = TensorBoardLog()
        log.add(Epoch(1, 0.5, 2.0, 0.25, 1.5, 0.375))
        log.add(Epoch(2, 0.25, 1.0, 0.5, 0.75, 0.625))
    assert read(folder) == {
        ("lr", 1): 0.5,
        ("loss/train", 1): 2.0,
        ("accuracy/train", 1): 0.25,
        ("loss/validation", 1): 1.5,
        ("accuracy/validation", 1): 0.375,
        ("lr", 2): 0.25,
        ("loss/train", 2): 1.0,
        ("accuracy/train", 2): 0.5,
        ("loss/validation", 2): 0.75,
        ("accuracy/validation", 2): 0.625,
    }


def test_a_run_without_a_name_is_the_workspaces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    TensorBoardLog()
    assert (tmp_path / "plots/tensorboard/workspace").is_dir()
