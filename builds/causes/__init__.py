"""Why builds fail: every cause with its code, whose fault it is and what to do, and the signs of it in a log (rule 48)."""

from builds.causes.catalogue import CATALOGUE, Entry
from builds.causes.reading import Clue, Diagnosis, clues_in, diagnose, first_real

__all__ = ["CATALOGUE", "Clue", "Diagnosis", "Entry", "clues_in", "diagnose", "first_real"]
