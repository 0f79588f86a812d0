"""Heal environments in a worker: plan each, and follow it until it is saved."""
