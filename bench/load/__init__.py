"""What a studio bears: many who watch, many who ask, many environments."""
