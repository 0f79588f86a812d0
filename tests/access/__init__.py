"""Access: every URL, with every method, by every kind of caller."""
