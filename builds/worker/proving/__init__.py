"""Tests of a build's image, its proof, and the same image made again."""
