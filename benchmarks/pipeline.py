"""What the pipeline costs around the training, on the embedded sample in a clone of the last commit."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

LIGHT = ("download", "compute_mean_std", "find_misclassified")
OTHERS = ("evaluate", "gradcam")


def measure(rounds: int) -> dict[str, float]:
    """Seconds by stage, and of `dvc repro` with nothing to do beside `dvc status`; medians over rounds."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:

        def seconds(*command: str) -> float:
            started = time.perf_counter()
            subprocess.run(
                command, cwd=folder, env=os.environ | {"PATH": tools}, capture_output=True, check=True
            )
            return time.perf_counter() - started

        seconds("git", "clone", "--quiet", str(Path.cwd()), folder)
        params = Path(folder, "params.yaml")
        content = yaml.safe_load(params.read_text()) | {"dataset": "sample", "epochs": 1}
        params.write_text(yaml.safe_dump(content))
        seconds("dvc", "repro")
        figures = {
            f"{stage}_s": median(seconds("python", "-m", f"stages.{stage}") for _ in range(rounds))
            for stage in (*LIGHT, *OTHERS)
        }
        seconds("dvc", "repro")
        pairs = [(seconds("dvc", "repro"), seconds("dvc", "status")) for _ in range(rounds)]
        figures["repro_nothing_to_do_s"] = median(a for a, _ in pairs)
        figures["status_s"] = median(b for _, b in pairs)
        figures["repro_less_status_s"] = median(a - b for a, b in pairs)
    return figures
