"""The board as a website."""
