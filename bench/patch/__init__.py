"""Measurements of patch day."""
