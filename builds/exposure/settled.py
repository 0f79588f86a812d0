"""Which advisories don't count for an image, as every version that shares it has a decision that settles them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from builds.exposure.among import among
from builds.exposure.scopes import Scope, within
from builds.exposure.triage import SETTLED, decisions_about, holding
from builds.models import Image, Triage
from environments.models import VersionEntry

Pair = tuple[int, int]  # image, advisory


def settled_on(images: Collection[int], advisories: Iterable[int], scope: Scope = None) -> set[Pair]:
    """Return the pairs of image and advisory that don't count as exposed.

    An image is shared by versions: all of them (of the workspaces in `scope`) must have a decision that settles the
    advisory. An image of no version has the studio's decisions alone. One query, as long as nothing was decided about them;
    of many images, only those of environments with decisions of their own are looked at one by one.
    """
    settling = holding().filter(state__in=SETTLED).order_by().values_list("advisory", flat=True).distinct()
    decided = set(advisories).intersection(settling)
    if not decided:
        return set()
    decisions = decisions_about(decided)
    versions = _versions(_of_environments(images, decisions.environments), scope)
    everywhere = [advisory for advisory in decided if decisions.settled(advisory)]
    result = {(image, advisory) for image in images if image not in versions for advisory in everywhere}
    result.update(
        (image, advisory)
        for image, pairs in versions.items()
        for advisory in decided
        if all(decisions.settled(advisory, *pair) for pair in pairs)
    )
    return result


def _of_environments(images: Collection[int], environments: Collection[int]) -> list[int]:
    """Return those of some images that versions of these environments have, and perhaps others."""
    if not environments:
        return []
    hashes = VersionEntry.objects.filter(among("environment", environments)).order_by().values("hash")
    return list(Image.objects.filter(among("id", images), hash__in=hashes).values_list("pk", flat=True))


def _versions(images: Iterable[int], scope: Scope) -> dict[int, list[tuple[int | None, int | None]]]:
    """Return environment and version of each version that shares an image; a pair of None where there is none."""
    rows = Image.objects.filter(among("id", images))
    known = list(rows.values_list("pk", "hash", "workspace", "workspace__curated"))
    hashes = among("hash", (hash for _, hash, _, _ in known))
    entries = within(VersionEntry.objects.filter(hashes), scope)
    by_hash: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for hash, workspace, environment, version in entries.values_list(
        "hash", "workspace", "environment", "version"
    ):
        by_hash[hash].append((workspace, environment, version))
    return {
        pk: [
            (environment, version)
            for owner, environment, version in by_hash[hash]
            if curated or owner == workspace
        ]
        or [(None, None)]
        for pk, hash, workspace, curated in known
    }


def settled_everywhere() -> Iterable[int]:
    """Return a subquery of the advisories that a decision for the studio settles, and no narrower one reopens."""
    reopened = holding().exclude(environment=None).exclude(state__in=SETTLED).values("advisory")
    rows = Triage.objects.filter(pk__in=holding().values("pk"), environment=None, state__in=SETTLED)
    return rows.exclude(advisory__in=reopened).values("advisory")  # type: ignore[return-value]
