"""Conda packages in images: solved, fetched and installed at /opt/env without conda or a container.

lock = resolve_environment(base, channels, conda, pip, workshop, reporter, previous=None)
fetched = fetch(lock, workshop, reporter)
layers = environment_layers(base, lock, fetched, workshop, reporter)
image = assemble(base, lock, fetched, ImageSettings(), workshop, reporter, extra_layers=layers)
"""
