"""Submissions, how they rank, and what the board shows of them."""
