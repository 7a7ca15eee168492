"""Training: one run from data to result."""
