"""dlth-bench: does a small subset of a dataset rank training recipes the way the whole dataset does?"""

__version__ = "0.1.0"
