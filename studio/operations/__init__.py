"""Looking after a running studio: what is wrong with it, what it counts, and how it tells."""
