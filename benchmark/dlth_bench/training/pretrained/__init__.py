"""Models that others trained: loading them, and what they say of images."""
