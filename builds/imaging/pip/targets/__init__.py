"""The machine and Python that packages are for, and those that are for others."""
