"""Where the figures in docs/speed.md come from: `python -m benchmarks`.

Everything to be compared is measured in turn in one run, and the ratio is the figure: absolute times are of
one machine on one day.
"""
