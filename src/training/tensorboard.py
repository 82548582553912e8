"""The learning curves as TensorBoard reads them, while they are made."""

import os
import shutil
import time

from src import artifacts
from src.training.loop import Epoch

# The column of the curves → the chart it is drawn in, and its name there.
CHARTS = {
    "lr": "lr",
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
}


class TensorBoardLog:
    """Writes an event file into the experiment's own folder, in place of what is there.

    Outside DVC's outputs, because its name and content contain the time, and because a training in a
    temporary copy of the project should be visible too: `tensorboard --logdir plots/tensorboard`.
    """

    def __init__(self) -> None:
        from tensorboardX.event_file_writer import EventsWriter  # here, because it takes a second to import

        experiment = os.environ.get("DVC_EXP_NAME", "workspace")
        folder = artifacts.outside_runs(artifacts.TENSORBOARD) / experiment
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # Not SummaryWriter: its thread writes some time later, and a kill would lose what it has not written.
        self.writer = EventsWriter(str(folder / "events"))

    def add(self, epoch: Epoch) -> None:
        """Write a row of the curves; when this returns it is in the file."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        row = epoch.row()
        values = [Summary.Value(tag=tag, simple_value=row[column]) for column, tag in CHARTS.items()]
        summary = Summary(value=values)
        self.writer.write_event(Event(wall_time=time.time(), step=epoch.epoch, summary=summary))
        self.writer.flush()
