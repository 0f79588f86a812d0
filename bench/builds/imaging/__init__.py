"""From definition to image in the registry, beside Dockerfiles: `python -m bench.builds.imaging --help`."""
