"""Pages of packages: which versions have one, and the packages of a workspace."""
