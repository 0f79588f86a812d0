"""The results of the palette: environments, versions, builds, images, packages, people, pages and commands."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from builds.images.packages import visible_images
from builds.models import Build, Image, ImagePackage, Package
from builds.search.conditions import find
from environments.access import Right, may
from environments.definition.packages.constraints import BadConstraint
from environments.definition.packages.specs import pip_name
from environments.models import Member, RequestedPackage, Version, VersionEntry, Workspace
from environments.versions.listing import listings_of
from studio.labels import STATES
from studio.templatetags.studio import package_url

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST = 6  # of a kind
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


@dataclass(frozen=True)
class Result:
    """A line of the palette: a link, or with `sends` a form that is posted to `url`."""

    title: StrOrPromise
    url: str
    icon: str
    detail: StrOrPromise = ""
    sends: tuple[str, str] | None = None  # a field's name and value


@dataclass(frozen=True)
class Group:
    """Results of a kind under their heading."""

    name: str
    label: str
    results: list[Result] = field(default_factory=list)


def search_everything(workspace: Workspace, user: User, query: str, commands: list[Result]) -> list[Group]:
    """Return what a query matches in a workspace and the catalogue, in a bounded number of queries."""
    named = [command for command in commands if _matches(f"{command.title} {command.detail}", query)]
    groups = [Group("commands", _("Pages and commands"), named[: MOST if query else 12])]
    if query:
        catalogue = Workspace.objects.filter(curated=True).exclude(pk=workspace.pk).first()
        groups = [
            Group("environments", _("Environments"), _environments(workspace, user, query)),
            Group("versions", _("Versions"), _versions(workspace, query)),
            Group("packages", _("Packages"), _packages(workspace, query)),
            Group("builds", _("Builds"), _builds(workspace, query)),
            Group("images", _("Images"), _images(workspace, query)),
            Group("curated", _("Curated"), _environments(catalogue, user, query) if catalogue else []),
            Group("people", _("People"), _people(workspace, user, query)),
            *groups,
        ]
    # Names that have the query come before texts that have it.
    groups.sort(key=lambda group: not any(_matches(str(result.title), query) for result in group.results))
    return [group for group in groups if group.results]


def _matches(text: str, query: str) -> bool:
    text = text.lower()
    return all(word in text for word in query.lower().split())


def _environments(workspace: Workspace, user: User, query: str) -> list[Result]:
    try:
        rows = find(listings_of(workspace), query, workspace, user=user)
        rows = rows.select_related("version__environment__workspace").defer(
            "version__data", "version__source"
        )
        start = pip_name(query)
        named = rows.filter(name__contains=query.lower()).order_by("name")[:MOST]
        matching = {row.pk: row for row in (*named, *rows.order_by("-changed_at", "-environment_id")[:MOST])}
    except BadConstraint:
        return []
    results = sorted(
        matching.values(), key=lambda row: (query.lower() not in row.name, not row.name.startswith(start))
    )
    return [
        Result(
            row.version.environment.shown_name,
            reverse("environment", args=[workspace.name, row.version.environment.name]),
            "layers-intersect" if workspace.curated else "stack-2",
            row.version.description.partition("\n")[0][:120],
        )
        for row in results[:MOST]
    ]


def _versions(workspace: Workspace, query: str) -> list[Result]:
    """Return versions by `name:version` or by the start of their hash, older ones too."""
    name, colon, number = query.rpartition("/")[2].partition(":")
    hex_digits = _HEX.fullmatch(query.lower())
    if colon and name:
        condition = Q(environment__name__icontains=name, version__version__startswith=number)
    elif hex_digits:
        condition = Q(hash__startswith=hex_digits[1])
    else:
        return []
    spaces = [workspace, *Workspace.objects.filter(curated=True).exclude(pk=workspace.pk)]
    entries = VersionEntry.objects.filter(condition, workspace__in=spaces)
    rows = entries.order_by("environment__name", "-number").values_list(
        "workspace__name", "environment__name", "version__version", "hash"
    )
    return [
        Result(f"{name}:{version}", reverse("version", args=[space, name, version]), "versions", hash)
        for space, name, version, hash in rows[:MOST]
    ]


def _builds(workspace: Workspace, query: str) -> list[Result]:
    """Return builds by the start of their id, and the last builds of environments with this name."""
    digits = query.lower().replace("-", "")
    condition = Q(version__environment__name__icontains=query)
    if re.fullmatch(r"[0-9a-f]{4,32}", digits):
        first, last = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
        condition |= Q(pk__gte=first, pk__lte=last)
    builds = Build.objects.filter(condition, workspace=workspace).order_by("-queued_at")
    builds = builds.select_related("version__environment").only(
        "pk", "state", "queued_at", "version__version", "version__environment__name"
    )
    return [
        Result(
            f"{build.version} · {STATES[build.state][0]}",
            reverse("builds:build", args=[workspace.name, build.pk]),
            "hammer",
            str(build.pk)[:8],
        )
        for build in builds[:MOST]
    ]


def _images(workspace: Workspace, query: str) -> list[Result]:
    """Return images by the start of their digest or their definition's hash."""
    digits = _HEX.fullmatch(query.lower())
    if digits is None:
        return []
    condition = Q(digest__startswith=f"sha256:{digits[1]}") | Q(hash__startswith=digits[1])
    images = (
        Image.objects.filter(condition, workspace=workspace)
        .order_by("-built_at")
        .only("digest", "hash")[:MOST]
    )
    images = list(images)
    names = _names_by_hash(workspace, [image.hash for image in images])
    return [
        Result(
            names.get(image.hash, image.hash[:12]),
            f"{reverse('builds:images', args=[workspace.name])}?{urlencode({'q': image.hash})}",
            "box",
            image.digest[:26],
        )
        for image in images
    ]


def _names_by_hash(workspace: Workspace, hashes: Iterable[str]) -> dict[str, str]:
    versions = Version.objects.named().filter(environment__workspace=workspace, hash__in=list(hashes))
    rows = versions.order_by("number").values_list("hash", "environment__name", "version")
    return {hash: f"{name}:{version}" for hash, name, version in rows}


def _packages(workspace: Workspace, query: str) -> list[Result]:
    """Return packages that images have or versions request, by a part of their name."""
    part = pip_name(query.partition("<")[0].partition(">")[0].partition("=")[0].strip())[:200]
    if not part or " " in part:
        return []
    entries = VersionEntry.objects.filter(workspace=workspace)
    images = visible_images([workspace]).filter(hash__in=entries.values("hash"))
    held = ImagePackage.objects.filter(package=OuterRef("pk"), image__in=images.values("pk"))
    resolved = Package.objects.filter(Exists(held), name__contains=part).order_by("name")
    requested = RequestedPackage.objects.filter(version__entry__workspace=workspace, name__contains=part)
    names = set(resolved.values_list("name", flat=True).distinct()[:200])
    names |= set(requested.order_by("name").values_list("name", flat=True).distinct()[:200])
    ranked = sorted(names, key=lambda name: (name != part, not name.startswith(part), name))
    linked = [(name, package_url(workspace.name, name)) for name in ranked[:MOST]]
    return [Result(name, url, "package") for name, url in linked if url]


def _people(workspace: Workspace, user: User, query: str) -> list[Result]:
    if not may(user, Right.MANAGE_MEMBERS, workspace):
        return []
    members = Member.objects.filter(workspace=workspace, user__username__icontains=query)
    url = f"{reverse('environments:settings', args=[workspace.name])}?tab=members"
    rows = members.select_related("user").order_by("user__username")[:MOST]
    return [Result(member.user.get_username(), url, "user", member.get_role_display()) for member in rows]
