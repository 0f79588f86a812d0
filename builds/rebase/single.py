"""Rebase one image, here and now."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.db.models.functions import Now

from builds.imaging.reporting import ImageError
from builds.models import Image, Rebase, RebaseState
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.rebase.planning import row_of
from builds.rebase.reporting import RebaseReporter
from builds.rebase.running import run


def rebase(image: Image, target: str = "", *, by: User | None = None) -> Image:
    """Put a current image on the base that `target` means now (empty: its own reference), and return the new image.

    One that is on it already is returned itself.

    Its names follow; the old image stays by its digest. Raises ImageError with the reason if that cannot be done: then
    nothing has changed.
    """
    job = Rebase.objects.create(
        workspace=image.workspace,
        base=image.base,
        base_digest=image.base_digest,
        target=target or image.base,
        state=RebaseState.RUNNING,
        requested_by=by,
        started_at=Now(),
        claim=uuid.uuid4(),
        heartbeat_at=Now(),
        attempt=1,
    )
    item = row_of(job, image)
    item.save()
    problem = ""
    try:
        run(job, RebaseReporter(job))
    except ImageError as error:
        problem = str(error)
        raise
    finally:
        item.refresh_from_db()
        done = item.fate == Fate.REBASED
        rebases.finish(job, RebaseState.DONE if done else RebaseState.FAILED, problem or item.reason)
    if item.reason_code == "same":
        return image
    if not done:
        raise ImageError(item.reason_code or "not-rebased", item.reason or "The image was not rebased.")
    return Image.objects.get(workspace=image.workspace, hash=image.hash, digest=item.digest_after)
