"""Subsets of a dataset: the model, its file, finding one."""
