"""Policies: rules for images, exceptions from them, what they do to a build, and what they would have done."""
