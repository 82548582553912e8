"""The library behind the stages. It knows nothing of DVC; where files lie is said in `artifacts` alone."""
