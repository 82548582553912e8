"""`python -m benchmarks.planted`."""

from benchmarks.planted.runner import main
from src.command import run_main

if __name__ == "__main__":
    run_main("planted", main)
