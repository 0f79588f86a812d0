"""The proof of rebased images: signed and attached once a rebase has ended, as each needs documents of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import groupby

from builds.imaging.publish.referrers import push_attachments
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from builds.models import Image, RebasedImage
from builds.models.rebases import Fate
from builds.provenance.attesting import attest_image
from builds.provenance.keys import NoKey
from builds.worker.reporter import stopping
from builds.worker.steps import make_workshop
from environments.connections.service import workspace_logins
from environments.encryption import DecryptionError

log = logging.getLogger(__name__)


def attest_rebased() -> int:
    """Attach proof to every rebased image that has none, and push it along; return how many images got it.

    What fails is tried again after the next rebase: the image itself is complete.
    """
    rebased = RebasedImage.objects.filter(fate=Fate.REBASED, named=True)
    images = Image.objects.filter(current=True, referrers=None, digest__in=rebased.values("digest_after"))
    done = 0
    try:
        for workspace, group in groupby(
            images.select_related("workspace").order_by("workspace", "pk"), lambda image: image.workspace
        ):
            done += _attest(group, make_workshop(logins=workspace_logins(workspace)))
    except (NoKey, DecryptionError) as problem:
        log.warning("Rebased images get no proof. %s", problem)
    return done


def _attest(images: Iterable[Image], workshop: Workshop) -> int:
    done = 0
    for image in images:
        if stopping.is_set():
            break
        try:
            attachments = attest_image(image, workshop.store)
            if image.pushed_to:
                push_attachments(attachments, f"{image.pushed_to}:latest", workshop, Quiet())
        except (ImageError, FileNotFoundError) as error:
            log.warning("The proof of %s@%s is not complete: %s", image.repository, image.digest, error)
        else:
            done += 1
    return done
