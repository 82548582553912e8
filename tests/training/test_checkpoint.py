import hashlib
import os

import pytest
import torch

from src.training.checkpoint import CheckpointFile, fingerprint
from tests.project import enter_copy


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_checkpoint_comes_back_and_goes():
    file = CheckpointFile("key")
    assert file.load() is None
    file.save({"weights": torch.arange(3.0), "curves": [{"epoch": 1, "lr": 0.1}]})
    state = CheckpointFile("key").load()
    assert torch.equal(state["weights"], torch.arange(3.0))
    assert state["curves"] == [{"epoch": 1, "lr": 0.1}]
    file.remove()
    assert list(file.path.parent.iterdir()) == []
    file.remove()  # by another training with the same key, perhaps
    assert CheckpointFile("key").load() is None


def test_another_training_has_another_file():
    CheckpointFile("one").save({})
    assert CheckpointFile("two").load() is None


def test_temporary_copies_of_a_project_share_its_checkpoints(tmp_path, monkeypatch):
    enter_copy(tmp_path, monkeypatch)
    CheckpointFile("key").save({})
    assert (tmp_path / ".checkpoints/key.pt").exists()


def damage(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:500], "checksum mismatch"),
        (damage, "checksum mismatch"),
        (lambda _: b"", "checksum mismatch"),
        (lambda _: b"\xff\xfe\n", ""),
        (lambda _: hashlib.sha256(b"[]").hexdigest().encode() + b"\n[]", ""),
    ],
)
def test_a_damaged_checkpoint_is_put_aside(said, change, reason):
    file = CheckpointFile("key", said.append)
    file.save({"weights": torch.zeros(100)})
    file.path.write_bytes(change(file.path.read_bytes()))
    assert file.load() is None
    assert file.path.with_suffix(".damaged").exists()
    assert not file.path.exists()
    [line] = said
    assert line.startswith(".checkpoints/key.damaged: set aside (")
    assert line.endswith("; training starts from the beginning")
    assert reason in line


def test_a_checkpoint_of_another_training_is_put_aside(said):
    CheckpointFile("other").save({})
    CheckpointFile("other").path.rename(CheckpointFile("key").path)
    assert CheckpointFile("key", said.append).load() is None
    assert "it belongs to another training run" in said[0]


def test_nothing_in_it_is_executed(project, said):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(project / "opened"),)

    file = CheckpointFile("key", said.append)
    file.save({"bomb": Bomb()})
    assert file.load() is None
    assert not (project / "opened").exists()


def test_the_fingerprint_knows_facts_and_files(tmp_path):
    code = tmp_path / "code.py"
    code.write_text("x = 1")
    first = fingerprint({"lr": 0.1, "name": "sgd"}, [code])
    assert fingerprint({"name": "sgd", "lr": 0.1}, [code]) == first
    assert fingerprint({"lr": 0.2, "name": "sgd"}, [code]) != first
    code.write_text("x = 2")
    assert fingerprint({"lr": 0.1, "name": "sgd"}, [code]) != first


def test_the_fingerprint_does_not_depend_on_where_the_project_lies(tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "code.py").write_text("x = 1")
        (tmp_path / folder / "data.json").write_text("{}")
    here, there = ([tmp_path / f / "code.py", tmp_path / f / "data.json"] for f in ("here", "there"))
    assert fingerprint({}, here) == fingerprint({}, reversed(there))
    (tmp_path / "there/code.py").write_text("{}")
    (tmp_path / "there/data.json").write_text("x = 1")  # the same contents under each other's names
    assert fingerprint({}, here) != fingerprint({}, there)
