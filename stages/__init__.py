"""One thin script a stage of dvc.yaml, run from the repository root as `python -m stages.NAME`."""

import src  # noqa: F401 (before a stage imports a library: see src/isolation.py)
