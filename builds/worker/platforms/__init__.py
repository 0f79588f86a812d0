"""The platforms of an image: what is installed on each, resolved, fetched, built and packed."""
