"""What is decoded once stays; however many processes, kills and damages it takes."""

import hashlib
import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from src import progress
from src.download import facts, processes, store
from src.download.facts import perceptual_hash
from src.download.reader import UnusableImage, read_image
from src.download.store import ImageStore
from src.errors import InputError
from src.preprocessing import Preprocessing
from tests.conftest import ROOT
from tests.download.pictures import RED, encode, jpeg, oddities, photograph, plain, quadrants
from tests.project import enter_copy

HOW = Preprocessing(size=24)
# Fills a store as a stage would, in a process of its own.
FILL = """
import sys
from pathlib import Path
from src.download import processes, store
from src.preprocessing import Preprocessing
from tests.project import enter_copy
if __name__ == "__main__":
    processes.IN_PROCESS, processes.BATCH, store.COMMIT_SECONDS = 2, 4, 0.05
    with store.ImageStore(Preprocessing(size=24), "raw") as images:
        table = images.add(sorted(Path(sys.argv[1]).iterdir()), int(sys.argv[2]))
    table.to_pickle(sys.argv[3])
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path / "project"


@pytest.fixture
def decoded(monkeypatch) -> list[Path]:
    """The files that this process decodes, as it goes."""
    files, decode = [], processes.decode

    def counted(content, path, how, encoding):
        files.append(path)
        return decode(content, path, how, encoding)

    monkeypatch.setattr(processes, "decode", counted)
    return files


def write(folder: Path, count: int, start: int = 0) -> list[Path]:
    """Different pictures."""
    files = [folder / f"{number:04}.png" for number in range(start, start + count)]
    for number, file in enumerate(files, start):
        file.write_bytes(encode(np.roll(photograph(40, 30), number, 1) // (number % 3 + 1)))
    return files


def fill(files: Path, processes: int, result: Path, project: Path) -> subprocess.Popen:
    script = result.with_suffix(".py")
    script.write_text(FILL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(files), str(processes), str(result)]
    return subprocess.Popen(command, cwd=project, env=environment, text=True, stderr=subprocess.PIPE)


def rows(path: Path) -> list[tuple]:
    """All that a store holds."""
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT * FROM images ORDER BY content").fetchall()
    finally:
        database.close()


def one_store() -> Path:
    [path] = Path(".images").glob("*.sqlite")
    return path


# --- what is kept


def test_the_table_and_what_is_stored(tmp_path):
    content = encode(quadrants(48, 24))
    (tmp_path / "files/a.png").write_bytes(content)
    (tmp_path / "files/b.png").write_bytes(b"no picture")
    files = [tmp_path / "files/b.png", tmp_path / "files/a.png", tmp_path / "files/absent.png"]
    with ImageStore(HOW, "raw") as images:
        table = images.add(files, 1)
        assert table.columns.tolist() == store.COLUMNS
        assert table["problem"].tolist() == ["not an image", "", "no such file"]
        assert table["content"].tolist() == [
            hashlib.sha256(b"no picture").hexdigest(),
            hashlib.sha256(content).hexdigest(),
            "",
        ]
        row = table.iloc[1]
        assert (row["width"], row["height"], row["format"], row["mode"]) == (48, 24, "PNG", "RGB")
        assert (table["phash"].dtype, row["remark"]) == (np.uint64, "")
        pixels = read_image(content, HOW)
        assert images.payload(row["content"]) == pixels.tobytes()
        assert row["pixels"] == hashlib.sha256(pixels.tobytes() + "48×24".encode()).hexdigest()
        [thumbnail] = images.thumbnails([row["content"]])
        # The whole picture without the gray above and below.
        np.testing.assert_array_equal(thumbnail[1::9, 1::9], quadrants(12, 12)[1::9, 1::9])
        with pytest.raises(InputError, match="holds no image"):
            images.payload(table["content"][0])
        with pytest.raises(InputError, match="holds no image"):
            images.thumbnails(["absent"])


def test_jpeg(tmp_path):
    file = tmp_path / "files/a.png"
    file.write_bytes(encode(photograph(100, 80)))
    with ImageStore(HOW, "jpeg") as images, ImageStore(HOW, "raw") as raw:
        row, same = images.add([file], 1).iloc[0], raw.add([file], 1).iloc[0]
        assert row.equals(same)
        with Image.open(io.BytesIO(images.payload(row["content"]))) as image:
            assert (image.format, image.size) == ("JPEG", (24, 24))
            assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)  # 4:4:4
            difference = np.abs(np.asarray(image, int) - read_image(file, HOW))
            assert 0 < difference.mean() < 3


def test_all_oddities(tmp_path):
    files = []
    for oddity in oddities():
        files.append(tmp_path / "files" / oddity.name)
        files[-1].write_bytes(oddity.content)
    with ImageStore(HOW, "raw") as images:
        table = images.add(files, 1)
        assert [not problem for problem in table["problem"]] == [o.colors is not None for o in oddities()]
        for content in table["content"][table["problem"] == ""]:
            assert len(images.payload(content)) == 24 * 24 * 3


def test_settings_never_meet(project):
    others = [Preprocessing(size=25), Preprocessing(size=24, fit="crop"), Preprocessing(size=24, white=255)]
    paths = set()
    for how, encoding in [(HOW, "raw"), (HOW, "jpeg"), *((how, "raw") for how in others)]:
        with ImageStore(how, encoding) as images:
            paths.add(images.path)
    assert len(paths) == 5


def test_it_lies_in_the_project_that_an_experiment_was_started_from(tmp_path, monkeypatch):
    enter_copy(tmp_path / "parent", monkeypatch)
    with ImageStore(HOW, "raw") as images:
        assert images.path.parent == tmp_path / "parent" / ".images"


# --- decoded once


def test_ten_more_files_are_ten_to_decode(tmp_path, decoded):
    files = write(tmp_path / "files", 30)
    with ImageStore(HOW, "raw") as images:
        before = images.add(files, 1)
        assert decoded == files
        decoded.clear()
        more = write(tmp_path / "files", 10, start=30)
        after = images.add([*more, *files], 1)
        assert decoded == more
        pd.testing.assert_frame_equal(after[10:].reset_index(drop=True), before)
    # Moved, renamed, copied: the content counts.
    moved = files[0].rename(tmp_path / "files/another name.jpg")
    decoded.clear()
    with ImageStore(HOW, "raw") as images:
        again = images.add([moved, files[1], moved], 1)
    assert decoded == []
    assert again["content"].tolist() == [before["content"][0], before["content"][1], before["content"][0]]


def test_a_broken_file_is_not_tried_again_an_unreadable_one_is(tmp_path, decoded, monkeypatch):
    file = tmp_path / "files/a.jpg"
    file.write_bytes(jpeg(photograph(40, 30))[:-500])
    with ImageStore(HOW, "raw") as images:
        for _ in range(2):
            assert images.add([file], 1)["problem"].tolist() == ["truncated"]
        assert len(decoded) == 1
        # What memory was short for may work next time.
        file.write_bytes(jpeg(photograph(40, 30)))
        with monkeypatch.context() as patch:
            patch.setattr(facts, "read_with_header", _no_memory)
            assert "memory" in images.add([file], 1)["problem"][0]
        assert images.add([file], 1)["problem"].tolist() == [""]


def _no_memory(*_):
    raise UnusableImage(facts.NO_MEMORY)


def test_files_that_vanish_or_change_while_they_are_read(tmp_path, monkeypatch):
    files = write(tmp_path / "files", 3)
    hash_files = store.hash_files

    def meddle(*arguments):
        result = hash_files(*arguments)
        files[0].unlink()
        files[1].write_bytes(files[2].read_bytes())
        return result

    with ImageStore(HOW, "raw") as images:
        with monkeypatch.context() as patch:
            patch.setattr(store, "hash_files", meddle)
            table = images.add(files, 1)
        assert table["problem"].tolist() == ["no such file", "changed while it was read", ""]
        assert images.add(files, 1)["problem"].tolist() == ["no such file", "", ""]


def test_what_is_no_longer_used_is_forgotten(tmp_path):
    files = write(tmp_path / "files", 40)
    with ImageStore(Preprocessing(size=64), "raw") as images:
        contents = images.add(files, 1)["content"].tolist()
        size = images.path.stat().st_size
        images.forget_others(iter(contents[:10]))
        images.forget_others(contents[:10])
        assert [row[0] for row in rows(images.path)] == sorted(contents[:10])
        assert images.path.stat().st_size < size / 2
        assert len(images.payload(contents[0])) == 64 * 64 * 3


def test_stores_of_other_settings_are_dropped_but_the_latest(tmp_path):
    files = write(tmp_path / "files", 2)
    paths = []
    for size in (16, 17, 18, 19, 16):
        with ImageStore(Preprocessing(size=size), "raw") as images:
            facts = images.add(files, 1)
            images.forget_others(facts["content"])
            paths.append(images.path)
        os.utime(images.path, (len(paths), len(paths)))  # a second between them
    assert paths[0] == paths[4]
    assert [path.exists() for path in paths] == [True, False, True, True, True]


# --- several processes


def test_the_same_for_any_number_of_processes(tmp_path, project):
    write(tmp_path / "files", 90)
    (tmp_path / "files/broken.jpg").write_bytes(b"broken")
    tables, contents = [], []
    for count in (1, 2):
        result = tmp_path / f"{count}.pickle"
        running = fill(tmp_path / "files", count, result, project)
        _, printed = running.communicate()
        assert (running.returncode, printed) == (0, "")
        tables.append(pd.read_pickle(result))
        contents.append(rows(one_store()))
        one_store().unlink()
    pd.testing.assert_frame_equal(*tables)
    assert contents[0] == contents[1]
    assert len(contents[0]) == 91


def test_killed_at_random_moments(tmp_path, project):
    write(tmp_path / "files", 120)
    chance = random.Random(0)
    for count in (2, 1, 2, 2):
        running = fill(tmp_path / "files", count, tmp_path / "killed.pickle", project)
        time.sleep(chance.uniform(1.0, 2.5))
        children = psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []
        running.send_signal(signal.SIGKILL)
        running.communicate()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []  # those that decode end with it
    running = fill(tmp_path / "files", 2, tmp_path / "whole.pickle", project)
    running.communicate()
    assert running.returncode == 0
    kept = rows(one_store())
    one_store().unlink()
    with ImageStore(HOW, "raw") as images:
        table = images.add(sorted((tmp_path / "files").iterdir()), 1)
    pd.testing.assert_frame_equal(table, pd.read_pickle(tmp_path / "whole.pickle"))
    assert rows(one_store()) == kept


def test_two_at_once(tmp_path, project):
    write(tmp_path / "files", 80)
    running = [fill(tmp_path / "files", 1, tmp_path / f"{n}.pickle", project) for n in range(3)]
    for process in running:
        _, printed = process.communicate()
        assert (process.returncode, printed) == (0, "")
    tables = [pd.read_pickle(tmp_path / f"{n}.pickle") for n in range(3)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])
    assert len(rows(one_store())) == 80


def test_a_process_that_is_killed_is_one_line(tmp_path, monkeypatch):
    files = write(tmp_path / "files", 4)
    monkeypatch.setattr(processes, "IN_PROCESS", 0)
    monkeypatch.setattr(processes, "_decode_batch", _end)
    with (
        ImageStore(HOW, "raw") as images,
        pytest.raises(InputError, match=r"died \(exit status 9\)") as error,
    ):
        images.add(files, 2)
    assert "\n" not in str(error.value)


def _end(*_):
    os._exit(9)


def test_work_done_before_an_interrupt_is_kept(tmp_path, monkeypatch):
    files = write(tmp_path / "files", 40)
    decode = processes.decode

    def interrupted(content, path, *rest):
        if path == files[35]:
            raise KeyboardInterrupt
        return decode(content, path, *rest)

    monkeypatch.setattr(processes, "decode", interrupted)
    with ImageStore(HOW, "raw") as images, pytest.raises(KeyboardInterrupt):
        images.add(files, 1)
    assert len(rows(one_store())) == 32


# --- damaged


@pytest.mark.parametrize("damage", ["text", "middle", "truncated", "another"])
def test_a_damaged_store_is_made_again(tmp_path, capsys, damage):
    files = write(tmp_path / "files", 40)
    with ImageStore(HOW, "raw") as images:
        table = images.add(files, 1)
    path = one_store()
    content = path.read_bytes()
    if damage == "another":
        path.unlink()
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE images (cats)")
        database.close()
    else:
        half = len(content) // 2
        path.write_bytes(
            {
                "text": b"This is no database." * 50,
                "middle": content[:100] + bytes(half) + content[half + 100 :],
                "truncated": content[:half],
            }[damage]
        )
    with ImageStore(HOW, "raw") as images:
        pd.testing.assert_frame_equal(images.add(files, 1), table)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    assert "damaged" in printed[0]
    assert len(rows(path)) == 40


def test_a_damaged_picture_is_noticed(tmp_path):
    files = write(tmp_path / "files", 3)
    with ImageStore(HOW, "raw") as images:
        table = images.add(files, 1)
        payload = images.payload(table["content"][0])
    path = one_store()
    content = path.read_bytes()
    assert content.count(payload[800:900]) == 1
    path.write_bytes(content.replace(payload[800:900], bytes(100)))
    with ImageStore(HOW, "raw") as images:
        images.payload(table["content"][1])
        with pytest.raises(InputError, match="damaged"):
            images.payload(table["content"][0])
    assert not path.exists()


def test_a_place_that_cannot_be_written(project):
    Path(".images").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"\.images: cannot be written"):
        ImageStore(HOW, "raw")


# --- facts


def test_perceptual_hash():
    def differing_bits(a: np.ndarray, b: np.ndarray) -> int:
        return (perceptual_hash(Image.fromarray(a)) ^ perceptual_hash(Image.fromarray(b))).bit_count()

    scene = photograph(200, 150)
    smaller = np.asarray(Image.fromarray(scene).resize((90, 70), Image.Resampling.BICUBIC))
    packed = np.asarray(Image.open(io.BytesIO(encode(scene, "JPEG", quality=30))))
    for alike in (smaller, packed, np.uint8(scene * 0.9)):
        assert differing_bits(scene, alike) <= 6
    others = [differing_bits(scene, photograph(200, 150, seed)) for seed in range(1, 20)]
    assert min(others) >= 16
    assert perceptual_hash(plain(RED)) == perceptual_hash(plain(0, 99, 12, "L")) | 2**63


def test_perceptual_hash_by_hand():
    # A cosine of one period and a half over the width: one frequency, the fourth of the first row.
    wave = 128 + 100 * np.cos(np.pi * 3 * (np.arange(32) + 0.5) / 32)
    bits = perceptual_hash(Image.fromarray(np.tile(wave, (32, 1)).round().astype(np.uint8)))
    assert bits >> 63 & 1  # the mean
    assert bits >> 60 & 1
    assert not bits >> 62 & 1


def test_remarks(tmp_path):
    speck = np.full((200, 200, 3), 255, np.uint8)
    speck[90:110, 90:110] = 0
    noise = np.random.default_rng(0).integers(100, 103, (50, 50, 3), np.uint8)
    wanted = {
        "plain": (encode(plain(RED, 40, 40)), "blank"),
        "noise": (encode(noise), "blank"),
        "speck": (encode(speck), ""),
        "tiny": (encode(photograph(15, 40)), "tiny"),
        "small": (encode(photograph(16, 40)), ""),
        "wide": (encode(photograph(201, 20)), "extreme aspect ratio"),
        "narrow": (encode(photograph(5, 200)), "tiny, extreme aspect ratio"),
        "padded": (encode(plain(RED, 40, 20)), "blank"),  # the gray around is not part of it
    }
    files = [tmp_path / "files" / name for name in wanted]
    for file, (content, _) in zip(files, wanted.values(), strict=True):
        file.write_bytes(content)
    with ImageStore(HOW, "raw") as images:
        assert images.add(files, 1)["remark"].tolist() == [remark for _, remark in wanted.values()]


def test_lines_in_a_log(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "LOG_INTERVAL", 0)
    with ImageStore(HOW, "raw") as images:
        images.add(write(tmp_path / "files", 20), 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("reading: 20 of 20, ")
    assert lines[1].startswith("decoding: 16 of 20, ")
    assert lines[2].endswith(" images/s, 0:00:00 left")
