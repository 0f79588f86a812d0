"""Engines, Pythons and wheels that the measurements run on."""
