"""The pages that show environments and builds at once, and the doors of the studio."""
