"""Datasets: what one offers, the known ones, and where their files are."""
