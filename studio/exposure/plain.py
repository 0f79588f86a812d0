"""Answers about exposure as plain values: for the API and for commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from builds.exposure.base_fixes import rebase_command
from builds.exposure.overview import Affecting
from builds.exposure.promise import DAYS, Late, Promise
from builds.exposure.rows import ExposedImage
from builds.exposure.search import Answer
from builds.models import Advisory


def plain_advisory(advisory: Advisory) -> dict[str, Any]:
    """Return an advisory."""
    return {
        "name": advisory.key,
        "summary": advisory.summary,
        "severity": advisory.severity,
        "score": advisory.score,
        "published_at": _time(advisory.published_at),
        "modified_at": _time(advisory.modified_at),
        "url": advisory.url,
    }


def plain_affecting(row: Affecting) -> dict[str, Any]:
    """Return an advisory that affects images, with how many; more are not counted beyond a limit."""
    return plain_advisory(row.advisory) | {
        "packages": row.packages,
        "fixed_in": row.fixed_in,
        "images": row.images,
    }


def plain_answer(answer: Answer) -> dict[str, Any]:
    """Return a page of an answer."""
    subject = answer.subject
    return {
        "subject": subject.name,
        "advisories": [
            plain_advisory(row) for row in sorted(subject.advisories.values(), key=lambda a: a.key)
        ],
        "show": answer.shown,
        "count": answer.count,
        "settled": answer.settled,
        "page": answer.page,
        "more": answer.more,
        "exposed_since": _time(answer.since),
        "images": [plain_image(row) for row in answer.images],
        "deleted": [
            {
                "workspace": past.workspace.name,
                "digest": past.digest,
                "hash": past.hash,
                "exposed_from": _time(past.built_at),
                "exposed_until": _time(past.until),
            }
            for past in answer.past
        ],
    }


def plain_image(row: ExposedImage) -> dict[str, Any]:
    """Return an image that is exposed."""
    return {
        "workspace": row.image.workspace.name,
        "digest": row.image.digest,
        "hash": row.image.hash,
        "base": row.image.base,
        "current": row.image.current,
        "settled": row.settled,
        "built_at": _time(row.image.made_at),
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                "ecosystem": package.ecosystem,
                "direct": package.direct,
                "path": list(package.path),
                "of_base": package.of_base,
                "rebase": rebase_command(row.image.base, row.image.workspace.name) if package.of_base else "",
                "advisories": [
                    {"name": advisory.key, "severity": advisory.severity, "fixed_in": fixes}
                    for advisory, fixes in package.advisories
                ],
            }
            for package in row.packages
        ],
        "versions": [
            {
                "version": str(version.entry.version),
                "workspace": version.entry.environment.workspace.name,
                "latest": version.entry.latest,
                "archived": version.entry.archived,
                "labels": version.labels,
                "uses": [
                    {"kind": use.kind, "name": use.name, "workspace": use.workspace.name}
                    for use in version.uses
                ],
                "exposed_from": _time(version.since),
                "exposed_until": _time(version.until),
            }
            for version in row.versions
        ],
    }


def plain_promise(figures: Promise, late: list[Late]) -> dict[str, Any]:
    """Return the figures of the promise, and the images that are late."""
    return {
        "days": DAYS,
        "images_used": figures.used,
        "images_vulnerable": figures.vulnerable,
        "by_workspace": figures.by_workspace,
        "images": [
            {
                "workspace": row.image.workspace.name,
                "digest": row.image.digest,
                "version": row.version,
                "known_since": _time(row.known_since),
            }
            for row in late
        ],
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None
