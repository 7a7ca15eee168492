"""Policies that select subsets."""
