"""Conda packages as data: read once, checked, and copied so that an installer sees nothing else.

Nothing here trusts a package: its makers choose every name, link, size and text in it.
"""
