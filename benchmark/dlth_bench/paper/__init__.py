"""The numbers that the DLTH paper prints, recomputed."""
