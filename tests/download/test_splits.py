import hashlib

import numpy as np
import pandas as pd
import pytest

from src.download.splits import assign_parts, check_left, leaks
from src.errors import InputError


def listed(labels, splits=None, groups=None, contents=None):
    count = len(labels)
    contents = range(count) if contents is None else contents
    return pd.DataFrame(
        {
            "label": list(labels),
            "split": splits or [""] * count,
            "group": groups or [""] * count,
            "content": [hashlib.sha256(str(content).encode()).hexdigest() for content in contents],
        },
        dtype=object,
    )


def assign(files, cluster=None, blank=None, classes=None, share=0.2):
    count = len(files)
    cluster = np.arange(count) if cluster is None else np.array(cluster)
    blank = np.zeros(count, bool) if blank is None else np.array(blank)
    return assign_parts(files, cluster, blank, classes or tuple(sorted(set(files["label"]))), share)


def test_about_the_share_of_each_large_class_is_tested():
    files = listed(["a"] * 5_000 + ["b"] * 1_000)
    parts = assign(files)
    shares = pd.Series(parts.part == "test").groupby(files["label"]).mean()
    assert shares.between(0.17, 0.23).all()
    assert parts.notes == []


def test_adding_and_removing_files_moves_none():
    files = listed(["a", "b", "c"] * 400)
    before = assign(files).part
    fewer = np.random.default_rng(0).permutation(len(files))[:700]
    np.testing.assert_array_equal(assign(files.iloc[fewer].reset_index(drop=True)).part, before[fewer])


def test_a_group_stays_on_one_side_whatever_its_classes():
    groups = [f"patient {n % 50}" for n in range(1_000)]
    files = listed([f"{n * 7 % 3}" for n in range(1_000)], groups=groups)
    parts = assign(files)
    assert pd.Series(parts.part).groupby(files["group"]).nunique().max() == 1
    assert set(parts.part) == {"train", "test"}
    assert len(set(parts.unit)) == 50


def test_duplicates_stay_on_one_side_also_by_way_of_groups():
    count = 300
    cluster = np.arange(count)
    cluster[1::3] = cluster[::3]  # each third image equals the one before
    groups = ["", "g", "g"] * 100
    groups = [
        group and f"{group}{n // 3}" for n, group in enumerate(groups)
    ]  # which is grouped with the next
    parts = assign(listed(["a", "b", "a"] * 100, groups=groups), cluster)
    assert (parts.unit.reshape(-1, 3) == parts.unit[::3, None]).all()
    assert (parts.part.reshape(-1, 3) == parts.part[::3, None]).all()
    assert len(set(parts.unit)) == 100


def test_blank_pictures_do_not_tie_groups_together():
    files = listed(["a", "b"] * 20, groups=[f"g{n // 4}" for n in range(40)])
    cluster, blank = np.arange(40), np.arange(40) % 4 == 0
    cluster[blank] = 0
    assert len(set(assign(files, cluster, blank).unit)) == 10


def test_a_cluster_of_many_is_no_more_likely_to_be_tested():
    cluster = np.arange(4_000) // 4 * 4
    parts = assign(listed(["a", "b", "a", "b"] * 1_000), cluster)
    assert 0.16 < (parts.part == "test").mean() < 0.24


def test_every_class_is_in_each_part_however_small():
    for seed in range(30):
        files = listed("aabbccddee", contents=[f"{seed}-{n}" for n in range(10)])
        parts = assign(files)
        table = pd.crosstab(files["label"], parts.part)
        assert (table == 1).all(axis=None)
        assert any("so few images" in note for note in parts.notes)


def test_the_users_parts_are_kept():
    splits = ["train", "val", "test", "train"] * 5
    parts = assign(listed(["a", "b"] * 10, ["train", "train", "test", "test"] * 4 + splits[:4]))
    assert parts.part.tolist() == ["train", "train", "test", "test"] * 4 + splits[:4]


def test_the_users_validation_folder_stays_when_a_test_part_is_made():
    splits = ["train"] * 80 + ["val"] * 20
    parts = assign(listed(["a", "b"] * 50, splits))
    assert (parts.part[80:] == "val").all()
    assert set(parts.part[:80]) == {"train", "test"}


def test_rows_without_a_part_are_trained_on_where_a_test_part_is_given():
    parts = assign(listed("abab", ["test", "test", "", ""]))
    assert parts.part.tolist() == ["test", "test", "train", "train"]
    assert parts.notes == ["2 images without a given part: used for training"]


def test_only_rows_without_a_part_are_set_aside():
    splits = ["train"] * 100 + [""] * 100
    parts = assign(listed(["a", "b"] * 100, splits))
    assert (parts.part[:100] == "train").all()
    assert (parts.part[100:] == "test").any()


def test_a_class_in_one_group_is_not_tested_and_that_is_said():
    parts = assign(listed("aaaabbb", groups=["", "", "", "", "g", "g", "g"]))
    assert (parts.part[4:] == "train").all()
    [note] = [note for note in parts.notes if "b" in note.partition(":")[2]]
    assert "without a test image" in note
    assert "one group" in note


def test_a_class_missing_in_the_given_test_part_is_said():
    notes = assign(listed("aab", ["train", "test", "train"])).notes
    assert notes == [
        "1 class without a test image, so not tested: b (all of it is one group, or duplicates)"
    ] or ("1 class without a test image" in notes[0])


def test_groups_that_span_the_given_parts_are_said():
    notes = assign(listed("abab", ["train", "train", "test", "test"], ["g", "", "g", ""])).notes
    assert notes == ["1 group in several of the given parts: g"]


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (listed("aaa"), "there is only one class, 'a'"),
        (listed("aab"), "1 class with a single image: b; each class needs one to train on and one to test"),
        (listed("aab", ["train", "test", "test"]), "1 class without an image to train on, only for test: b"),
        (listed("aab", ["train", "test", "val"]), "without an image to train on, only for validation: b"),
        (listed("aabb", groups=["x", "x", "y", "y"]), "no test part can be set aside"),
    ],
)
def test_what_cannot_be_split_is_one_line(files, line):
    with pytest.raises(InputError, match=line) as error:
        assign(files)
    assert "\n" not in str(error.value)


def test_pictures_in_two_parts_are_left_out_of_training_then_of_validation():
    part = np.array(["train", "test", "train", "val", "val", "test", "train", "train"], object)
    cluster = np.array([0, 0, 2, 2, 4, 4, 6, 6])
    assert leaks(part, cluster).tolist() == [True, False, True, False, True, False, False, False]


def test_a_class_of_which_nothing_is_left_to_train_on_is_one_line():
    with pytest.raises(InputError, match="1 class without an image to train on, only for test: b"):
        check_left(np.array(["train", "test"], object), pd.Series(["a", "b"]), ("a", "b"))
