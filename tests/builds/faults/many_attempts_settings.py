"""The studio's settings for builds whose workers die again and again."""

from studio.settings import *  # noqa: F403

MAX_ATTEMPTS = 50
