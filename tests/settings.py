"""The studio's settings for tests: the same, with data in a folder of its own that is removed at the end.

`DATABASE_URL=postgresql://… SECRET_KEY=… make test` runs them on that database server.
"""

import atexit
import os
import shutil
import tempfile

# Before the studio's settings look for it: tests never touch the data under var/.
_folder = tempfile.mkdtemp(prefix="studio-var-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["STUDIO_VAR"] = _folder
# Indexes, registries and channels of tests are on this machine, whichever database they run on.
os.environ.setdefault("STUDIO_ALLOW_ADDRESSES", "loopback,private")
# Starting each image would take seconds of every build; its own tests turn it on.
os.environ.setdefault("STUDIO_IMPORT_TEST", "off")
# Builds of the catalogue that nobody requested would be in the way of what tests count; their own tests turn it on.
os.environ.setdefault("STUDIO_PREBUILD_CATALOGUE", "false")

from studio.settings import *  # noqa: E402, F403
from studio.settings import DATABASES, EMBEDDED, VAR  # noqa: E402

if EMBEDDED:
    # A file, as in a real studio: an in-memory database locks and fails in ways of its own.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}

# Tests of early checks turn them on: all others would reach for indexes and registries.
EARLY_CHECKS = False

# Logging in is not what tests should spend their time on.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# The test client signs in without a request, which the guard against guessing needs; its own tests turn it on.
AXES_ENABLED = False
