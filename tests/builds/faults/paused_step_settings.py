"""The studio's settings for a studio whose builds a test can pause in a step (`tests/builds/faults/paused_step.py`)."""

from studio.settings import *  # noqa: F403
from studio.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.builds.faults.paused_step.PausedStep"]
