"""Import advisories from URLs: by hand, and those of STUDIO_ADVISORIES on a schedule."""

from __future__ import annotations

import logging
import re
import tempfile
from datetime import timedelta
from pathlib import Path

import httpx
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from builds.advisories.importing import CannotImport, Imported, import_advisories
from builds.models import AdvisorySource
from environments.network.client import checked_client
from environments.network.deadlines import Deadlines
from environments.network.policy import AddressRefused

log = logging.getLogger(__name__)

MOST_BYTES = 2 * 1024**3
DEADLINES = Deadlines(head=60.0, whole=3600.0)
TIMEOUT_SECONDS = 30.0
URL = re.compile(r"https?://", re.IGNORECASE)


def import_url(url: str, *, replace: bool = False) -> Imported | None:
    """Import what a URL has now; None if that has not changed since the last import. Raises CannotImport."""
    if len(url) > 500:
        raise CannotImport("The URL is too long. Use up to 500 characters.")
    source = AdvisorySource.objects.get_or_create(url=url)[0]
    AdvisorySource.objects.filter(pk=source.pk).update(checked_at=Now())
    try:
        with tempfile.TemporaryDirectory(prefix="advisories-") as folder:
            path = Path(folder) / "fetched"
            etag = _fetch(url, path, source.etag)
            if etag is None:
                AdvisorySource.objects.filter(pk=source.pk).update(problem="")
                return None
            result = import_advisories(path, url=url, replace=replace)
    except CannotImport as error:
        AdvisorySource.objects.filter(pk=source.pk).update(problem=str(error)[:400])
        raise
    # Last: an import that was interrupted is repeated.
    AdvisorySource.objects.filter(pk=source.pk).update(etag=etag)
    return result


def _fetch(url: str, path: Path, etag: str) -> str | None:
    """Write what a URL has into a file, and return its ETag; None if that has not changed."""
    headers = {"If-None-Match": etag} if etag else {}
    try:
        with (
            checked_client(
                settings.EGRESS_POLICY, deadlines=DEADLINES, timeout=TIMEOUT_SECONDS, follow_redirects=True
            ) as client,
            client.stream("GET", url, headers=headers) as response,
            path.open("wb") as file,
        ):
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            response.raise_for_status()
            size = 0
            for part in response.iter_bytes():
                size += len(part)
                if size > MOST_BYTES:
                    raise CannotImport(f"{url} has more than {MOST_BYTES // 1024**3} GB.")
                file.write(part)
            new = response.headers.get("etag", "")
            return new if len(new) <= 200 else ""
    except AddressRefused as error:
        raise CannotImport(f"{error.message} {error.help}".strip()) from error
    except httpx.HTTPStatusError as error:
        raise CannotImport(f"{url} answered {error.response.status_code}.") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise CannotImport(f"Can't reach {url}: {error or type(error).__name__}.") from error


def import_when_due() -> list[tuple[str, Imported]]:
    """Import the sources that no worker has checked for STUDIO_ADVISORIES_HOURS; return those that changed."""
    result = []
    for url in settings.ADVISORIES:
        if not settings.ADVISORIES_SECONDS or not _take_turn(url):
            continue
        try:
            imported = import_url(url)
        except CannotImport as error:
            log.warning("Could not import advisories: %s", error)
            continue
        if imported is not None:
            result.append((url, imported))
    return result


def _take_turn(url: str) -> bool:
    """Whether a source is due, and this worker the first to see it: by the database's clock."""
    pause = timedelta(seconds=settings.ADVISORIES_SECONDS)
    source = AdvisorySource.objects.get_or_create(url=url)[0]
    due = Q(checked_at=None) | Q(checked_at__lte=Now() - pause) | Q(checked_at__gt=Now() + pause)
    return bool(AdvisorySource.objects.filter(due, pk=source.pk).update(checked_at=Now()))
