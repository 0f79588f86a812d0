"""The versions of an environment as a timeline: what each changed, who saved it, and what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest

from builds import queries
from builds.comparing import summaries
from builds.models import Build, Image, State
from environments.definition import Difference, diff
from environments.definition.difference import PackageChange
from environments.forms import asked_for
from environments.models import Environment, Version

ROWS = 20
NAMED = 6  # changes of a version that are named; the others are counted


@dataclass(frozen=True)
class Moment:
    """A version on the timeline, with the one before it and what differs between the two."""

    version: Version
    before: Version | None
    state: queries.ImageState
    difference: Difference | None
    resolved: str  # what differs between what the images of the two hold; empty where one has none
    build: Build | None  # that made its image

    @property
    def named(self) -> list[PackageChange]:
        """The first few packages that changed."""
        return list(self.difference.packages[:NAMED]) if self.difference else []

    @property
    def unnamed(self) -> int:
        """How many packages more changed."""
        return max(0, len(self.difference.packages) - NAMED) if self.difference else 0

    @property
    def others(self) -> list[Any]:
        """The first few of everything else that changed."""
        return list(self.difference.other[:NAMED]) if self.difference else []


def versions(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return what the tab of versions shows; the two that are chosen for comparing stay chosen from page to page."""
    environment: Environment = page["environment"]
    found = environment.versions.select_related("created_by", "based_on__environment__workspace")
    shown = Paginator(found.order_by("-number").defer("source"), ROWS).get_page(request.GET.get("page"))
    rows = list(shown)
    # The last one on the page changed something too: against the first one of the next page.
    rest = environment.versions.filter(number__lt=rows[-1].number) if rows else environment.versions.none()
    before = rest.order_by("-number").defer("source").first()
    for one in [*rows, *([before] if before else [])]:
        one.environment = environment
    there = {version.version for version in rows}
    prefix = f"{page['place'].name}/{environment.name}:"
    # Where nothing is chosen: the two newest of the page.
    usual = [f"{prefix}{one.version}" for one in [*rows, *([before] if before else [])][:2]] or [""]
    asked = {side: asked_for(request, side) for side in ("a", "b")}
    old = asked["a"] if asked["a"].startswith(prefix) else usual[-1]
    new = asked["b"] if asked["b"].startswith(prefix) else usual[0]
    return {
        "moments": _moments(rows, before, page["place"]),
        "page": shown,
        "prefix": prefix,
        "old": old,
        "new": new,
        "elsewhere": [
            (side, value)
            for side, value in (("a", old), ("b", new))
            if value.removeprefix(prefix) not in there
        ],
    }


def _moments(rows: list[Version], before: Version | None, place: Any) -> list[Moment]:
    everything = [*rows, *([before] if before else [])]
    states = queries.image_states(place, [version.hash for version in everything])
    images = {hash: state.image for hash, state in states.items() if state.image}
    made = _makers(images.values())
    olders = [*rows[1:], before]
    both = [(version, older) for version, older in zip(rows, olders, strict=True) if older]
    resolved = summaries(
        (images[older.hash], images[version.hash])
        for version, older in both
        if older.hash in images and version.hash in images
    )
    moments = []
    for version, older in zip(rows, olders, strict=True):
        state = states.get(version.hash, queries.NOT_BUILT)
        now, was = state.image, images.get(older.hash) if older else None
        difference = diff(older.definition, version.definition) if older else None
        words = resolved.get((was.pk, now.pk), "") if was and now else ""
        moments.append(Moment(version, older, state, difference, words, made.get(now.pk) if now else None))
    return moments


def _makers(images: Iterable[Image]) -> dict[int, Build]:
    """Return the build that made each of these images, by the image's key."""
    builds = Build.objects.filter(image__in=[one.pk for one in images], state=State.SUCCEEDED, reused=False)
    return {build.image_id: build for build in builds.order_by("queued_at") if build.image_id is not None}
