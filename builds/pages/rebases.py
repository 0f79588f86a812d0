"""The rebases of an image: which image it was before, and which it became."""

from django.db.models import Q, QuerySet

from builds.models import Fate, Image, RebasedImage

MOST = 20


def rebases_of(image: Image) -> QuerySet[RebasedImage]:
    """Return the rebases that made an image, or that replaced it, the newest first."""
    either = Q(digest_after=image.digest) | Q(digest_before=image.digest)
    rows = RebasedImage.objects.filter(
        either, workspace=image.workspace_id, hash=image.hash, fate=Fate.REBASED
    )
    return rows.select_related("rebase__requested_by").order_by("-pk")[:MOST]
