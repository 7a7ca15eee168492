"""Runs: identity, results, the store, plans, and the score of what is stored."""
