"""Who may do what: every address, every method, every kind of person (issue 6 point 1)."""
