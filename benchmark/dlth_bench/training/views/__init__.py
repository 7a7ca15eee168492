"""Views: batches of augmented images."""
