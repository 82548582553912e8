from subprocess import CalledProcessError

import pytest

from src.errors import InputError, LibraryError, border, reason_of, suggest


def test_a_misspelled_word_gets_a_hint():
    assert suggest("resnet81", ["fast", "resnet18"]) == "did you mean 'resnet18'? (known: fast, resnet18)"


def test_a_strange_word_gets_no_hint():
    assert suggest("transformer", ["resnet18", "resnet34"]) == "(known: resnet18, resnet34)"


def test_a_value_that_is_no_word_gets_no_hint():
    assert suggest(3, iter(["fast"])) == "(known: fast)"


def test_a_library_that_fails_ends_in_one_line():
    line = r"^git failed: ValueError: first line second line; try again$"
    with pytest.raises(LibraryError, match=line), border("git", "try again"):
        raise ValueError("first line\nsecond line")


def test_what_is_known_gets_through_a_border():
    for error in (InputError("epochs: missing"), LibraryError("git failed"), KeyboardInterrupt()):
        with pytest.raises(type(error), match=f"^{error}$"), border("DVC"):
            raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("a word"), "KeyError: a word"),
        (KeyError(), "KeyError"),
        (OSError(28, "No space left on device", "file"), "file: No space left on device"),
        (OSError("words"), "OSError: words"),
        (ValueError("x" * 5000), "ValueError: …"),
        (CalledProcessError(1, "git", stderr="fatal: no\n"), "CalledProcessError: fatal: no"),
        (
            CalledProcessError(
                128, "git", stderr="fatal: detected dubious ownership in repository at '/a'\n"
            ),
            "CalledProcessError: fatal: detected dubious ownership in repository at '/a'; it belongs to "
            'another user; if you trust it, run `git config --global --add safe.directory "/a"`',
        ),
        (
            ValueError("/b/.git/: repository path '/a b/.git/' is not owned by current user"),
            "ValueError: /b/.git/: repository path '/a b/.git/' is not owned by current user; it belongs to "
            'another user; if you trust it, run `git config --global --add safe.directory "/a b"`',
        ),
    ],
)
def test_a_reason_is_one_line_with_a_remedy(error, reason):
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    "words",
    [
        "getpwuid(): uid not found: 12345",
        "could not determine the home directory for '~/.config', set an absolute HOME",
        "Could not determine home directory.",
    ],
)
def test_a_user_without_an_entry_is_told_what_to_set(words):
    assert "set USER, to any name, and HOME" in reason_of(RuntimeError(words))
