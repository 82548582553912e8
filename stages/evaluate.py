"""Applies the model to the test split."""

import numpy as np

from src import artifacts, distributed, schema
from src.command import run_main
from src.data.corrections import without_confirmed
from src.data.dataset import load_dataset, read_files
from src.evaluation import scores
from src.evaluation.inference import answerer_of, predict_views, probabilities, recorded_embeddings
from src.evaluation.label_issues import find_label_issues
from src.evaluation.metrics import measure
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions, write_predictions
from src.hardware import choose_hardware, explain_out_of_memory, set_up_torch
from src.launch import done_in_several
from src.models.trained import load_trained
from src.params import load_params
from src.ranks import OURS


def main() -> None:
    params = load_params()
    dataset = load_dataset()
    if done_in_several("evaluate", params, len(dataset.test)):
        return
    # Whatever it was trained in: all that asks the model later asks it in fp32, too.
    hardware = choose_hardware(params.device, "fp32")
    distributed.join(hardware.device)
    set_up_torch(params.threads, params.deterministic)
    trained = load_trained(of=dataset.classes)
    config = params.evaluate
    answerer = answerer_of(trained, config.tta, hardware)

    test, files = dataset.test, read_files("test")
    recorded = recorded_embeddings(trained.model.head, len(answerer.views))
    with explain_out_of_memory("evaluate.batch_size", config.batch_size), recorded as embeddings:
        logits, without_tta = predict_views(answerer, test.images, hardware, config.batch_size)
    embeddings = distributed.in_order(embeddings)
    if OURS.rank:  # the first of several processes writes
        return
    names = None if files is None else files["file"].tolist()
    predictions = Predictions.from_probabilities(test.labels, probabilities(logits), dataset.classes, names)
    accuracy_without_tta = scores.accuracy(without_tta.argmax(1), test.labels)

    loss = scores.cross_entropy(logits, test.labels)
    metrics = measure(predictions, trained.unsure_below)
    metrics |= {"loss": loss, "accuracy_without_tta": accuracy_without_tta}
    write_predictions(predictions)
    artifacts.write_array(artifacts.EMBEDDINGS, np.concatenate(embeddings))
    answers = predictions.frame()[list(schema.CONFUSION.columns)]
    schema.write_table(schema.CONFUSION, answers)
    schema.write_table(schema.CONFUSION_MATRIX, confusion_matrix(predictions))
    schema.write_table(schema.CLASS_ACCURACY, class_accuracy(predictions))
    duplicates = schema.read_table(schema.DUPLICATES)
    issues = find_label_issues(predictions, duplicates)
    schema.write_table(schema.LABEL_ISSUES, without_confirmed(issues, "test"))
    artifacts.write_json(artifacts.TEST_METRICS, metrics)
    note = "" if config.tta == "none" else f"; {accuracy_without_tta:.2%} without test-time augmentation"
    interval = f"{metrics['accuracy_low']:.1%} to {metrics['accuracy_high']:.1%}"
    print(f"test accuracy {metrics['accuracy']:.2%} ({interval}) of {len(test)} images{note}")


if __name__ == "__main__":
    run_main("evaluate", main)
