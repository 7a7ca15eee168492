"""Engines: where runs are computed. Each turns pending runs into a stream of events; the store holds the truth."""
