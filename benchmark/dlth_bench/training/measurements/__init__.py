"""What a config measures beside accuracy."""
