"""Picks mistakes and shows them."""

import pandas as pd

from src import artifacts, figures, schema
from src.command import run_main
from src.data.dataset import load_dataset
from src.evaluation.mistakes import choose_mistakes
from src.evaluation.predictions import read_predictions
from src.params import load_params

COLUMNS = 5  # pictures in a row of the gallery
CHOICE = {
    "confident": "the {} most confidently wrong",
    "index": "the first {}",
    "random": "{} at random",
}


def main() -> None:
    params = load_params()
    config = params.misclassified
    dataset = load_dataset()
    predictions = read_predictions(dataset.classes, len(dataset.test))
    label_issues = schema.read_table(schema.LABEL_ISSUES, dataset.classes)
    chosen = choose_mistakes(predictions, config.count, config.order, params.seed)
    table = predictions.frame().iloc[chosen]
    table = table.assign(
        actual_probability=predictions.actual_probability[chosen],
        label_issue=table["index"].isin(label_issues["index"]),
    )
    ranks = {index: rank for rank, index in enumerate(label_issues["index"], 1)}
    schema.write_table(schema.MISCLASSIFIED, table)

    wrong = int((~predictions.right).sum())
    heading = f"{wrong:,} of {len(predictions.right):,} test images misclassified"
    if len(table):
        heading += f"; {CHOICE[config.order].format(len(table))}"
    print(heading)
    if table["label_issue"].any():
        heading += f"\n?1 to ?{len(ranks)}: labels worth checking, the most doubtful first"
    titles = [title(row, ranks.get(row["index"])) for _, row in table.iterrows()]
    figures.save_grid(artifacts.MISCLASSIFIED_GALLERY, dataset.test.images[chosen], titles, COLUMNS, heading)


def title(row: pd.Series, rank: int | None) -> str:
    """What stands over the picture of a mistake; the rank is that of its label among the doubtful ones."""
    mark = f" ?{rank}" if rank else ""
    file = f"\n{row['file']}" if row["file"] else ""
    return f"is {row['actual']}{mark}\ntaken for {row['predicted']}\n{row['confidence']:.1%} sure{file}"


if __name__ == "__main__":
    run_main("find_misclassified", main)
