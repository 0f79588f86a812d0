"""From definition to image in the registry, beside Dockerfiles: `python -m bench.images --help`."""
