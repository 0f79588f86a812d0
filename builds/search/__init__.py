"""Search of environments: the query's language, what it matches in which version, and counts of what would narrow it."""
