"""Training of one run: one loop, one file a method, one file an evaluation."""
