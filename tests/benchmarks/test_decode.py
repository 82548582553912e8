"""The figures of decoding from times that are made up, and that all loops give the same picture."""

from collections.abc import Callable

import numpy as np

from benchmarks import decode


def test_decoding_beside_plain_loops(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    # Ours, Pillow's and torchvision's in turn; the best of each counts.
    times, seconds = iter([1.0, 4, 2, 0.5, 2, 8]), decode.seconds

    def scripted(loop: Callable[[bytes], object], contents: list[bytes]) -> float:
        assert seconds(loop, contents) >= 0
        return next(times)

    monkeypatch.setattr(decode, "seconds", scripted)
    figures = decode.measure(images=4, rounds=2)
    assert 60 < figures["file_kB"] < 100
    assert figures["ours_images_per_s_a_core"] == 8
    assert (figures["ours_over_pillow"], figures["ours_over_torchvision"]) == (4, 4)
    assert figures["store_images_per_s"] > 0
    assert list(tmp_path.iterdir()) == []


def test_the_loops_give_the_same_picture():
    content = decode.photograph(0)
    ours = decode.read_image(content, decode.HOW)[28:196].astype(int)
    np.testing.assert_array_equal(ours, decode.with_pillow(content))
    assert np.abs(ours - decode.with_torchvision(content).permute(1, 2, 0).numpy()).mean() < 1
