"""Runs that heal environments."""
