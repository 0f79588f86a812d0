"""The additions of uv and pdm to a project: indexes, options, constraints, overrides, the cutoff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from environments.definition.findings import cutoffs
from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.platforms import name_of
from environments.definition.formats.projects.pep621.manifest import requirements
from environments.definition.formats.projects.pep621.requests import (
    MOST_OF_A_NAME,
    Request,
    parsed,
)
from environments.definition.formats.projects.requested import MOST_REQUESTS
from environments.definition.packages.lock_lines import PYPI
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document

UV = ("tool", "uv")
PDM = ("tool", "pdm")


@dataclass(slots=True)
class Settings:
    """The options of a project as lines of pip's, and its indexes by name."""

    options: list[Placed] = field(default_factory=list)
    constraints: list[Placed] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, list[Placed]] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    package_indexes: dict[str, str] = field(default_factory=dict)
    """The packages that pdm takes from one index only."""


def settings(draft: Draft, document: Document) -> Settings:
    """Read [tool.uv] and [tool.pdm]."""
    result = Settings()
    _indexes(draft, document, result)
    _pdm_sources(draft, document, result)
    result.options += _options(draft, document)
    _constraints(draft, document, result)
    _overrides(draft, document, result)
    _cutoff(draft, document)
    _platforms(draft, document)
    _unread(draft, document)
    return result


def overridden(draft: Draft, result: Settings, requested: list[Request]) -> list[Request]:
    """Return the requests with the overrides in their written_at; the others become constraints."""
    names = {request.name for request in requested}
    kept: list[Request] = []
    for request in requested:
        if request.name in result.excluded:
            continue
        lines = result.overrides.get(request.name)
        if len(kept) > MOST_REQUESTS:
            limit = str(MOST_REQUESTS)
            raise draft.refuse("too-large", request.line, what="the project", size="larger", limit=limit)
        kept += [_in_its_place(request, line) for line in lines] if lines else [request]
    for name, lines in result.overrides.items():
        for line in lines if name not in names else ():
            _as_constraint(draft, result, line)
    for name in sorted(result.excluded - names):
        why = f"pip cannot leave {name} out where another package needs it"
        draft.note("setting-unread", None, what="exclude-dependencies", why=why)
    return kept


def _in_its_place(request: Request, line: Placed) -> Request:
    override, written = parsed(line), request.parsed()
    if override is None or written is None:
        return Request(line, request.extra, request.group, request.conditions)
    override.extras |= written.extras
    marker = (str(written.marker),) if written.marker else ()
    return Request(
        line.moved(str(override)) if written.extras else line,
        request.extra,
        request.group,
        (*request.conditions, *marker),
    )


def _as_constraint(draft: Draft, result: Settings, line: Placed) -> None:
    requirement = parsed(line)
    if requirement is None:
        draft.note("bad-requirement", line, what=str(line), why="it is not a requirement")
    elif requirement.specifier:
        requirement.extras = set()
        result.constraints.append(line.moved(f"--constraint {requirement}"))
        draft.note("override-as-constraint", line, what=str(line))
    else:
        why = "it holds the package to no version, which a constraint needs"
        draft.note("setting-unread", line, what=f"the override {line}", why=why)


def _indexes(draft: Draft, document: Document, result: Settings) -> None:
    uv = toml.table(document.values, *UV)
    lines: list[tuple[bool, Placed]] = []
    for number, index in enumerate(toml.items(uv, "index")):
        at = toml.at(draft, document, *UV, "index", number)
        url = toml.text(index, "url").rstrip("/") if isinstance(index, Mapping) else ""
        if not url:
            draft.note("missing-key", at, what="the url of an index")
            continue
        result.indexes.setdefault(
            toml.text(index, "name"), toml.at(draft, document, *UV, "index", number, "url").moved(url)
        )
        if index.get("format") == "flat":
            lines.append((False, at.moved(f"--find-links {url}")))
        elif index.get("explicit") is not True and url != PYPI:
            main = index.get("default") is True
            lines.append((main, at.moved(f"--{'' if main else 'extra-'}index-url {url}")))
    main = toml.text(uv, "index-url").rstrip("/")
    if main and main != PYPI:
        lines.append((True, toml.at(draft, document, *UV, "index-url").moved(f"--index-url {main}")))
    for key, option in (("extra-index-url", "--extra-index-url"), ("find-links", "--find-links")):
        for number, url in enumerate(toml.items(uv, key)):
            if isinstance(url, str) and url.rstrip("/") != PYPI:
                lines.append(
                    (False, toml.at(draft, document, *UV, key, number).moved(f"{option} {url.rstrip('/')}"))
                )
    # pip takes the last --index-url, and uv the first default.
    result.options += [line for first, line in lines if first][:1] + [
        line for first, line in lines if not first
    ]


def _pdm_sources(draft: Draft, document: Document, result: Settings) -> None:
    for number, source in enumerate(toml.items(toml.table(document.values, *PDM), "source")):
        at = toml.at(draft, document, *PDM, "source", number)
        url = toml.text(source, "url").rstrip("/") if isinstance(source, Mapping) else ""
        if not url:
            draft.note("missing-key", at, what="the url of a source")
            continue
        only = [name for name in toml.items(source, "include_packages") if isinstance(name, str)]
        for name in only:
            if "*" not in name:
                result.package_indexes.setdefault(pip_name(name), url)
        if source.get("type") == "find_links":
            result.options.append(at.moved(f"--find-links {url}"))
        elif url != PYPI and not only:
            option = "--index-url" if toml.text(source, "name") == "pypi" else "--extra-index-url"
            result.options.append(at.moved(f"{option} {url}"))


def _options(draft: Draft, document: Document) -> Iterator[Placed]:
    uv = toml.table(document.values, *UV)

    def at(*path: str | int) -> Placed:
        return toml.at(draft, document, *UV, *path)

    if uv.get("no-index") is True:
        yield at("no-index").moved("--no-index")
    if uv.get("prerelease") == "allow":
        yield at("prerelease").moved("--pre")
    for key, option in (("no-binary", "--no-binary"), ("no-build", "--only-binary")):
        if uv.get(key) is True:
            yield at(key).moved(f"{option} :all:")
        for number, name in enumerate(toml.items(uv, f"{key}-package")):
            if isinstance(name, str):
                yield at(f"{key}-package", number).moved(f"{option} {name}")
    resolution = toml.text(uv, "resolution")
    if resolution not in ("", "highest"):
        draft.note(
            "setting-unread", at("resolution"), what="resolution", why="the newest versions are solved"
        )


def _constraints(draft: Draft, document: Document, result: Settings) -> None:
    for line in requirements(draft, document, *UV, "constraint-dependencies"):
        result.constraints.append(line.moved(f"--constraint {line}"))


def _overrides(draft: Draft, document: Document, result: Settings) -> None:
    lines = requirements(draft, document, *UV, "override-dependencies")
    resolution = ("tool", "pdm", "resolution", "overrides")
    for name, version in toml.table(document.values, *resolution).items():
        if isinstance(version, str):
            sign = "" if version[:1] in "<>=!~" else "=="
            lines.append(toml.at(draft, document, *resolution, name).moved(f"{name}{sign}{version}"))
    for line in lines:
        same = result.overrides.setdefault(Request(line).name, [])
        if len(same) >= MOST_OF_A_NAME:
            limit = str(MOST_OF_A_NAME)
            raise draft.refuse(
                "too-large", line, what="the list of overrides of a package", size="longer", limit=limit
            )
        same.append(line)
    excluded = toml.items(toml.table(document.values, *UV), "exclude-dependencies")
    result.excluded = frozenset(pip_name(name) for name in excluded if isinstance(name, str))


def _cutoff(draft: Draft, document: Document) -> None:
    uv = toml.table(document.values, *UV)
    exceptions = toml.table(uv, "exclude-newer-package")
    written_at = {name: toml.at(draft, document, *UV, "exclude-newer-package", name) for name in exceptions}
    written_at[""] = toml.at(draft, document, *UV, "exclude-newer")
    cutoffs.take(draft, uv.get("exclude-newer"), exceptions, written_at)


def _platforms(draft: Draft, document: Document) -> None:
    uv = toml.table(document.values, *UV)
    given = uv.get("environments")
    markers = (
        [given]
        if isinstance(given, str)
        else [text for text in toml.items(uv, "environments") if isinstance(text, str)]
    )
    if not markers:
        return
    at = toml.at(draft, document, *UV, "environments")
    pythons = Pythons(draft.requires_python, markers, machine_of(draft.platform))
    try:
        meant = [pythons.where(marker) for marker in markers]
    except ValueError as error:
        draft.note("wrong-shape", at, what="environments", expected="a list of markers", found=str(error))
        return
    if not any(meant):
        known = "; ".join(markers)[:200]
        draft.note("project-platform", at, what=name_of(draft.platform), known=known)


def _unread(draft: Draft, document: Document) -> None:
    uv = toml.table(document.values, *UV)
    if uv.get("dependency-metadata"):
        at = toml.at(draft, document, *UV, "dependency-metadata")
        why = "the packages' own metadata are used"
        draft.note("setting-unread", at, what="dependency-metadata", why=why)
