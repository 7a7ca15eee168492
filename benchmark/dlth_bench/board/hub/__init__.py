"""The board on the Hugging Face Hub."""
