"""What runs will take, counted without training."""
