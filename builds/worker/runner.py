"""Run a claimed build to its end: every outcome, also an error of the studio, ends it in a definite state."""

import errno
import logging
import os
import socket
import traceback
import uuid

from django.db import DatabaseError
from django.db.models.functions import Now
from structlog.contextvars import bound_contextvars

from builds.causes import diagnose, failure_details
from builds.imaging.reporting import Cancelled, ImageError
from builds.logs import pack_log
from builds.models import Build
from builds.queue.claims import Claim, ClaimLost, LogLines
from builds.queue.limits import limits_of
from builds.worker import steps
from builds.worker.budget import Budget, LimitExceeded
from builds.worker.reporter import BuildReporter, StudioStopping
from environments.versions.texts import text_to_edit

log = logging.getLogger(__name__)

STUDIO_ERROR = "studio-error"
OUR_FAULT = "Something went wrong in the studio while building this. Your definition isn't the cause."
OUR_FAULT_HELP = "Retry. If it happens again, give an admin the build's id: the studio's log has the details."
DISK_FULL = "The studio's disk is full, so the image could not be saved. Existing images are unharmed."
DISK_FULL_HELP = "An admin needs to free space (unused images, or var/cache). Then retry."

STOPPING = "The studio is stopping. The build returns to the queue and restarts with the studio."
OVERTAKEN = (
    "A person requested a build, which goes first. This build returns to the queue and continues later."
)
REQUESTED_AGAIN = "Requested again. The build returns to the queue and will restart."


def worker_name() -> str:
    """Return this process's name, `host:pid`, which its builds bear."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_build(build_id: uuid.UUID, worker: str) -> None:
    """Run this build, if no other worker has it, regardless of the queue's order."""
    claim = Claim.take(build_id, worker)
    if claim is not None:
        run_claimed(claim)


def run_claimed(claim: Claim) -> None:
    """Run a claimed build and end it. Errors end the build instead of being raised."""
    build_id = claim.build_id
    build = Build.objects.select_related("workspace", "version__environment__workspace").get(pk=build_id)
    try:
        with (
            bound_contextvars(build=str(build_id), workspace=build.workspace.name),
            BuildReporter(claim, Budget(limits_of(build.workspace))) as reporter,
        ):
            _run_steps(build, claim, reporter)
    except ClaimLost:
        log.warning("Build %s belongs to another worker now; this one stops.", build_id)
        return
    try:
        pack_log(build_id)
    except DatabaseError as error:
        log.warning("Could not pack the log of build %s (%s); the reconciler will.", build_id, error)


def _run_steps(build: Build, claim: Claim, reporter: BuildReporter) -> None:
    try:
        result = steps.make_image(build, reporter)
        last = _last_line(build, reporter, "reused" if result.reused else "succeeded")
        reporter.lease.run(lambda: result.save(build, claim, [last]))
    except StudioStopping:
        _requeue(build, claim, reporter, STOPPING)
    except LimitExceeded as error:
        _fail(build, claim, reporter, error)
    except ClaimLost:
        raise
    except Exception as error:
        if isinstance(error, Cancelled) and reporter.overtaken:
            _requeue(build, claim, reporter, OVERTAKEN)
        elif isinstance(error, Cancelled) and reporter.cancelled:
            _requeue(build, claim, reporter, REQUESTED_AGAIN)
        else:
            _explain_and_fail(build, claim, reporter, error)


def _requeue(build: Build, claim: Claim, reporter: BuildReporter, reason: str) -> None:
    """Return a stopped build to the queue; end it as cancelled if nobody waits for it."""
    cancelled = _last_line(build, reporter, "cancelled")
    requeued = reporter.log.closing("", reason)
    reporter.lease.run(lambda: claim.requeue(log=[requeued], log_if_cancelled=[cancelled]))


def _explain_and_fail(build: Build, claim: Claim, reporter: BuildReporter, error: Exception) -> None:
    """Fail the build, and log failures that are the studio's fault."""
    failure = explain(error)
    if failure.code == STUDIO_ERROR:
        trace = reporter.log.masked("".join(traceback.format_exception(error)))
        log.error("Build %s failed with an error of the studio\n%s", build.pk, trace)
    elif failure.fault == "studio":
        log.error("Build %s failed: %s", build.pk, reporter.log.masked(str(failure)))
    _fail(build, claim, reporter, failure)


def _fail(build: Build, claim: Claim, reporter: BuildReporter, failure: ImageError) -> None:
    """Diagnose the causes of a failure, and end the build and its log with it."""
    text = f"Error: {failure.message}"
    if failure.help:
        text += f"\nWhat to do: {failure.help}"
    error = reporter.log.closing(reporter.log.step, text)
    last = _last_line(build, reporter, "failed")
    line = reporter.log.lines + 1
    recent = [(number, text) for number, text in reporter.log.last if number < line]
    diagnosis = diagnose(failure, recent, reporter.failed_from)
    message, help = reporter.log.masked(failure.message), reporter.log.masked(failure.help)
    outcome = (failure.code, message, help, failure.fault, diagnosis.line or line)
    causes = [clue.to_json() for clue in diagnosis.others]
    details = _details_of(build, reporter, failure)
    reporter.lease.run(lambda: claim.fail(*outcome, causes=causes, details=details, log=[error, last]))


def _details_of(build: Build, reporter: BuildReporter, failure: ImageError) -> dict[str, object]:
    """Return what a failed build keeps beside its sentence, with the definition's line."""
    version = build.version
    definition = version.definition
    context = definition.context
    dockerfile = definition.dockerfile or (context.text(context.dockerfile_path) if context else "") or ""
    source = reporter.lease.run(lambda: text_to_edit(version)) or dockerfile
    return failure_details(failure, source, version.base, dockerfile, reporter.log.masked)


def explain(error: Exception) -> ImageError:
    """Return the failure to show for an exception."""
    # A Cancelled that nobody requested is an error of the studio: requeued, it could fail forever.
    if isinstance(error, ImageError) and not isinstance(error, Cancelled):
        return error
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ImageError("disk-full", DISK_FULL, DISK_FULL_HELP, fault="studio")
    return ImageError(STUDIO_ERROR, OUR_FAULT, OUR_FAULT_HELP, fault="studio")


def _last_line(build: Build, reporter: BuildReporter, outcome: str) -> LogLines:
    """Write the log so far, and return its last line: the build's id and how long it took (rule 26).

    The transaction that ends the build writes it: an attempt whose end is lost or refused leaves none.
    """
    # Both by the database's clock: the worker's own may have been set meanwhile.
    rows = Build.objects.filter(pk=build.pk).annotate(now=Now()).values_list("started_at", "now")
    started, now = reporter.lease.run(rows.get)
    seconds = (now - (started or now)).total_seconds()
    reporter.log.flush_tail()
    reporter.flush(everything=True)
    return reporter.log.closing("", f"Build {build.pk} {outcome} after {max(0.0, seconds):.1f} s.")
