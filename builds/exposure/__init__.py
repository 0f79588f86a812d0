"""Exposure: the images with a package that an advisory affects, their users, their times, and the decisions about them."""
