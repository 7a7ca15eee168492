"""The board on the Hugging Face Hub: publish it, propose a submission to it, fetch its submissions."""
