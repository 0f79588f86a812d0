"""Versions that workspaces send to each other."""
