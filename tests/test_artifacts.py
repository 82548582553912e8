import json
import os
import stat

import numpy as np
import pytest

from src import artifacts
from src.errors import InputError
from tests.project import enter_copy


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder" / "file.txt"
    artifacts.write_text(target, "old")
    with pytest.raises(RuntimeError), artifacts.atomic_file(target) as temporary:
        temporary.write_text("half of the new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_two_writers_of_a_file_do_not_meet(tmp_path, monkeypatch):
    target = tmp_path / "file.txt"
    with artifacts.atomic_file(target) as ours:
        ours.write_text("ours")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        artifacts.write_text(target, "theirs")
        assert target.read_text() == "theirs"
    assert target.read_text() == "ours"  # the last one wins
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_has_the_usual_permissions(tmp_path):
    artifacts.write_text(tmp_path / "ours", "")
    (tmp_path / "theirs").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "theirs")}
    assert len(modes) == 1


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder"
    for content in ("old", "new"):
        with artifacts.atomic_folder(target) as temporary:
            (temporary / content).touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), artifacts.atomic_folder(target) as temporary:
        (temporary / "newer").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_json_comes_back_as_it_was(tmp_path):
    content = {"mean": [0.1, 1 / 3], "classes": ["Käfer"], "none": None}
    artifacts.write_json(tmp_path / "t.json", content)
    assert artifacts.read_json(tmp_path / "t.json", "mean", "classes") == content
    assert list(json.loads((tmp_path / "t.json").read_bytes())) == list(content)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"3", b"\xff{}", b'{"lr": 1}'])
def test_damaged_json(tmp_path, content):
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(InputError, match=r"t\.json: damaged .*; run `dvc repro --force` to make it again"):
        artifacts.read_json(tmp_path / "t.json", "mean")


def test_a_missing_file_says_what_brings_it_back(tmp_path):
    with pytest.raises(InputError, match=r"no\.json: missing; run `dvc repro` to restore it"):
        artifacts.read_json(tmp_path / "no.json")
    with pytest.raises(
        InputError, match=r"params\.yaml: missing; run `git restore .*params\.yaml` to restore it"
    ):
        artifacts.require(tmp_path / "params.yaml")


def test_an_array_comes_back_as_it_was(tmp_path):
    array = np.random.default_rng(0).random((5, 3), np.float32)
    artifacts.write_array(tmp_path / "a.npy", array)
    for shape in ((5, 3), (None, 3), (None, None)):
        np.testing.assert_array_equal(artifacts.read_array(tmp_path / "a.npy", np.float32, shape), array)


@pytest.mark.parametrize(
    ("dtype", "shape", "wanted"),
    [
        (np.float64, (5, 3), "float64 of 5×3"),
        (np.float32, (5, 4), "float32 of 5×4"),
        (np.float32, (None, None, 3), "float32 of any×any×3"),
    ],
)
def test_an_array_of_another_type_or_shape(tmp_path, dtype, shape, wanted):
    np.save(tmp_path / "a.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(InputError, match=rf"a\.npy: float32 of 5×3, should be {wanted}; try again"):
        artifacts.read_array(tmp_path / "a.npy", dtype, shape, "try again")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: b"PNG" + content,
        lambda content: content.replace(b"{", b"[", 1),
        lambda content: content.replace(b"}", b" ", 1),
        lambda content: content.replace(b"'shape'", b"b'shape'", 1),
    ],
)
def test_a_damaged_array(tmp_path, damage):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((5, 3), np.float32))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"a\.npy: damaged .*; run `dvc repro --force` to make it again"):
        artifacts.read_array(path, np.float32, (5, 3))


def test_a_pickle_in_place_of_an_array_is_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy: damaged"):
        artifacts.read_array(tmp_path / "a.npy", np.float32, (1,))
    assert not (tmp_path / "opened").exists()


def test_a_folder_that_cannot_be_written_to(tmp_path):
    folder = tmp_path / "folder"
    folder.touch()  # for root, permissions are no obstacle; a file in the folder's place is one for all
    with pytest.raises(InputError, match=r"folder/file\.txt: cannot be written: "):
        artifacts.write_text(folder / "file.txt", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match=r"file\.txt: cannot be written: Permission denied"):
        artifacts.write_text(tmp_path / "file.txt", "")
    tmp_path.chmod(0o755)


def test_what_outlives_runs_lies_in_the_project_that_started_them(tmp_path, monkeypatch):
    assert artifacts.outside_runs(artifacts.CHECKPOINTS) == artifacts.CHECKPOINTS
    enter_copy(tmp_path, monkeypatch)
    assert artifacts.outside_runs(artifacts.CHECKPOINTS) == tmp_path / ".checkpoints"
