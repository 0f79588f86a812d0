"""Healing: environments that an advisory affects get the smallest change that fixes it, built and tested first."""
