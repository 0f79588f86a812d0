"""Load tests: many viewers, many requests, many environments."""
