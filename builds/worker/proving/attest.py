"""The proof of a build's image: made in the step that stores it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models.functions import Now

from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.referrers import Attachment
from builds.imaging.workshop import Workshop
from builds.models import Build
from builds.provenance.attesting import attested, origin_of
from builds.provenance.keys import NoKey
from builds.worker.reporter import BuildReporter


def attest(
    build: Build,
    row: Mapping[str, Any],
    image: Descriptor,
    compressions: Sequence[str],
    workshop: Workshop,
    reporter: BuildReporter,
) -> list[Attachment]:
    """Put bills of materials and the signed provenance of a new image into the store; return what to attach.

    Without a key to sign with the image has none: `manage.py attest` makes up for it.
    """
    times = Build.objects.filter(pk=build.pk).annotate(now=Now()).values_list("started_at", "now")
    started, now = reporter.lease.run(times.get)
    parameters = {
        "compression": list(compressions),
        "bytecode": workshop.bytecode,
        "compiledBy": row["bytecode"],
    }
    origin = origin_of(
        row,
        hash=build.hash,
        repository=row["repository"],
        parameters=parameters,
        invocation=str(build.pk),
        started_at=started,
        finished_at=now,
    )
    try:
        result = reporter.lease.run(lambda: attested(origin, image, workshop.store))
    except NoKey as problem:
        reporter.line(f"Warning: The image gets no proof. {problem}")
        return []
    reporter.line(f"Proof: {len(result)} documents attached and signed.")
    return result
