import pytest

from src.progress import TrainingProgress, time


@pytest.fixture
def clock(monkeypatch):
    """Ten seconds a batch."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_lines_in_a_log(clock, capsys):
    progress = TrainingProgress(epochs=2, steps=8)
    for _ in progress.track(1, [([], [0] * 5)] * 8, lambda: "loss 1.0"):
        clock[0] += 10
    progress.end_epoch(1, "loss 0.9")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "epoch 1/2, batch 3/8: loss 1.0, 0 images/s, 0:02:10 left",
        "epoch 1/2, batch 6/8: loss 1.0, 0 images/s, 0:01:40 left",
        "epoch 1/2: loss 0.9, 0 images/s, 0:01:20 left",
    ]


def test_images_a_second(clock):
    progress = TrainingProgress(epochs=1, steps=4)
    for _ in progress.track(1, [([], [0] * 50)] * 4, str):
        clock[0] += 10
    assert progress.rate == 5


def test_the_time_left_after_a_restart_is_that_of_the_epochs_to_come(clock):
    progress = TrainingProgress(epochs=5, steps=4, epochs_done=3)
    for _ in progress.track(4, [([], [0] * 5)] * 4, str):
        clock[0] += 10
    assert progress.time_left() == "0:00:40"
