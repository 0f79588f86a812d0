"""The tab with an environment's versions as a timeline: changes, authors, labels, images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator

from builds.images.diff import change_counts
from builds.models import Build, BuildState, Image
from builds.pages import queries
from builds.queue.registry_tags import left_behind
from environments.access import origins_named
from environments.definition import Difference, diff
from environments.definition.difference import PackageChange
from environments.models import Environment, Version
from environments.requests import StudioRequest
from environments.versions.forms import query_param

ROWS = 20
MAX_NAMED_CHANGES = 6  # the others are counted


@dataclass(frozen=True)
class TimelineEntry:
    """A version on the timeline, with its predecessor and the difference between them."""

    version: Version
    predecessor: Version | None
    origin: Version | None  # that it was started from, if the user sees it
    state: queries.ImageState
    difference: Difference | None
    resolved: dict[str, int]  # changed packages between their images, by kind; empty if either has none
    build: Build | None  # that produced its image
    labels: list[str]
    movable: list[str]  # the environment's labels that other versions have

    @property
    def named(self) -> list[PackageChange]:
        """The first changed packages."""
        return list(self.difference.packages[:MAX_NAMED_CHANGES]) if self.difference else []

    @property
    def unnamed(self) -> int:
        """The number of further changed packages."""
        return max(0, len(self.difference.packages) - MAX_NAMED_CHANGES) if self.difference else 0

    @property
    def others(self) -> list[Any]:
        """The first changes that are not of packages."""
        return list(self.difference.other[:MAX_NAMED_CHANGES]) if self.difference else []


def versions(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the tab's context; the two versions chosen for comparison stay chosen across pages."""
    environment: Environment = page["environment"]
    saved = environment.versions.select_related("created_by", "based_on__environment__workspace")
    chunk = Paginator(saved.order_by("-number").defer("source"), ROWS).get_page(request.GET.get("page"))
    rows = list(chunk)
    # The last version of the page is compared with the first of the next page.
    older = environment.versions.filter(number__lt=rows[-1].number) if rows else environment.versions.none()
    previous = older.order_by("-number").defer("source").first()
    for version in [*rows, *([previous] if previous else [])]:
        version.environment = environment
    on_page = {version.version for version in rows}
    prefix = f"{page['workspace'].name}/{environment.name}:"
    # By default the two newest versions of the page are compared.
    default = [
        f"{prefix}{version.version}" for version in [*rows, *([previous] if previous else [])][:2]
    ] or [""]
    requested = {side: query_param(request, side) for side in ("a", "b")}
    old = requested["a"] if requested["a"].startswith(prefix) else default[-1]
    new = requested["b"] if requested["b"].startswith(prefix) else default[0]
    labels = dict(environment.labels.values_list("name", "version_id"))
    return {
        "left_behind": left_behind(environment).exclude(problem=""),
        "entries": _timeline(rows, previous, page["workspace"], labels, origins_named(rows, request.user)),
        "page": chunk,
        "prefix": prefix,
        "old": old,
        "new": new,
        "elsewhere": [
            (side, value)
            for side, value in (("a", old), ("b", new))
            if value.removeprefix(prefix) not in on_page
        ],
    }


def _timeline(
    rows: list[Version],
    previous: Version | None,
    workspace: Any,
    labels: dict[str, int],
    origins: dict[int, Version],
) -> list[TimelineEntry]:
    shown = [*rows, *([previous] if previous else [])]
    states = queries.image_states(workspace, [version.hash for version in shown])
    images = {hash: state.image for hash, state in states.items() if state.image}
    builds = _producing_builds(images.values())
    predecessors = [*rows[1:], previous]
    pairs = [
        (version, predecessor) for version, predecessor in zip(rows, predecessors, strict=True) if predecessor
    ]
    resolved = change_counts(
        (images[predecessor.hash], images[version.hash])
        for version, predecessor in pairs
        if predecessor.hash in images and version.hash in images
    )
    entries = []
    for version, predecessor in zip(rows, predecessors, strict=True):
        state = states.get(version.hash, queries.NOT_BUILT)
        new_image, old_image = state.image, images.get(predecessor.hash) if predecessor else None
        difference = diff(predecessor.definition, version.definition) if predecessor else None
        changes = resolved.get((old_image.pk, new_image.pk), {}) if old_image and new_image else {}
        entries.append(
            TimelineEntry(
                version,
                predecessor,
                origins.get(version.pk),
                state,
                difference,
                changes,
                builds.get(new_image.pk) if new_image else None,
                [name for name, on in labels.items() if on == version.pk],
                [name for name, on in labels.items() if on != version.pk],
            )
        )
    return entries


def _producing_builds(images: Iterable[Image]) -> dict[int, Build]:
    """Return the build that produced each image, by image id."""
    builds = Build.objects.filter(
        image__in=[image.pk for image in images], state=BuildState.SUCCEEDED, reused=False
    )
    return {build.image_id: build for build in builds.order_by("queued_at") if build.image_id is not None}
