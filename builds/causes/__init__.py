"""Causes of failed builds: each with its code, its fault and a way out, and its signs in a log."""

from builds.causes.catalogue import CATALOGUE, Entry
from builds.causes.details import failure_details
from builds.causes.reading import Clue, Diagnosis, clues_in, diagnose, first_real

__all__ = ["CATALOGUE", "Clue", "Diagnosis", "Entry", "clues_in", "diagnose", "failure_details", "first_real"]
