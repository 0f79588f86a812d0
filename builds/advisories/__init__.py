"""Advisories in OSV's format: read, imported, and matched with the packages of images and bases."""
