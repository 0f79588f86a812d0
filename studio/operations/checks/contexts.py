"""The check of build contexts: their files are there, and nothing that nobody needs fills the disk."""

import hashlib
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, connection

from environments.contexts.sweep import stored_contexts, sweep_uploads
from environments.stored_files import FileStore, digests_in
from studio.operations.finding import Finding, ok, warning, wrong

MUCH = 10**9  # bytes that nothing needs


def contexts(*, deep: bool) -> Iterator[Finding]:
    """Check that the files of all build contexts are whole; `deep` reads them."""
    if not settings.CONTEXTS.exists():
        yield ok("contexts", "The first build context creates their folder.")
        return
    try:
        wanted = {digest for data in stored_contexts() for digest in digests_in(data)}
        unneeded = sweep_uploads(dry_run=True)
    except DatabaseError:
        connection.close()
        return  # reported already
    store = FileStore()
    bad = {digest: problem for digest in sorted(wanted) if (problem := _problem(store, digest, deep=deep))}
    if bad:
        digest, problem = next(iter(bad.items()))
        yield wrong(
            "contexts",
            f"{len(bad)} of {len(wanted)} files of build contexts are not whole; {digest} {problem}.",
            f"Bring {settings.CONTEXTS} back from a backup: versions with these files can't be built.",
        )
        return
    looked = "read and whole" if deep else "there; --deep reads them"
    yield ok("contexts", f"{len(wanted)} files of build contexts are {looked}.")
    if unneeded.size > MUCH:
        yield warning(
            "contexts",
            f"{unneeded.files} files that nothing needs take {unneeded.size / 1e9:.1f} GB.",
            "Run  python manage.py clean --yes",
        )


def _problem(store: FileStore, digest: str, *, deep: bool) -> str:
    try:
        if not deep:
            store.path_of(digest).stat()
            return ""
        content_hash = hashlib.sha256()
        for chunk in store.chunks(digest):
            content_hash.update(chunk)
    except OSError:
        return "is missing"
    return "" if content_hash.hexdigest() == digest else "holds other bytes than its name says"
