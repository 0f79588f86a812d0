"""What is exposed: the images with a package that an advisory affects, who uses them, since when, and what was decided."""
