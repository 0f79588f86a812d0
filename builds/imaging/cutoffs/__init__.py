"""Upload cutoffs: only what was uploaded before a time is installed, by the definition and the workspace's policy."""
