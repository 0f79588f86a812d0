"""Searching everything: the palette and its page; saved views and pins of the list of environments."""
