"""Look up a base's reference in its registry, and tags that are newer patches of it. No layer is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import httpx

from builds.imaging.answers import bounded
from builds.imaging.bases.documents import MOST_CONFIG_BYTES, blobs_of, config_of
from builds.imaging.bases.model import created_at
from builds.imaging.bases.pull import MISSING_HERE, manifests_for
from builds.imaging.registry_client import AskAgain, Registry, repositories_for
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.bounded_json import read_json
from environments.definition.syntax.reference import ImageReference

Answer = TypeVar("Answer")
MOST_TAG_BYTES = 1024**2  # of one answer
MOST_PAGES = 10
MOST_TAGS = 20_000
_PAGE = 1_000
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PATCH = re.compile(r"(v?\d{1,4}\.\d{1,4}\.)(\d{1,6})((?![.\d]).*)?")
_DATED = re.compile(r"(20\d{6})(.*)")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class TagNow:
    """The digest that a reference means on some platforms now, and when its image was created, if it says so."""

    digest: str
    created_at: datetime | None


def look_up(reference: str, platforms: Sequence[str], workshop: Workshop) -> TagNow:
    """Return what a reference means now, to builds: from a mirror if there is one. Raises ImageError."""
    parsed = ImageReference.parse(reference)
    return _first(parsed, workshop, lambda registry: _look_up(registry, parsed, platforms))


def newer_patch(reference: str, workshop: Workshop) -> str:
    """Return the tag with the newest patch of a reference's own tag; empty for none. Raises ImageError."""
    parsed = ImageReference.parse(reference)
    tag = parsed.tag
    if parsed.digest or not tag or _rank(tag) is None:
        return ""
    return _first(parsed, workshop, lambda registry: newest_of(tag, _tags(registry)))


def _look_up(registry: Registry, parsed: ImageReference, platforms: Sequence[str]) -> TagNow:
    wanted = parsed.digest or parsed.tag or "latest"
    digest, manifests = manifests_for(registry, wanted, str(parsed), platforms)
    body, described = manifests[0]
    config, _ = blobs_of(str(parsed), body)
    created = created_at(config_of(str(parsed), registry.small_blob(config, MOST_CONFIG_BYTES)))
    return TagNow(digest if len(platforms) > 1 else described.digest, created)


def _first(parsed: ImageReference, workshop: Workshop, ask: Callable[[Registry], Answer]) -> Answer:
    """Return the answer of the first repository that has one: the mirror, then the registry itself."""
    repositories = repositories_for(parsed.registry, parsed.repository, workshop)
    for number, repository in enumerate(repositories, start=1):
        with closing(Registry(repository)) as registry:
            try:
                return ask(registry)
            except ImageError as error:
                if number == len(repositories) or error.code not in MISSING_HERE:
                    raise
    raise AssertionError("a registry has at least one repository")


def newest_of(tag: str, tags: Iterable[str]) -> str:
    """Return the newest patch of a tag among others: of "3.11.9-slim" only "3.11.10-slim" and the like; else empty.

    Tags that begin with a date ("20240101.v1") are newer by their numbers.
    """
    best, newest = _rank(tag), ""
    if best is None:
        return ""
    family = best[0]
    for other in tags:
        rank = _rank(other)
        if rank is not None and rank[0] == family and rank[1] > best[1]:
            best, newest = rank, other
    return newest


def _rank(tag: str) -> tuple[tuple[str, str], tuple[int, ...]] | None:
    """Return what a tag shares with its other patches, and the numbers that order them."""
    if not _TAG.fullmatch(tag):
        return None
    if (matched := _PATCH.fullmatch(tag)) is not None:
        return (matched[1], matched[3] or ""), (int(matched[2]),)
    if _DATED.fullmatch(tag) is not None:
        return ("", _NUMBER.sub("#", tag)), tuple(int(number) for number in _NUMBER.findall(tag))
    return None


def _tags(registry: Registry) -> list[str]:
    """Return the tags of a repository; of very many, the first. Raises ImageError."""
    tags: list[str] = []
    last = ""
    try:
        for _ in range(MOST_PAGES):
            with registry.tags_page(_PAGE, last) as response:
                listed = read_json(bounded(response, MOST_TAG_BYTES)).get("tags") or []
                more = "link" in response.headers
            page = [tag for tag in listed if isinstance(tag, str)]
            tags += page
            if not more or not page or len(tags) >= MOST_TAGS or page[-1] == last:
                break
            last = page[-1]
    except (ValueError, AttributeError, RecursionError, TypeError) as error:
        raise registry.unreachable("its list of tags can't be read") from error
    except (AskAgain, httpx.TransportError) as error:
        raise registry.unreachable(error) from error
    return tags
