"""From a claimed build to its end: the steps in their order, and one state whatever happens."""

import errno
import logging
import os
import socket
import traceback
import uuid

from django.db import DatabaseError
from django.db.models.functions import Now

from builds import steps, telling
from builds.causes import diagnose
from builds.claims import Claim, ClaimLost
from builds.images import Cancelled, ImageError
from builds.limits import Bounds, OverLimit, limits_of
from builds.logs import pack_log
from builds.models import Build
from builds.reporting import BuildReporter, StudioStopping

log = logging.getLogger(__name__)

STUDIO_ERROR = "studio-error"
OUR_FAULT = "The studio made an error while it built this; it is not your definition's fault."
OUR_FAULT_HELP = (
    "Retry. If it happens again, give whoever runs this studio the build's id: their log holds the details."
)
DISK_FULL = (
    "The disk of the studio is full, so the image could not be kept. Nothing that was there is damaged."
)
DISK_FULL_HELP = (
    "Whoever runs this studio has to free space (images that nobody uses, or var/cache), then retry."
)


def worker_name() -> str:
    """Name this process, so that others can tell whose builds are whose."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run(build_id: uuid.UUID, worker: str) -> None:
    """Build this very one and end it, if no other worker has it, whatever else waits."""
    claim = Claim.take(build_id, worker)
    if claim is not None:
        run_claimed(claim)


def run_claimed(claim: Claim) -> None:
    """Build it and end it. Raises nothing that the build can be told instead."""
    build_id = claim.build_id
    build = Build.objects.select_related("workspace", "version__environment__workspace").get(pk=build_id)
    try:
        with (
            telling.about(build_id, build.workspace.name),
            BuildReporter(claim, Bounds(limits_of(build.workspace))) as reporter,
        ):
            _run_to_its_end(build, claim, reporter)
    except ClaimLost:
        log.warning("Build %s is another worker's now; this one stops.", build_id)
        return
    try:
        pack_log(build_id)
    except DatabaseError as error:
        log.warning("The log of build %s could not be packed (%s); the reconciler does it.", build_id, error)


def _run_to_its_end(build: Build, claim: Claim, reporter: BuildReporter) -> None:
    try:
        made = steps.make_image(build, reporter)
        _last_line(build, reporter, "reused" if made.reused else "succeeded")
        reporter.lease.keep(lambda: made.keep(build, claim))
    except StudioStopping:
        reporter.line(
            "The studio is stopping. The build goes back to the queue and goes on at the next start."
        )
        reporter.flush(everything=True)
        claim.give_back()
    except OverLimit as error:
        _fail(build, claim, reporter, error)
    except Cancelled:
        if reporter.lease.keep(claim.should_stop):
            _last_line(build, reporter, "cancelled")
        else:
            reporter.line("Somebody waits for this build again. It goes back to the queue and begins anew.")
            reporter.flush(everything=True)
        reporter.lease.keep(claim.give_back)
    except ClaimLost:
        raise
    except Exception as error:
        failure = explain(error)
        if failure.code == STUDIO_ERROR:
            told = reporter.log.masked("".join(traceback.format_exception(error)))
            log.error("Build %s failed by an error of the studio's own\n%s", build.pk, told)
        elif failure.fault == "studio":
            log.error("Build %s failed: %s", build.pk, reporter.log.masked(str(failure)))
        _fail(build, claim, reporter, failure)


def _fail(build: Build, claim: Claim, reporter: BuildReporter, failure: ImageError) -> None:
    """Say in the log why, and end the build with it."""
    reporter.log.let_the_end_in()
    line = reporter.log.lines + 1
    reporter.line(f"Error: {failure.message}")
    if failure.help:
        reporter.line(f"What to do: {failure.help}")
    _last_line(build, reporter, "failed")
    found = diagnose(failure, [one for one in reporter.log.last if one[0] < line], reporter.failed_from)
    message, help = reporter.log.masked(failure.message), reporter.log.masked(failure.help)
    how = (failure.code, message, help, failure.fault, found.line or line)
    causes = [clue.to_json() for clue in found.others]
    reporter.lease.keep(lambda: claim.fail(*how, causes=causes))


def explain(error: Exception) -> ImageError:
    """Return what happened in the words of the person who waits for the build."""
    if isinstance(error, ImageError):
        return error
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ImageError("disk-full", DISK_FULL, DISK_FULL_HELP, fault="studio")
    return ImageError(STUDIO_ERROR, OUR_FAULT, OUR_FAULT_HELP, fault="studio")


def _last_line(build: Build, reporter: BuildReporter, how: str) -> None:
    """End the log with the build's id and how long it took (rule 26)."""
    # Both by the database's clock: a worker's own may have been set meanwhile.
    rows = Build.objects.filter(pk=build.pk).annotate(now=Now()).values_list("started_at", "now")
    started, now = reporter.lease.keep(rows.get)
    seconds = (now - (started or now)).total_seconds()
    reporter.log.step = ""
    reporter.log.let_the_end_in()
    reporter.line(f"Build {build.pk} {how} after {max(0.0, seconds):.1f} s.")
    reporter.flush(everything=True)
