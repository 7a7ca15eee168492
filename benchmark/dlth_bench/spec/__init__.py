"""Frozen, typed descriptions of everything the bench exchanges: pure data, no torch."""
