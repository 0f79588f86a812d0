"""The first screen of an environment's page: what is in it, and whether it works."""
