"""What the training's state is filed under."""

from src.params import load_params
from src.training.checkpoint import fingerprint_of_training


def test_only_what_shapes_the_weights_shapes_the_name(write_params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/dataset").mkdir(parents=True)
    (tmp_path / "metrics").mkdir()
    for name in ("data/dataset/meta.json", "metrics/stats.json", "stage.py"):
        (tmp_path / name).write_text("{}")

    def name(environment: str = "here", **changes: object) -> str:
        params = load_params(write_params(**changes))
        return fingerprint_of_training(params, {"hardware": environment}, tmp_path / "stage.py")

    first = name()
    assert name() == first
    for irrelevant in (
        {"workers": 2},
        {"tensorboard": True},
        {"label_issues": True},
        {"find_lr__steps": 50},
        {"misclassified__count": 3},
        {"gradcam__layers": ["layer4"]},
    ):
        assert name(**irrelevant) == first
    for relevant in ({"seed": 1}, {"model": "resnet34"}, {"optimizer__lr": 0.3}, {"augment__pad": 3}):
        assert name(**relevant) != first
    assert name("elsewhere") != first
    for file in ("metrics/stats.json", "stage.py"):
        (tmp_path / file).write_text("{ }")
        assert name() != first
        (tmp_path / file).write_text("{}")
    assert name() == first
