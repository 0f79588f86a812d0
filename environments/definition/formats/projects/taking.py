"""From what a project requests to the lines of a definition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.requested import Markers, Requested


def take(draft: Draft, requested: Iterable[Requested], indexes: Mapping[str, str], requires: str) -> None:
    """Take these packages into the draft, without the project's own folders and those of other platforms."""
    requested = list(requested)
    markers = Markers.of(requires, requested)
    for each in requested:
        if each.folder:
            draft.note("project-left-out", each.at, what=each.name[:80])
            continue
        try:
            marker = markers.kept(each.marker)
        except ValueError as error:
            draft.note("bad-dependency", each.at, what=each.name[:80], why=str(error))
            continue
        if marker is None:
            draft.note("other-platform", each.at, what=each.name, platform=each.marker[:120])
            continue
        if each.narrowed:
            draft.note(
                "constraint-narrowed",
                each.at,
                what=each.name,
                written=each.narrowed[:120],
                read=each.specifier,
            )
        if each.index:
            _index(draft, each, indexes)
        draft.pip.append(each.at.moved(each.line(marker)))


def _index(draft: Draft, each: Requested, indexes: Mapping[str, str]) -> None:
    url = indexes.get(each.index.lower())
    if url is None:
        why = f"the project has no package index named {each.index[:40]!r}"
        draft.note("bad-dependency", each.at, what=each.name[:80], why=why)
    else:
        draft.package_indexes[each.key] = url
