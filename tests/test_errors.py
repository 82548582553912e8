import errno

import pytest

from src.errors import InputError, run_stage


def ending(error: BaseException) -> str:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        run_stage("train", main)
    return end.value.code


def test_a_users_mistake_ends_in_its_line():
    assert ending(InputError("epochs: missing")) == "train: epochs: missing"
    assert ending(InputError("one\ntwo")) == "train: one\ntrain: two"


def test_what_the_system_refuses_ends_in_its_words():
    full = OSError(errno.ENOSPC, "No space left on device", "data/model.pt")
    assert ending(full) == "train: data/model.pt: No space left on device"


def test_ctrl_c():
    assert ending(KeyboardInterrupt()) == "train: interrupted"


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_stage("train", lambda: 1 / 0)
