"""Watching a build from a terminal: its log from line 1 until it ends."""

import time
import uuid
from collections.abc import Callable

from builds.logs import read_log
from builds.models import Build

LOOK_EVERY_SECONDS = 0.1


def follow(
    build_id: uuid.UUID, write: Callable[[str], object], alive: Callable[[], object] = lambda: None
) -> Build:
    """Write the log as it comes and return the build when it has ended. `alive` is called at every look."""
    cursor = 0
    while True:
        # The state is read before the log: what was written before the end is never missed.
        build = Build.objects.select_related("image__workspace", "version__environment").get(pk=build_id)
        page = read_log(build_id, cursor)
        if page.chunks:
            write(page.text)
            cursor = page.cursor
        elif not build.active:
            return build
        else:
            alive()
            time.sleep(LOOK_EVERY_SECONDS)  # a process of its own has no other way to hear of rows
