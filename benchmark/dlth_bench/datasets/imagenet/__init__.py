"""ImageNet-1K: its classes, its images, and copies of it on disk."""
