"""Whether a build may run on a machine that cannot confine everything."""

from __future__ import annotations

from django.conf import settings

from builds.confinement.confine import support
from builds.imaging.reporting import ImageError, Reporter


def check_confinement(reporter: Reporter) -> None:
    """Log what this machine cannot confine; raise ImageError if the settings require it."""
    missing = support().missing
    if missing and settings.REQUIRE_CONFINEMENT:
        raise ImageError(
            "cannot-confine",
            f"This worker cannot confine the processes that read packages. {' '.join(missing)}",
            "Run workers on Linux 6.7 or newer, or unset STUDIO_REQUIRE_CONFINEMENT. "
            "`manage.py doctor` shows what a machine can confine.",
            fault="studio",
        )
    for sentence in missing:
        reporter.line(f"Not confined here. {sentence}")
