"""How a trained encoder is evaluated: one file an evaluation."""
