import pytest

from src import progress


@pytest.fixture
def clock(monkeypatch):
    """Ten seconds a batch."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_in_a_log(clock, capsys):
    shown = progress.TrainingProgress(epochs=2, steps=8)
    for _ in shown.track(1, [([], [0] * 5)] * 8, lambda: "loss 1.0"):
        clock[0] += 10
    shown.end_epoch(1, "loss 0.9")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "epoch 1/2, batch 3/8: loss 1.0, 0 images/s, 0:02:10 left",
        "epoch 1/2, batch 6/8: loss 1.0, 0 images/s, 0:01:40 left",
        "epoch 1/2: loss 0.9, 0 images/s, 0:01:20 left",
    ]


def test_images_a_second(clock):
    shown = progress.TrainingProgress(epochs=1, steps=4)
    for _ in shown.track(1, [([], [0] * 50)] * 4, str):
        clock[0] += 10
    assert shown.rate == 5
