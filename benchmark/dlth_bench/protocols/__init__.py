"""Protocols: frozen grids of configs with their reference; pure data, no torch."""
