"""Cells are text; what they mean is decided column by column, the same way for training and test images."""

import pandas as pd

from src.blindspots.own_columns import own_columns


def table(**columns: list[str]) -> pd.DataFrame:
    size = len(next(iter(columns.values()), ["", ""]))
    return pd.DataFrame(
        {"file": [""] * size} | {f"metadata.{name}": cells for name, cells in columns.items()}
    )


def test_numbers_and_text():
    test = table(weight=["1", " 2.5", ""], weather=["rain", "", "NA"])
    own = own_columns(test, table(weight=["3"], weather=["sun"]))
    assert own is not None
    assert list(own) == ["weight", "weather"]
    assert own["weight"].tolist()[:2] == [1.0, 2.5]
    assert own["weight"].isna().tolist() == [False, False, True]
    assert own["weather"].fillna("?").tolist() == ["rain", "?", "NA"]


def test_a_word_in_the_other_part_makes_it_text():
    own = own_columns(table(site=["1", "2"]), table(site=["3", "harbor"]))
    assert own is not None
    assert own["site"].tolist() == ["1", "2"]


def test_an_empty_column_is_text_without_words():
    own = own_columns(table(note=["", " "]), table(note=[""]))
    assert own is not None
    assert own["note"].isna().all()


def test_a_table_without_columns_of_ones_own():
    assert own_columns(table(), table()) is None
