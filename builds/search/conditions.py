"""The versions that a query matches, as conditions of the database."""

from __future__ import annotations

from typing import Any, TypeVar

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat

from builds.exposure.columns import NONE, vulnerable
from builds.images.packages import matching, visible_images
from builds.models import Build, BuildState
from builds.search.guarantees import guarantees
from builds.search.query import SearchQuery
from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.models import ListEntry, Pin, RequestedPackage, VersionEntry, Workspace
from environments.versions.listing import entries_of

M = TypeVar("M", bound=Model)
Entries = QuerySet[VersionEntry]
Person = User | AnonymousUser | None


def find(
    rows: QuerySet[M],
    query: SearchQuery | str,
    workspace: Workspace,
    *,
    user: Person = None,
    all_versions: bool = False,
) -> QuerySet[M]:
    """Return the rows whose latest version matches a query, or any version: rows of lists, or latest versions.

    Raises BadConstraint.
    """
    query = SearchQuery.read(query) if isinstance(query, str) else query
    if not query.terms:
        return rows
    entries = entries_of(workspace, archived=True, all_versions=all_versions)
    if all_versions:
        entries = entries.filter(Q(archived=False) | Q(latest=True))
    entries = matching_entries(entries, query, workspace, user)
    if all_versions:
        return rows.filter(environment__in=entries.values("environment"))
    version = "version" if rows.model is ListEntry else "pk"
    return rows.filter(**{f"{version}__in": entries.values("version")})


def matching_entries(entries: Entries, query: SearchQuery, workspace: Workspace, user: Person) -> Entries:
    """Return the entries that match every term. Raises BadConstraint."""
    for text in query.texts:
        entries = entries.filter(search_text__contains=text)
    for constraint in query.packages:
        entries = entries.filter(_holds(constraint, workspace, query.memo))
    for qualifier, value in query.fields:
        entries = entries.filter(_condition(qualifier, value, workspace, user))
    return entries


def images_of(workspace: Workspace) -> Any:
    """Return the images of an entry, for conditions: those that its workspace may use."""
    return visible_images([workspace]).filter(hash=OuterRef("hash"))


def _holds(constraint: Constraint, workspace: Workspace, memo: dict[Any, Any]) -> Q:
    """Return the condition that a version's image has a package, or that it is requested and not built.

    A page reads a search several times; `memo` keeps what its first reading looked up.
    """
    key = (constraint, workspace.pk)
    if key not in memo:
        memo[key] = matching(constraint), matching_requests(constraint, workspace)
    packages, requests = memo[key]
    images = visible_images([workspace]).filter(package_rows__package__in=packages)
    requested = requests.values("version")
    return Q(hash__in=images.values("hash")) | Q(Q(version__in=requested), ~Exists(images_of(workspace)))


def matching_requests(constraint: Constraint, workspace: Workspace) -> QuerySet[RequestedPackage]:
    """Return the requested packages of a workspace's versions that surely fit a constraint."""
    rows = RequestedPackage.objects.filter(name=constraint.name, version__entry__workspace=workspace)
    if not constraint.parts:
        return rows
    spellings = rows.order_by().values_list("ecosystem", "exact", "constraint").distinct()
    fitting = ["|".join(spelling) for spelling in spellings if guarantees(*spelling, constraint)]
    spelling = Concat(F("ecosystem"), Value("|"), F("exact"), Value("|"), F("constraint"))
    return rows.alias(spelling=spelling).filter(spelling__in=fitting)


def _condition(qualifier: str, value: str, workspace: Workspace, user: Person) -> Q | Exists:
    match qualifier:
        case "tag":
            start = "\n" + " ".join(value.split("\n"))
            return Q(tags__contains=f"{start}\n") | (
                Q(pk__in=[]) if "=" in value else Q(tags__contains=f"{start}=")
            )
        case "framework":
            return Q(frameworks__contains=f"\n{value}\n")
        case "base":
            return Q(search_text__contains=value, base__icontains=value)
        case "kind":
            by_base = {"dockerfile": Q(base=""), "image": ~Q(base="")}
            return by_base.get(value, Q(kind=value))
        case "by":
            return _saved_by(value, user)
        case "label":
            return _label(value, workspace)
        case "vulnerability":
            return _vulnerable(value, workspace)
        case "is":
            return _saved_by("me", user) if value == "mine" else _pinned(user)
        case _:
            return _in_state(value, workspace)


def _vulnerable(value: str, workspace: Workspace) -> Q:
    """Return the condition that a version's image has a known vulnerability; `none`, that it has an image and none."""
    vulnerable_images = Exists(images_of(workspace).filter(vulnerable(value)))
    if value == NONE:
        return Q(Exists(images_of(workspace))) & ~Q(vulnerable_images)
    return Q(vulnerable_images)


def _saved_by(name: str, user: Person) -> Q:
    if name == "me" and user is not None and user.is_authenticated:
        return Q(created_by=user)
    return Q(created_by__username__iexact=name)


def _pinned(user: Person) -> Q:
    pins = Pin.objects.filter(user=user.pk if user is not None and user.is_authenticated else None)
    return Q(environment__in=pins.values("environment"))


def _label(name: str, workspace: Workspace) -> Q:
    """Return the condition of a label; versions have labels of their own where their table is installed."""
    if name == "latest":
        return Q(latest=True)
    labels = apps.all_models["environments"].get("versionlabel")
    if labels is None:
        raise BadConstraint(f"“{name}” isn't a label. Try label:latest.")
    named = labels._default_manager.filter(environment__workspace=workspace, name__iexact=name)
    return Q(version__in=named.values("version"))


def last_build(workspace: Workspace) -> Subquery:
    """Return the state of the last build of an entry's definition."""
    builds = Build.objects.filter(workspace=workspace, hash=OuterRef("hash")).order_by("-queued_at", "-pk")
    return Subquery(builds.values("state")[:1])


def _in_state(state: str, workspace: Workspace) -> Q:
    """Return the condition of a state as lists show it (`builds.pages.queries.image_states`)."""
    built = Exists(images_of(workspace))
    if state == "ready":
        return Q(built)
    matching = VersionEntry.objects.filter(workspace=workspace).alias(last=last_build(workspace))
    if state == "none":
        matching = matching.filter(Q(last=None) | Q(last=BuildState.SUCCEEDED))
    else:
        matching = matching.filter(last=state)
    return Q(~built) & Q(pk__in=matching.values("pk"))
