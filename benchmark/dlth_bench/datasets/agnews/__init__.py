"""AG's news topics: 120 000 short texts to train on and 7 600 to evaluate on, in 4 classes (Zhang et al. 2015)."""

from dlth_bench.datasets.agnews.catalog import agnews_catalog

__all__ = ["agnews_catalog"]
