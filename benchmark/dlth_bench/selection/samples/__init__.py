"""Policies that choose training samples, one file a policy or family."""
