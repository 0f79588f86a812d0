"""Badges of environments for README files: state, version and size as an SVG."""
