"""A step divided over passes and processes."""
