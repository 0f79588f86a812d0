"""Packages that are installed in an image, read from its layers by a confined process."""
