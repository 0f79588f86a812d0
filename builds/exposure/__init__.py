"""Exposure: the images with a package that an advisory affects, who uses them, and since when."""
