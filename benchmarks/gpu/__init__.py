"""Everything there is to try on a GPU, as one command: `python -m benchmarks.gpu`; see docs/gpus.md."""
