"""What a build proves about its image: its imports work, its own command succeeds, and where it is from."""
