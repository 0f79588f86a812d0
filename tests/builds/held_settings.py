"""The studio's settings for a studio whose builds a test can stop in a step (`tests/builds/held.py`)."""

from studio.settings import *  # noqa: F403
from studio.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.builds.held.Held"]
