"""Which images are exposed to which advisories, and what was decided about them."""
