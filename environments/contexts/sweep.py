"""Delete uploads that are old, and files that neither an upload nor a version needs."""

from environments.contexts.uploads import forget_old
from environments.models import UploadedBlob, Version
from environments.stored_files import FileStore, digests_in

GRACE_SECONDS = 24 * 3600.0


def sweep_uploads(*, grace_seconds: float = GRACE_SECONDS) -> int:
    """Forget old uploads and delete what nothing needs and nothing touched within the grace period; return bytes."""
    forget_old()
    keep = set(UploadedBlob.objects.values_list("digest", flat=True).distinct())
    for data in Version.objects.filter(data__context__stored=True).values_list("data", flat=True).iterator():
        keep |= digests_in(data)
    return FileStore().collect(keep, grace_seconds=grace_seconds)
