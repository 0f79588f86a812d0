"""Delete uploads that are old, and files that neither an upload nor a version needs."""

from collections.abc import Iterator
from typing import Any

from environments.contexts.uploads import forget_old, kept_uploads
from environments.models import Version
from environments.stored_files import FileStore, Freed, digests_in

GRACE_SECONDS = 24 * 3600.0


def sweep_uploads(*, grace_seconds: float = GRACE_SECONDS, dry_run: bool = False) -> Freed:
    """Forget old uploads and delete what nothing needs and nothing touched within the grace period."""
    if not dry_run:
        forget_old()
    keep = set(kept_uploads().values_list("digest", flat=True).distinct())
    for data in stored_contexts():
        keep |= digests_in(data)
    return FileStore().collect(keep, grace_seconds=grace_seconds, dry_run=dry_run)


def stored_contexts() -> Iterator[dict[str, Any]]:
    """Yield the rows' definitions whose build contexts are in the store."""
    rows = Version.objects.filter(data__context__stored=True)
    yield from rows.values_list("data", flat=True).iterator()
