"""Policies and decisions about advisories in the API."""
