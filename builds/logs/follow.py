"""Follow a build from a terminal: its log from line 1 until it ends."""

import time
import uuid
from collections.abc import Callable

from builds.imaging.reporting import plain
from builds.logs import read_log
from builds.models import Build

POLL_SECONDS = 0.1


def follow(
    build_id: uuid.UUID, write: Callable[[str], object], alive: Callable[[], object] = lambda: None
) -> Build:
    """Write the log as it grows and return the build once it has ended; call `alive` at every poll.

    What packages and commands printed has no escapes for the terminal in it.
    """
    cursor = 0
    while True:
        # The state is read before the log: what was written before the end is never missed.
        build = Build.objects.select_related("image__workspace", "version__environment").get(pk=build_id)
        page = read_log(build_id, cursor)
        if page.chunks:
            write(plain(page.text))
            cursor = page.cursor
        elif not build.active:
            return build
        else:
            alive()
            time.sleep(POLL_SECONDS)  # this process is notified of nothing
