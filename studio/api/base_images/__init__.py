"""Base images in use, and rebases."""
