"""Queues the published recipes: `python -m recipes.enqueue [flags]`, then `dvc queue start`.

Flags are those of `dvc exp run` and hold for all of them, e.g. `-S dataset=sample -S epochs=6`.
"""

import subprocess
import sys
from pathlib import Path

from recipes import PUBLISHED


def main() -> None:
    refused = []
    for name in PUBLISHED:
        flags = Path("recipes", name).read_text(encoding="utf-8").split()
        queue = [sys.executable, "-m", "dvc", "exp", "run", "--queue", "--name", name]
        if subprocess.run([*queue, *flags, *sys.argv[1:]], check=False).returncode:
            refused.append(name)
    if refused:
        sys.exit(f"enqueue: {', '.join(refused)}: not queued; DVC says why above")
    print("`dvc queue start` runs them, `python -m recipes.results` shows what they reach")


if __name__ == "__main__":
    main()
