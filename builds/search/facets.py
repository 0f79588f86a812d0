"""Facets: the states, people, tags, frameworks and kinds of what a search matches, with counts, each a term to add."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Exists

from builds.models import BuildState
from builds.search.conditions import Entries, images_of, last_build
from builds.search.query import KINDS, STATES, SearchQuery, term_of
from environments.models import Workspace

MOST_ROWS = 5_000  # versions that are counted; more than that is “5,000+”
MOST_VALUES = 8
QUALIFIERS = ("state", "by", "framework", "tag", "kind")


@dataclass(frozen=True)
class FacetValue:
    """A value with the environments that have it, and the query with or without its term."""

    value: str
    term: str
    count: int
    active: bool
    query: str


@dataclass(frozen=True)
class Facet:
    """The values of a qualifier, the most frequent first."""

    qualifier: str
    values: list[FacetValue]


def facets_of(entries: Entries, query: SearchQuery, workspace: Workspace) -> list[Facet]:
    """Return the facets of matching entries in one query; facets that narrow nothing are left out."""
    counted: dict[str, dict[str, set[int]]] = {name: defaultdict(set) for name in QUALIFIERS}
    annotated = entries.order_by().annotate(built=Exists(images_of(workspace)), last=last_build(workspace))
    columns = (
        "environment_id",
        "kind",
        "base",
        "tags",
        "frameworks",
        "created_by__username",
        "built",
        "last",
    )
    everything: set[int] = set()
    for environment, kind, base, tags, frameworks, name, built, last in annotated.values_list(*columns)[
        :MOST_ROWS
    ]:
        everything.add(environment)
        state = "ready" if built else "none" if last in (None, BuildState.SUCCEEDED) else last
        counted["state"][state].add(environment)
        for value in (kind, *([] if base else ["dockerfile"])):
            counted["kind"][value].add(environment)
        if name:
            counted["by"][name].add(environment)
        for tag in filter(None, tags.split("\n")):
            if not tag.startswith("framework="):
                counted["tag"][tag].add(environment)
        for framework in filter(None, frameworks.split("\n")):
            counted["framework"][framework].add(environment)
    return [
        facet
        for qualifier, values in counted.items()
        if (facet := _facet(qualifier, values, len(everything), query)).values
    ]


def _facet(qualifier: str, counted: dict[str, set[int]], total: int, query: SearchQuery) -> Facet:
    order = list(dict.fromkeys(STATES.values())) if qualifier == "state" else []
    ranked = sorted(counted, key=lambda value: (-len(counted[value]), value))
    values = []
    for value in order or ranked:
        count = len(counted.get(value, ()))
        term = term_of(qualifier, value)
        active = query.has(term)
        narrows = 0 < count < total
        if active or (count and (narrows or qualifier in ("state", "framework"))):
            text = query.without_term(term) if active else query.with_term(term)
            values.append(FacetValue(value, term, count, active, text))
    known = KINDS if qualifier == "kind" else None
    values = [value for value in values if known is None or value.value in known]
    values.sort(key=lambda value: not value.active)
    return Facet(qualifier, values[:MOST_VALUES])
