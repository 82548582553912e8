"""Finds the learning rate by a range test where `optimizer.lr: find` asks for it; else passes it on."""

from src import artifacts, datasets, params
from src.errors import run_stage

COLUMNS = ("lr", "loss", "smoothed", "chosen")


def main() -> None:
    settings = params.load()
    given = settings.optimizer.lr
    if given == "find":
        find(settings)
        return
    # A row without a loss: the chart marks the rate.
    artifacts.write_csv(artifacts.LR_RANGE, [{"lr": given, "chosen": given}], COLUMNS)
    artifacts.write_json(artifacts.LR, {"lr": given})
    print(f"optimizer.lr is given: {given:g}")


def find(settings: params.Params) -> None:
    """Run the test; write the curve and the rate chosen from it."""
    # Here, because torch takes seconds to import, and a given rate does without.
    from src import hardware, range_test
    from src.preparation import prepare

    dataset = datasets.load()
    stats = artifacts.read_json(artifacts.STATS, "mean", "std")
    used = hardware.choose(settings.device, settings.precision)
    prepared = prepare(settings, dataset, stats, used)
    with hardware.memory_for("batch_size", settings.batch_size):
        curve = range_test.range_test(prepared, used, settings)
    chosen = range_test.choose(curve, settings.find_lr, settings.schedule.name)
    rows = [
        {"lr": f"{lr:.6g}", "loss": f"{loss:.6g}", "smoothed": f"{smoothed:.6g}", "chosen": chosen}
        for lr, loss, smoothed in zip(curve.rates, curve.losses, curve.smoothed, strict=True)
    ]
    artifacts.write_csv(artifacts.LR_RANGE, rows, COLUMNS)
    artifacts.write_json(artifacts.LR, {"lr": chosen})
    share = len(rows) / (settings.epochs * len(prepared.batches))
    print(f"learning rate {chosen:g}, from a range test of {len(rows)} steps, {share:.1%} of the training's")
    if range_test.is_cut_short(curve, chosen):
        print("the loss falls to the end of the range: a higher find_lr.highest may find a higher rate")


if __name__ == "__main__":
    run_stage("find_lr", main)
