"""Packages of Debian, and base images made of them."""
