"""The gallery of curated environments: cards with facts that are known before any build, and facets that count."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from builds.exposure.columns import Exposure, exposures
from builds.images.repositories import name_of
from builds.pages.queries import NOT_BUILT, ImageState, image_states
from builds.search.conditions import find
from builds.search.query import STATES as QUERY_STATES
from builds.search.query import SearchQuery, term_of
from environments.catalogue.deprecations import catalogue_deprecations
from environments.definition.packages.constraints import BadConstraint
from environments.definition.summary import Summary, is_gpu_device, summarize
from environments.models import ListEntry, Version, Workspace
from environments.models.catalogue import Deprecation
from environments.paging import BoundedCount
from environments.public_url import public_host
from environments.requests import StudioRequest
from environments.versions.listing import MAX_SEARCH_RESULTS, SORTS, listings_of
from studio.catalogue.artwork import OTHER, drawing_of, framework_label, framework_of
from studio.catalogue.usage import NO_USE, Use, count_uses
from studio.markdown import first_line

CARDS = 24
MAX_SUMMARIES = 5_000
STATES = {"ready": _("Ready"), "building": _("Building"), "failed": _("Failed"), "none": _("Not built")}
DEVICES = {"cpu": _("CPU"), "gpu": _("GPU")}

# By hash: the same definition always requests the same, so a warm page reads no definition.
_summaries: dict[str, Summary] = {}


@dataclass(frozen=True)
class Entry:
    """A curated environment with the values that facets filter by."""

    version_id: int
    tags: dict[str, str]
    summary: Summary
    image: ImageState
    deprecation: Deprecation | None

    @cached_property
    def framework(self) -> str:
        """The framework, in lower case."""
        return framework_of(self.tags, (package.name for package in self.summary.packages))

    @cached_property
    def device(self) -> str:
        """The device that it is for: cpu or gpu."""
        return "gpu" if self.summary.gpu or is_gpu_device(self.tags) else "cpu"

    @cached_property
    def python(self) -> str:
        """The Python: of the image, else the requested one; empty if neither is known."""
        built = ".".join(self.image.image.python.split(".")[:2]) if self.image.image else ""
        return built or self.summary.python

    @cached_property
    def states(self) -> list[str]:
        """The states that it counts for."""
        state = self.image.state
        state = "building" if state in ("queued", "running") else state if state in STATES else "none"
        return [state, *(["deprecated"] if self.deprecation else [])]


FACETS: dict[str, Callable[[Entry], list[str]]] = {
    "state": lambda entry: entry.states,
    "framework": lambda entry: [entry.framework],
    "python": lambda entry: [entry.python] if entry.python else [],
    "device": lambda entry: [entry.device],
}
"""The qualifiers of the search that the gallery counts by what its cards show."""


@dataclass(frozen=True)
class FacetValue:
    """A value, with the number of environments that it leaves, and the query with its term, or without it if active."""

    value: str
    label: str | Promise
    term: str
    count: int
    active: bool
    query: str


@dataclass(frozen=True)
class Facet:
    """The values of a qualifier."""

    qualifier: str
    values: list[FacetValue]


@dataclass(frozen=True)
class Card:
    """A curated environment as its card shows it."""

    version: Version
    entry: Entry
    use: Use
    drawing: str
    framework: str | Promise
    exposure: Exposure | None = None

    @property
    def about(self) -> str:
        """The first line of the description, without Markdown's marks."""
        return first_line(self.version.description)[:300]

    def command(self, host: str) -> str:
        """Return the command that starts a container with it."""
        options = list(self.entry.summary.run_options)
        if self.entry.device == "gpu" and not any(option.startswith("--gpus") for option in options):
            options += ["--gpus", "all"]
        return shlex.join(
            ["docker", "run", "--rm", "-it", *options, f"{host}/{name_of(self.version)}", "python"]
        )


class _Pages(Paginator):  # type: ignore[type-arg]
    @property
    def total(self) -> BoundedCount:
        """The number of cards, as lists have it."""
        return BoundedCount(self.count)


@dataclass(frozen=True)
class Gallery:
    """The cards of one page, each with the command that runs it, and the facets of all."""

    page: Any
    cards: list[tuple[Card, str]]
    facets: list[Facet]
    problem: str = ""


def gallery_of(
    request: StudioRequest,
    catalogue: Workspace,
    search: SearchQuery,
    *,
    archived: bool,
    sort: str,
    problem: str = "",
) -> Gallery:
    """Return the gallery that a search describes, in a constant number of queries; empty with a problem of the search."""
    chosen, others = _read(search.terms)
    try:
        listed = listings_of(catalogue, archived=archived)
        rows = find(listed, SearchQuery.read(" ".join(others)), catalogue, user=request.user)
    except BadConstraint as error:
        problem = str(error)
    if problem:
        rows = ListEntry.objects.none()
    entries = _entries(catalogue, rows.order_by(*SORTS[sort]))
    shown = [entry for entry in entries if _fits(entry, chosen)]
    page = _Pages(shown, CARDS).get_page(request.GET.get("page"))
    host = public_host(request)
    cards = [(card, card.command(host)) for card in _cards(list(page))]
    return Gallery(page, cards, _facets(entries, chosen, search), problem)


def _read(terms: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the values of the gallery's own qualifiers, and the terms that the database answers."""
    chosen: dict[str, str] = {}
    others = []
    for term in terms:
        qualifier, value = _facet_of(term)
        if qualifier:
            chosen[qualifier] = value
        else:
            others.append(term)
    return chosen, others


def _facet_of(term: str) -> tuple[str, str]:
    name, _colon, value = term.lower().partition(":")
    name, value = {"status": "state"}.get(name, name), value.strip('"')
    if (name, value) == ("is", "deprecated"):
        return "state", value
    if name == "state":
        value = {"queued": "building", "running": "building"}.get(QUERY_STATES.get(value, ""), value)
    return (name, value) if name in FACETS and value else ("", "")


def _fits(entry: Entry, chosen: dict[str, str]) -> bool:
    return all(value in FACETS[name](entry) for name, value in chosen.items())


def _facets(entries: list[Entry], chosen: dict[str, str], search: SearchQuery) -> list[Facet]:
    facets = []
    for name, values_of in FACETS.items():
        others = {other: value for other, value in chosen.items() if other != name}
        counts = Counter(value for entry in entries if _fits(entry, others) for value in values_of(entry))
        now = chosen.get(name, "")
        if now:
            counts.setdefault(now, 0)  # what was chosen can be ended, also where nothing is left
        rest = [term for term in search.terms if _facet_of(term)[0] != name]
        values = []
        for value in _ordered(name, counts):
            term = "is:deprecated" if value == "deprecated" else term_of(name, value)
            query = " ".join(rest if value == now else [*rest, term])
            label = _label(name, value)
            values.append(FacetValue(value, label, term, counts[value], value == now, query))
        if values:
            facets.append(Facet(name, values))
    return facets


def _ordered(name: str, counts: Counter[str]) -> list[str]:
    if name == "framework":
        return sorted(counts, key=lambda value: (value == OTHER, -counts[value], value))
    if name == "python":
        return sorted(counts, key=lambda value: [int(part) for part in value.split(".") if part.isdecimal()])
    order = [*DEVICES, *STATES, "deprecated"]
    return sorted(counts, key=lambda value: order.index(value) if value in order else len(order))


def _label(name: str, value: str) -> str | Promise:
    if name == "framework":
        return _("Other") if value == OTHER else framework_label(value)
    if name == "device":
        return DEVICES.get(value, value)
    if name == "state":
        return _("Deprecated") if value == "deprecated" else STATES.get(value, value)
    return value


def _entries(catalogue: Workspace, rows: Any) -> list[Entry]:
    values = list(
        rows.values_list("version_id", "version__hash", "version__tags", "environment_id")[
            :MAX_SEARCH_RESULTS
        ]
    )
    _summarize({hash: version for version, hash, _tags, _environment in values})
    images = image_states(catalogue, [hash for _version, hash, *_more in values])
    leaving: dict[tuple[int, int | None], Deprecation] = {
        (row.environment_id, row.version_id): row for row in catalogue_deprecations(catalogue)
    }
    return [
        Entry(
            version_id=version,
            tags=tags,
            summary=_summaries[hash],
            image=images.get(hash, NOT_BUILT),
            deprecation=leaving.get((environment, version)) or leaving.get((environment, None)),
        )
        for version, hash, tags, environment in values
    ]


def _summarize(versions: dict[str, int]) -> None:
    """Read the definitions that are not summarized yet, in one query."""
    if len(_summaries) > MAX_SUMMARIES:
        _summaries.clear()
    unread = [pk for hash, pk in versions.items() if hash not in _summaries]
    if unread:
        for version in Version.objects.filter(pk__in=unread).only("hash", "data"):
            _summaries[version.hash] = summarize(version.definition)


def summary_of(version: Version) -> Summary:
    """Return what a version requests."""
    if version.hash not in _summaries:
        _summarize({version.hash: version.pk})
    return _summaries[version.hash]


def _cards(entries: Iterable[Entry]) -> list[Card]:
    entries = list(entries)
    rows = Version.objects.filter(pk__in=[entry.version_id for entry in entries])
    versions = {row.pk: row for row in rows.select_related("environment__workspace").defer("data", "source")}
    images = [entry.image.image for entry in entries if entry.image.image]
    uses = count_uses(versions.values(), images)
    exposed = exposures({image.pk: image.base_contents for image in images})
    return [
        Card(
            version=versions[entry.version_id],
            entry=entry,
            use=uses.get(versions[entry.version_id].environment_id, NO_USE),
            drawing=drawing_of(entry.tags, entry.framework),
            framework=_label("framework", entry.framework),
            exposure=exposed.get(entry.image.image.pk) if entry.image.image else None,
        )
        for entry in entries
        if entry.version_id in versions
    ]
