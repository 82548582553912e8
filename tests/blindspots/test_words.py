import numpy as np
import pandas as pd
import pytest

from src.blindspots.colors import COLORS, names_of
from src.blindspots.rules import Rule
from src.blindspots.words import MARKED, PHRASES, Words, gaps, levels


def test_shares_of_the_images_where_there_is_no_gap():
    numbers = pd.DataFrame({"brightness": np.random.default_rng(0).normal(0.5, 0.1, 2000)})
    found = Words.fit(numbers).of(numbers).brightness
    assert found.cat.ordered
    assert found[numbers.brightness.argmin()] == "very dark"
    shares = found.value_counts(normalize=True)
    assert shares["very dark"] == pytest.approx(0.05, abs=0.001)
    assert shares[["very dark", "dark"]].sum() == pytest.approx(0.15, abs=0.001)
    assert shares[["very dark", "dark", "rather dark"]].sum() == pytest.approx(1 / 3, abs=0.001)


def test_groups_with_gaps_between_them_have_a_word_each():
    generator = np.random.default_rng(1)
    group = generator.integers(3, size=1500)
    numbers = pd.DataFrame(
        {"object size": np.array([0.05, 0.2, 0.3])[group] + generator.normal(0, 0.01, 1500)}
    )
    found = Words.fit(numbers).of(numbers)["object size"]
    assert (found == np.array(["small", "medium-sized", "large"])[group]).all()
    assert len(gaps(generator.normal(size=1000))) == 0
    assert gaps(np.zeros(10)) == []


def test_places_are_said_in_an_absolute_sense():
    numbers = pd.DataFrame({"focus x": np.linspace(0.3, 0.55, 200)})
    found = Words.fit(numbers).of(numbers)["focus x"]
    assert (found == np.where(numbers["focus x"] <= 0.4, "left", "center")).all()


def test_words_of_other_images_have_the_same_limits():
    numbers = pd.DataFrame({"brightness": np.linspace(0, 1, 101), "background color": np.zeros(101)})
    words = Words.fit(numbers)
    other = pd.DataFrame({"brightness": [0.01, np.nan, 0.5, 2], "background color": [3.0, np.nan, 0, 11]})
    found = words.of(other)
    assert found.brightness.astype(object).where(found.brightness.notna(), None).tolist() == [
        "very dark",
        None,
        "half-bright",
        "very bright",
    ]
    assert found["background color"].tolist()[::2] == ["red", "black"]
    assert found["background color"].isna().tolist() == [False, True, False, False]


def test_marks_are_words_only_where_there_are_some():
    numbers = pd.DataFrame({"top-left corner": [0.0, 1, 0], "top-right corner": [0.0, 0, 0]})
    found = Words.fit(numbers).of(numbers)
    assert list(found) == ["top-left corner"]
    assert found["top-left corner"][1] == MARKED


def test_columns_of_the_user():
    count = 60
    metadata = pd.DataFrame(
        {
            "weather": ["rain", "sun", None] * 20,
            "scanner": [3.0, 4.0] * 30,
            "age": np.arange(count),
            "file": [f"{number}.png" for number in range(count)],  # too many values
            "constant": ["a"] * count,
            "brightness": ["dim", "b|c"] * 30,
            "flag": [True, False] * 30,
        }
    )
    numbers = pd.DataFrame({"brightness": np.linspace(0, 1, count)})
    words = Words.fit(numbers, metadata)
    found = words.of(numbers, metadata)
    assert list(found) == ["brightness", "weather", "scanner", "age", "brightness (yours)", "flag"]
    assert found.weather.isna().sum() == 20
    assert found.scanner.tolist()[:2] == ["3", "4"]
    assert found.age[0] == "very low"
    assert found.age[count - 1] == "very high"
    assert found["brightness (yours)"].tolist()[:2] == ["dim", "b/c"]
    assert found.flag.tolist()[:2] == ["True", "False"]
    # Others that have words unknown here have none.
    later = words.of(numbers, metadata.assign(weather="hail"))
    assert later.weather.isna().all()


def test_sentences():
    rule = Rule((("brightness", "very dark|dark"), ("background color", "green"), ("focus x", "left")), "dog")
    assert rule.sentence() == (
        "dog: the picture is dark or very dark, the background is green and the model looks at the left"
    )
    assert Rule((("weather", "rain"),), None).sentence() == "any class: weather is rain"
    at_least = Rule((("sharpness", "very blurred|blurred|rather blurred"),), "index")
    assert at_least.sentence() == "index: the picture is at least rather blurred"
    either = Rule((("object size", "small|medium-sized"),), "n02085620 Chihuahua")
    assert either.sentence() == "n02085620 Chihuahua: what stands out is small or medium-sized"
    mark = Rule((("top-left corner", MARKED),), "cat")
    assert mark.sentence() == "cat: the same mark as in other pictures is in the top-left corner"
    assert all(phrase.count("{}") == 1 for phrase in PHRASES.values())


def test_every_number_of_groups_has_distinct_words():
    for count in (2, 3, 4, 5, 7):
        assert len(set(levels("low", "medium", "high", count))) == count


@pytest.mark.parametrize(
    ("color", "name"),
    [
        ((0, 0, 0), "black"),
        ((128, 128, 128), "gray"),
        ((250, 250, 250), "white"),
        ((220, 20, 20), "red"),
        ((255, 150, 0), "orange"),
        ((120, 70, 20), "brown"),
        ((240, 230, 30), "yellow"),
        ((30, 160, 40), "green"),
        ((0, 220, 230), "cyan"),
        ((30, 60, 220), "blue"),
        ((130, 30, 200), "purple"),
        ((250, 80, 200), "pink"),
        ((255, 180, 190), "pink"),
    ],
)
def test_names_of_colors(color, name):
    assert COLORS[int(names_of(np.array(color, np.uint8)))] == name
