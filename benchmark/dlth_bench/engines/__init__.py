"""Engines: where runs are trained."""
