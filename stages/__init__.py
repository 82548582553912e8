"""One thin script a stage of dvc.yaml, run from the repository root as `python -m stages.NAME`."""
