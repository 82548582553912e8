"""What becomes of a file that a user names."""

import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.errors import InputError
from src.outputs import is_replaced, is_standard_output, output_file, write_output
from tests.conftest import ROOT

OLD, NEW = "old", "new ü→\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_made_with_its_folders():
    write_output(Path("below/here.txt"), NEW)
    assert Path("below/here.txt").read_text(encoding="utf-8") == NEW


def test_a_file_is_replaced_whole_or_not_at_all(folder):
    path = Path("file")
    path.write_text(OLD)
    with output_file(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == OLD
    with pytest.raises(RuntimeError), output_file(path) as temporary:
        temporary.write_text("other half")
        raise RuntimeError
    assert path.read_text() == "half"
    assert [entry.name for entry in folder.iterdir()] == ["file"]


def test_a_file_keeps_its_permissions():
    path = Path("file")
    for mode in (0o600, 0o664, 0o755):
        path.write_text(OLD)
        path.chmod(mode)
        write_output(path, NEW)
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner():
    path = Path("file")
    path.write_text(OLD)
    path.chmod(0o640)
    os.chown(path, 12345, 54321)
    write_output(path, NEW)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 54321, 0o640)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_file_that_is_read_only_is_kept():
    path = Path("file")
    path.write_text(OLD)
    path.chmod(0o444)
    with pytest.raises(InputError, match=r"^file: cannot be written: it is read-only$"):
        write_output(path, NEW)
    assert path.read_text() == OLD


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_and_stays(there):
    Path("folder").mkdir()
    Path("folder/file").write_text(OLD) if there else None
    Path("link").symlink_to("folder/file")
    Path("link to link").symlink_to("link")
    write_output(Path("link to link"), NEW)
    assert os.readlink("link to link") == "link"  # noqa: PTH115
    assert os.readlink("link") == "folder/file"  # noqa: PTH115
    assert not Path("folder/file").is_symlink()
    assert Path("folder/file").read_text(encoding="utf-8") == NEW


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("folder", "folder: is a folder; give the name of a file, such as folder/NAME"),
        ("", ".: is a folder; give the name of a file, such as NAME"),
        ("to folder", "to folder: is a folder; give the name of a file, such as to folder/NAME"),
        ("loop", "loop: cannot be written: Too many levels of symbolic links"),
        ("file/below", "file/below: cannot be written: Not a directory"),
        ("x" * 300, "x" * 300 + ": cannot be written: File name too long"),
    ],
)
def test_one_line_for_what_is_no_place_for_a_file(folder, path, line):
    Path("folder").mkdir()
    Path("file").write_text(OLD)
    Path("to folder").symlink_to("folder")
    Path("loop").symlink_to("loop")
    before = set(folder.rglob("*"))
    with pytest.raises(InputError) as error, output_file(Path(path)):
        raise AssertionError("the work was begun")
    assert str(error.value) == line
    assert set(folder.rglob("*")) == before


def test_a_pipe_is_written_into():
    os.mkfifo("pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_bytes()))
    reader.start()
    write_output(Path("pipe"), NEW)
    reader.join()
    assert got == [NEW.encode()]
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)  # noqa: PTH116


def test_a_reader_of_a_pipe_that_has_seen_enough_is_no_failure():
    read, write = os.pipe()
    os.close(read)
    write_output(Path(f"/dev/fd/{write}"), NEW)
    os.close(write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_devices_stay_what_they_are():
    write_output(Path("/dev/null"), NEW)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(InputError, match=r"^/dev/full: cannot be written: No space left on device$"):
        write_output(Path("/dev/full"), NEW)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices")
def test_a_device_of_a_users_own():
    try:
        os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("not in this container")
    write_output(Path("null"), NEW)
    assert stat.S_ISCHR(Path("null").stat().st_mode)


def test_a_file_open_under_a_number_is_written_into():
    with Path("log").open("a") as log:
        log.write(OLD)
        log.flush()
        write_output(Path(f"/dev/fd/{log.fileno()}"), NEW)
        log.write(OLD)
    assert Path("log").read_text(encoding="utf-8") == OLD + NEW + OLD


WRITES = """import sys; from pathlib import Path; from src import outputs, streams
streams.set_up()
print("before")
outputs.write_output(Path(sys.argv[1]), "page")
print(" behind", outputs.is_standard_output(Path(sys.argv[1])), outputs.is_replaced(Path(sys.argv[1])))"""


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "file"])
@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_what_is_standard_output(name, mode):
    """In a shell: `command -o NAME > file` or `>> file`."""
    Path("file").write_bytes(b"old\n")
    with Path("file").open(mode) as file:
        subprocess.run(
            [sys.executable, "-c", WRITES, name],
            stdout=file,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
        )
    kept = "old\n" if mode == "ab" else ""
    assert Path("file").read_text() == f"{kept}before\npage behind True False\n"


def test_names_that_look_like_standard_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    assert is_standard_output(Path("-"))
    assert not is_standard_output(Path("./folder/-"))
    assert is_replaced(Path("folder/-"))
    write_output(Path("-"), NEW)
    assert sys.stdout.buffer.getvalue() == NEW.encode()
    assert not Path("-").exists()
