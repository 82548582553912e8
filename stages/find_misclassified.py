"""Picks mistakes and shows them."""

from src import artifacts, datasets, figures, params, predictions
from src.errors import run_stage
from src.label_doubts import doubtful_labels

COLUMNS = 5


def main() -> None:
    settings = params.load()
    dataset = datasets.load()
    found = predictions.read(dataset.classes, len(dataset.test))
    chosen = predictions.choose_mistakes(
        found, settings.misclassified.count, settings.misclassified.order, settings.seed
    )
    doubted = doubtful_labels(found.probabilities, found.actual)
    rows = []
    for index in chosen.tolist():
        actual, predicted = int(found.actual[index]), int(found.predicted[index])
        rows.append(
            {
                "index": index,
                "actual": dataset.classes[actual],
                "predicted": dataset.classes[predicted],
                "confidence": f"{found.confidence[index]:.8g}",
                "actual_probability": f"{found.probabilities[index, actual]:.8g}",
                "label_doubted": str(bool(doubted[index])).lower(),
            }
        )
    columns = ["index", "actual", "predicted", "confidence", "actual_probability", "label_doubted"]
    artifacts.write_csv(artifacts.MISCLASSIFIED, rows, columns)

    wrong = int((found.predicted != found.actual).sum())
    choice = {
        "confident": "the {} most confidently wrong",
        "index": "the first {}",
        "random": "{} at random",
    }[settings.misclassified.order]
    heading = f"{wrong:,} of {len(found.actual):,} test images misclassified"
    if rows:
        heading += f"; {choice.format(len(rows))}"
    if any(doubted[chosen]):
        heading += "\n?: going by this model, the label itself may be wrong"
    titles = [
        f"is {row['actual']}{'?' * (row['label_doubted'] == 'true')}\n"
        f"taken for {row['predicted']}\n{float(row['confidence']):.1%} sure"
        for row in rows
    ]
    figures.save_grid(artifacts.MISCLASSIFIED_GALLERY, dataset.test.images[chosen], titles, COLUMNS, heading)
    print(heading.partition("\n")[0])


if __name__ == "__main__":
    run_stage("find_misclassified", main)
