"""What a person says about labels on the report page, in a real browser."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src import artifacts, corrections
from src.data.corrections import COLUMNS, read_corrections
from src.data.dataset import Dataset, Split, load_dataset, save_dataset
from src.evaluation.predictions import Predictions
from src.report import page
from src.report.comparison import compare
from src.report.run import Run
from tests.conftest import ROOT
from tests.report.runs import make_run, names, photographs

WORDS = {"wrong": "✗ Wrong label", "unusable": "∅ Not usable", "fine": "✓ Fine"}


@pytest.fixture(scope="module")
def report(pair):
    return page.render(pair[0])


def say(root, verdict: str) -> None:
    root.get_by_role("button", name=WORDS[verdict], exact=True).click()


def said(root) -> list[str]:
    """The buttons that are pressed."""
    return root.locator("[aria-pressed=true]").all_inner_texts()


def doubts(shown, split: str = "test"):
    return shown.locator(f"#doubts-{split} .doubt")


def downloaded(shown, folder: Path) -> Path:
    with shown.expect_download() as download:
        shown.get_by_role("button", name="Download corrections.csv").click()
    assert download.value.suggested_filename == "corrections.csv"
    path = folder / "downloaded" / "corrections.csv"
    download.value.save_as(path)
    return path


def count(shown) -> str:
    return shown.locator("#marks-count").inner_text() if shown.locator("#marks-bar").is_visible() else ""


def pixels(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def test_three_images(visit, pair, report, tmp_path):
    run = pair[0]
    predictions, issues = run.predictions, run.label_issues
    shown = visit(report)
    assert count(shown) == ""
    first, second = doubts(shown).nth(0), doubts(shown).nth(1)
    label, suggested = issues["label"][0], issues["suggested"][0]
    assert first.inner_text().startswith(f"labeled {label}")
    assert f"perhaps {suggested}" in first.inner_text()
    say(first, "wrong")
    select = first.get_by_label("It shows:")
    assert select.locator("option:checked").inner_text() == suggested
    assert label not in select.locator("option").all_inner_texts()
    right = next(name for name in predictions.classes if name not in (label, suggested))
    select.select_option(label=right)
    say(second, "unusable")
    # The third in the gallery.
    shown.locator("#more").click()
    card = shown.locator(".card:has(.issue[hidden])").first
    index = int(card.get_attribute("data-index"))
    card.click()
    say(shown.locator("#detail"), "fine")
    shown.keyboard.press("Escape")
    assert card.locator(".mark").inner_text() == "✎ fine"
    assert card.get_attribute("aria-label").endswith("✎ fine")
    assert count(shown) == "3 images marked"

    path = downloaded(shown, tmp_path)
    assert path.read_bytes().startswith(b"split,index,file,sha256,label,verdict,class\n")
    expected = {
        issues["index"][0]: (label, "wrong", right),
        issues["index"][1]: (issues["label"][1], "unusable", ""),
        index: (predictions.classes[predictions.actual[index]], "fine", ""),
    }
    assert len(expected) == 3
    rows = [
        ("test", str(index), "", pixels(run.images[index]), *expected[index]) for index in sorted(expected)
    ]
    assert path.read_text(encoding="utf-8") == "".join(f"{','.join(row)}\n" for row in (COLUMNS, *rows))


def test_marks_stay_until_they_are_cleared(visit, report):
    shown = visit(report)
    say(doubts(shown).nth(0), "fine")
    say(doubts(shown).nth(1), "wrong")
    chosen = doubts(shown).nth(1).locator("option").last.inner_text()
    doubts(shown).nth(1).locator("select").select_option(label=chosen)
    say(doubts(shown).nth(2), "fine")
    say(doubts(shown).nth(2), "fine")  # taken back
    other = shown.context.new_page()
    other.goto(shown.url)
    shown.reload()
    for again in (shown, other):
        assert count(again) == "2 images marked"
        assert [said(doubts(again).nth(row)) for row in range(3)] == [[WORDS["fine"]], [WORDS["wrong"]], []]
        assert doubts(again).nth(1).locator("option:checked").inner_text() == chosen

    asked = []
    shown.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    shown.locator("#clear-marks").click()
    assert asked == ["Clear all 2 marks? This cannot be undone."]
    assert count(shown) == "2 images marked"
    shown.once("dialog", lambda dialog: dialog.accept())
    shown.locator("#clear-marks").click()
    assert count(shown) == ""
    assert said(doubts(shown).nth(0)) == []
    other.wait_for_function("document.getElementById('marks-bar').hidden")  # the other window knows
    shown.reload()
    assert count(shown) == ""


@pytest.mark.parametrize("what", ["getItem", "setItem"])
def test_a_browser_that_keeps_nothing(visit, report, chromium, tmp_path, what):
    shown = visit(report)
    shown.add_init_script(f"Storage.prototype.{what} = () => {{ throw new DOMException('no') }};")
    shown.reload()
    say(doubts(shown).nth(0), "fine")
    assert count(shown) == "1 image marked"
    assert "does not keep the marks" in shown.locator("#marks-bar").inner_text()
    assert len(read_corrections(downloaded(shown, tmp_path))) == 1


def test_what_another_program_left_in_its_place(visit, report):
    shown = visit(report)
    shown.evaluate("localStorage.setItem(data.marksKey, '{\"not\": [')")
    shown.reload()
    assert count(shown) == ""
    say(doubts(shown).nth(0), "fine")
    assert count(shown) == "1 image marked"


def test_by_keyboard(visit, report):
    shown = visit(report)
    shown.locator(".card").first.click()
    detail = shown.locator("#detail")
    for key, verdict in (("w", "wrong"), ("u", "unusable"), ("F", "fine")):
        shown.keyboard.press(key)
        assert said(detail) == [WORDS[verdict]]
    shown.keyboard.press("f")
    assert said(detail) == []
    shown.keyboard.press("Control+u")
    assert said(detail) == []
    shown.keyboard.press("w")
    # In the list of classes letters look for a class.
    detail.get_by_label("It shows:").focus()
    shown.keyboard.press("f")
    assert said(detail) == [WORDS["wrong"]]
    assert detail.locator("option:checked").inner_text() == "frog"
    shown.locator("#next").focus()
    shown.keyboard.press("ArrowRight")
    assert said(detail) == []
    shown.keyboard.press("ArrowLeft")
    assert said(detail) == [WORDS["wrong"]]


ODD_FILES = ['=1+2, "three".jpg', "two\nlines,\r\n.jpg", " spaces .jpg", "Süß 🐈/<b>&amp;.jpg", "plain.jpg"]


def test_file_names_come_back_as_they_are(visit, tmp_path):
    classes = ('a, "b"', "=c\nd", " e ")
    files = [f"{row}{ODD_FILES[row % 5]}" if row > 4 else ODD_FILES[row] for row in range(30)]
    run = photographs("own", 0, 30, classes, 16, files)
    table = pd.DataFrame({"index": [12, 5], "file": ["=x.jpg", "y\n.jpg"], "score": [0.1, 0.2]})
    for name in ("label", "suggested"):
        kind = pd.CategoricalDtype(list(classes))
        table[name] = pd.Series(classes[:2] if name == "label" else classes[1:], dtype=kind)
    trained = np.array([f"{row:064x}" for row in range(20)], object)
    run = dataclasses.replace(
        run,
        train_label_issues=table,
        train_issue_images=np.asarray(run.images[:2]),
        contents=run.contents | {"train": trained},
        predictions=dataclasses.replace(run.predictions, predicted=(run.predictions.actual + 1) % 3),
    )
    shown = visit(page.render(run))
    for doubt in doubts(shown, "train").all():
        say(doubt, "wrong")
    shown.locator("#more").click()
    for card in shown.locator(".card").all():
        card.click()
        shown.keyboard.press("w")
        shown.keyboard.press("Escape")
    path = downloaded(shown, tmp_path)
    rows = read_corrections(path)
    cards = sorted(int(card.get_attribute("data-index")) for card in shown.locator(".card").all())
    assert rows["split"].tolist() == ["train"] * 2 + ["test"] * len(cards)
    assert rows["index"].astype(int).tolist() == [5, 12, *cards]
    assert rows["file"].tolist() == ["y\n.jpg", "=x.jpg", *(files[index] for index in cards)]
    assert set(ODD_FILES) <= set(rows["file"])
    assert rows["sha256"].tolist() == [trained[5], trained[12], *run.contents["test"][cards]]
    actual = run.predictions.actual[cards]
    assert rows["label"].tolist() == [classes[1], classes[0], *(classes[c] for c in actual)]
    assert rows["class"].tolist() == [classes[2], classes[1], *(classes[(c + 1) % 3] for c in actual)]
    assert not path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_thousand_classes(visit, tmp_path):
    files = [f"{row}.jpg" for row in range(2_000)]
    run = photographs("thousand", 0, 2_000, names(1000), 32, files)
    shown = visit(page.render(run), chart="#chart-classes")
    assert shown.locator(".verdicts option").count() == 0  # only where they are needed
    shown.locator(".card").first.click()
    shown.keyboard.press("w")
    index = int(shown.locator(".card").first.get_attribute("data-index"))
    detail, predictions = shown.locator("#detail"), run.predictions
    likely = detail.locator("optgroup[label=Likely] option").all_inner_texts()
    assert likely[0] == predictions.classes[predictions.predicted[index]]
    assert 8 < len(likely) < 13
    every = detail.locator("optgroup[label='All classes'] option").all_inner_texts()
    label = predictions.classes[predictions.actual[index]]
    assert every == [name for name in predictions.classes if name != label]
    detail.locator("select").select_option(label=every[-1])
    assert read_corrections_in(shown, tmp_path)["class"].tolist() == [every[-1]]


def read_corrections_in(shown, folder: Path) -> pd.DataFrame:
    shown.keyboard.press("Escape")
    return read_corrections(downloaded(shown, folder))


def test_a_run_without_an_account_of_its_files(visit, pair):
    files = [f"{row}.jpg" for row in range(2000)]
    predictions = dataclasses.replace(pair[0].predictions, files=np.array(files, object))
    shown = visit(page.render(dataclasses.replace(pair[0], predictions=predictions)))
    assert doubts(shown).count() == 12
    assert "an older version" in shown.locator("#labels").inner_text()
    assert shown.locator(".verdicts").count() == 0
    shown.locator(".card").first.click()
    shown.keyboard.press("w")
    assert shown.locator(".mark:visible").count() == 0


def test_a_comparison_takes_no_marks(visit, pair):
    shown = visit(page.render(compare(*pair)))
    assert shown.locator("#labels, .verdicts, #marks-bar").count() == 0
    shown.locator(".card").first.click()
    shown.keyboard.press("w")
    assert shown.locator("#detail").is_visible()
    assert "W for" not in shown.locator("#detail").inner_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_there_is_room(visit, report, width):
    shown = visit(report, viewport={"width": width, "height": 740})
    say(doubts(shown).nth(0), "wrong")
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    for part in ("#marks-bar button", "#doubts-test .choice", "#doubts-test select"):
        for box in (found.bounding_box() for found in shown.locator(part).all() if found.is_visible()):
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    # The bar hides nothing for good.
    shown.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    shown.wait_for_function("window.scrollY + innerHeight >= document.documentElement.scrollHeight - 1")
    end, bar = shown.locator("footer").bounding_box(), shown.locator("#marks-bar").bounding_box()
    assert end["y"] + end["height"] <= bar["y"]


@pytest.mark.parametrize(
    ("score", "conflict", "words"),
    [
        (0.0187, 0, "The model gives this label a chance of 1.9%."),
        (0.0004, 0, "The model gives this label a chance of less than 0.1%."),
        (0.9, 1, "The same picture is labeled dog elsewhere."),
    ],
)
def test_why_a_label_is_worth_checking(visit, report, score, conflict, words):
    shown = visit(report)
    said = f"whyDoubted({{score: {score}, conflict: {conflict}, suggested: classes.indexOf('dog')}})"
    assert shown.evaluate(said) == words


@pytest.mark.parametrize(
    ("asked", "words"), [(True, "None of the training labels"), (False, "were not checked"), (None, "")]
)
def test_what_is_said_without_training_labels(visit, pair, asked, words):
    params = pair[0].params | ({} if asked is None else {"label_issues": asked})
    text = visit(page.render(dataclasses.replace(pair[0], params=params))).locator("#labels").inner_text()
    assert ("raining labels" in text) == bool(words)
    assert words in text


def test_more_of_a_list(visit, report, pair):
    shown = visit(report)
    total = len(pair[0].label_issues)
    assert 12 < total < 72
    assert f"Test labels: {total}" in shown.locator("#labels").inner_text()
    assert doubts(shown).count() == 12
    shown.locator("#more-test").click()
    assert doubts(shown).count() == total
    assert not shown.locator("#more-test").is_visible()


def test_the_file_is_applied(visit, tmp_path, monkeypatch):
    """From the page to data/corrections.csv."""
    monkeypatch.chdir(tmp_path)
    sample = load_dataset(ROOT / artifacts.SAMPLE)
    test = sample.test.take(np.arange(0, len(sample.test), 5))
    small = Dataset(
        "sample", "", sample.classes, sample.train.take(np.arange(50)), Split(test.images, test.labels)
    )
    save_dataset(small, artifacts.DATASET)
    artifacts.write_text(artifacts.CORRECTIONS, f"{','.join(COLUMNS)}\n")
    run = always_cat(small)
    shown = visit(page.render(run))
    shown.locator(".card").first.click()
    shown.keyboard.press("w")
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("u")
    shown.keyboard.press("Escape")
    corrections.main(["apply", str(downloaded(shown, tmp_path))])
    rows = read_corrections()
    assert sorted(rows["verdict"]) == ["unusable", "wrong"]
    for row in rows.to_dict("records"):
        position = int(row["index"])
        assert row["sha256"] == pixels(np.asarray(small.test.images[position]))
        assert row["label"] == small.classes[small.test.labels[position]]
        assert row["class"] == ("cat" if row["verdict"] == "wrong" else "")


def always_cat(dataset: Dataset) -> Run:
    count = len(dataset.test)
    probabilities = np.full((count, len(dataset.classes)), 0.05)
    probabilities[:, dataset.classes.index("cat")] = 0.55
    predictions = Predictions.from_probabilities(dataset.test.labels, probabilities, dataset.classes)
    return make_run("cats", predictions, images=dataset.test.images)
