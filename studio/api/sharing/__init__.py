"""Shared versions, and what a workspace opens."""
