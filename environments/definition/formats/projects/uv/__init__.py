"""The lock of uv: its graph, what of it is installed, and whether it is that of the project beside it."""
