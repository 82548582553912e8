import os
import stat

import pytest

from src import artifacts
from src.errors import InputError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder" / "file.txt"
    artifacts.write_text(target, "old")
    with pytest.raises(RuntimeError), artifacts.atomic_file(target) as temporary:
        temporary.write_text("half of the new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


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


def test_csv_comes_back_as_text(tmp_path):
    artifacts.write_csv(tmp_path / "t.csv", [{"a": 1, "b": "x,y"}], ["a", "b"])
    assert (tmp_path / "t.csv").read_bytes() == b'a,b\n1,"x,y"\n'
    assert artifacts.read_csv(tmp_path / "t.csv") == [{"a": "1", "b": "x,y"}]


def test_json_that_is_none(tmp_path):
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(InputError, match=r"t\.json: damaged"):
        artifacts.read_json(tmp_path / "t.json")


def test_missing(tmp_path):
    with pytest.raises(InputError, match=r"no\.json: missing; `dvc repro` brings it back"):
        artifacts.read_json(tmp_path / "no.json")


def test_a_folder_that_may_not_be_written_to(tmp_path):
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


def test_what_a_killed_process_left_does_not_pile_up(tmp_path):
    (tmp_path / ".tmp-file.txt").write_text("half")
    (tmp_path / ".tmp-folder").mkdir()
    (tmp_path / ".tmp-folder/half.png").touch()
    artifacts.write_text(tmp_path / "file.txt", "whole")
    with artifacts.atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "whole.png").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file.txt", "folder", "whole.png"]
