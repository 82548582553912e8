"""Whether blind spots that were planted are found, and nothing else: `python -m benchmarks.planted`.

Drawn pictures in the spirit of SpotCheck (Plumb et al., "Towards a More Rigorous Science of Blindspot
Discovery in Image Classification Models", TMLR 2023): attributes are independent of each other and of the
class, which is the object's shape; a spot is a combination of up to three of them in which the training part
misleads.
"""
