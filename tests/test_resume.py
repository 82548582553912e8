import hashlib
import os
import subprocess

import pytest
import torch

from src.resume import StateFile, fingerprint


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_state_comes_back_and_goes(project):
    file = StateFile("key")
    assert file.load() is None
    file.save({"weights": torch.arange(3.0), "curves": [{"epoch": 1, "lr": 0.1}]})
    state = StateFile("key").load()
    assert torch.equal(state["weights"], torch.arange(3.0))
    assert state["curves"] == [{"epoch": 1, "lr": 0.1}]
    dead = subprocess.Popen(["true"])
    dead.wait()
    (file.path.parent / f".tmp-{dead.pid}-key.pt").touch()  # it was killed while it wrote
    alive = subprocess.Popen(["sleep", "60"])
    (file.path.parent / f".tmp-{alive.pid}-key.pt").touch()  # this one still writes
    file.remove()
    alive.kill()
    assert [path.name for path in file.path.parent.iterdir()] == [f".tmp-{alive.pid}-key.pt"]


def test_another_training_has_another_file():
    StateFile("one").save({})
    assert StateFile("two").load() is None


def test_temporary_copies_of_a_project_share_its_states(tmp_path, monkeypatch):
    (tmp_path / "copy").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path / "copy")
    StateFile("key").save({})
    assert (tmp_path / ".resume/key.pt").exists()


def damage(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:500], "its sum is wrong"),
        (damage, "its sum is wrong"),
        (lambda _: b"", "its sum is wrong"),
        (lambda _: b"\xff\xfe\n", ""),
        (lambda _: hashlib.sha256(b"[]").hexdigest().encode() + b"\n[]", ""),
    ],
)
def test_a_damaged_file_is_put_aside(said, change, reason):
    file = StateFile("key", said.append)
    file.save({"weights": torch.zeros(100)})
    file.path.write_bytes(change(file.path.read_bytes()))
    assert file.load() is None
    assert file.path.with_suffix(".damaged").exists()
    assert not file.path.exists()
    [line] = said
    assert line.startswith(".resume/key.damaged: put aside")
    assert reason in line


def test_a_foreign_file_is_put_aside(said):
    StateFile("other").save({})
    StateFile("other").path.rename(StateFile("key").path)
    assert StateFile("key", said.append).load() is None
    assert "it belongs to another training" in said[0]


def test_nothing_in_it_is_executed(project, said):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(project / "opened"),)

    file = StateFile("key", said.append)
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
