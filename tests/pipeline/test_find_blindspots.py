"""The stage `find_blindspots`, in this process: what it makes of files, and what it does without them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from src import artifacts
from src.blindspots.rules import Rule
from src.blindspots.words import Words
from src.data.dataset import Dataset, load_dataset
from stages import find_blindspots
from tests.project import call


@pytest.fixture
def evaluated(run):
    """A run with heatmaps that nobody computed."""
    maps = np.random.default_rng(0).integers(0, 256, (100, 4, 4)).astype(np.uint8)
    artifacts.write_array(artifacts.HEATMAPS, maps)
    return run


def add_files(dataset: Dataset, **columns) -> None:
    """Files for all images, wide ones, with columns of the user's."""
    tables = []
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        count = len(split)
        table = pd.DataFrame(
            {"part": part, "index": range(count), "width": 64, "height": 32}, index=range(count)
        )
        tables.append(table.assign(**{f"metadata.{name}": of(count) for name, of in columns.items()}))
    pd.concat(tables).to_csv(artifacts.DATASET / "files.csv", index=False)


def test_words_for_every_image(evaluated):
    call("find_blindspots")
    table = pd.read_csv(artifacts.ATTRIBUTES)
    assert table["index"].tolist() == list(range(100))
    assert {"brightness", "focus x", "background color"} <= set(table)
    assert "aspect" not in table
    assert artifacts.BLINDSPOT_GALLERY.exists()


def test_what_the_users_table_says(evaluated, tiny):
    add_files(tiny, weather=lambda count: np.where(np.arange(count) % 2, "rain\n", "sun"), age=np.arange)
    call("find_blindspots")
    table = pd.read_csv(artifacts.ATTRIBUTES)
    assert table["weather"].tolist() == ["sun", "rain"] * 50
    assert table["age"].nunique() > 2  # a number, cut into words
    assert set(table["aspect"]) == {"wide"}


def test_training_images_like_these(evaluated, tiny):
    add_files(tiny, weather=lambda count: np.where(np.arange(count) < 30, "rain", "sun"))
    dataset = load_dataset()
    numbers, own = find_blindspots.describe(dataset, "test", np.full((100, 4, 4), 255, np.uint8))
    words = Words.fit(numbers, own)
    first = int(dataset.train.labels[:30][0])
    rules = [
        Rule((("weather", "rain"),), None),
        Rule((("weather", "rain"),), dataset.classes[first]),
        Rule((("brightness", "|".join(words.measured["brightness"].words)),), None),
    ]
    findings = SimpleNamespace(spots=[SimpleNamespace(rule=rule) for rule in rules])
    counts = find_blindspots.count_training_images(findings, words, numbers, dataset)
    assert counts == [30, int((dataset.train.labels[:30] == first).sum()), 200]
    nothing = SimpleNamespace(spots=[])
    assert find_blindspots.count_training_images(nothing, words, numbers, dataset) == []


@pytest.mark.parametrize("path", [artifacts.EMBEDDINGS, artifacts.HEATMAPS])
def test_a_missing_file_is_one_line(evaluated, capsys, path):
    path.unlink()
    with pytest.raises(SystemExit):
        call("find_blindspots")
    assert capsys.readouterr().err == f"find_blindspots: {path}: missing; run `dvc repro` to restore it\n"
