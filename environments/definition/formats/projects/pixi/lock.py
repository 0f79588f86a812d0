"""pixi.lock in all its formats, 1 to 7: the exact packages of one environment on one platform."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from environments.definition.files.limits import Limits
from environments.definition.findings.result import Draft
from environments.definition.formats.platforms import KNOWN, choose_instead
from environments.definition.formats.projects.pixi import manifest, staleness
from environments.definition.formats.projects.pixi.lock_text import LockText
from environments.definition.formats.projects.pixi.workspace import DEFAULT, environment_of, listing
from environments.definition.formats.selection import note_parts
from environments.definition.formats.shapes import list_of, mapping_of, text_of
from environments.definition.formats.source import Source
from environments.definition.model import Selection, Target
from environments.definition.packages.lock_lines import PYPI, direct_line, index_lines, locked_line
from environments.definition.packages.locked import CONDA, PIP, SUBDIRS, LockedPackage, from_conda_url
from environments.definition.packages.specs import BadSpec, pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Tree, Unreadable

FORMAT = "pixi-lock"
NEWEST = 7
_VERSION = re.compile(r"(?m)^version:[ ]*(\d{1,9})[ ]*\r?$")
_ENVIRONMENTS = re.compile(r"(?m)^environments:[ ]*(?:\{.*)?\r?$")
_OF_PYPI = frozenset(("files.pythonhosted.org", "pypi.org", "pypi.python.org"))
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_MD5 = re.compile("[0-9a-fA-F]{32}")
_NEED = re.compile(r"[A-Za-z0-9_][\w.-]*")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pixi.lock."""
    if filename.rpartition("/")[2].lower() == manifest.LOCK:
        return True
    if filename.lower().endswith((".toml", ".txt")):
        return False
    return _VERSION.search(text) is not None and _ENVIRONMENTS.search(text) is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """A package of a lock in one shape for all formats; `at` is its line."""

    kind: str
    location: str
    at: Mapping
    name: str = ""
    version: str = ""
    sha256: str = ""
    md5: str = ""
    index: str = ""
    size: int | None = None
    requires: tuple[str, ...] = ()
    purls: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """The packages and settings of a lock for one environment and platform."""

    entries: tuple[Entry, ...]
    channels: tuple[Placed, ...] = ()
    indexes: tuple[Placed, ...] = ()
    links: tuple[Placed, ...] = ()
    target: Target = field(default_factory=Target)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read the lock into the draft, with what its manifest says about it. Refuses a lock that does not match it."""
    project = manifest.beside(draft, source, source.limits.definition)
    if draft.selection.ignore_lock and project:
        manifest.read_beside(draft, *project, source)
        return
    draft.locked = True
    requested = Selection(environment=draft.selection.environment, ignore_lock=draft.selection.ignore_lock)
    try:
        locked = _locked(draft, text, source.limits)
    except Unreadable as error:
        at = Placed("", error.line, error.column)
        raise draft.refuse("bad-yaml", at, what=str(error)) from None
    draft.target = locked.target
    draft.channels += locked.channels
    direct: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()
    if project:
        checked = staleness.check(draft, locked.entries, project, source, requested)
        direct, roots = checked.direct, checked.roots
    _fill_in(draft, locked, direct, roots)


def _locked(draft: Draft, text: str, limits: Limits) -> Locked:
    lock = LockText(text)
    version = _version(draft, text)
    if version < 4:
        return _of_one_environment(draft, lock)
    names = list(lock.environments)
    if names:
        _select(draft, names, Placed("", lock.line_of_environments))
    head = mapping_of(draft, lock.head(draft.selection.environment), "the lock")
    environments = mapping_of(draft, head.get("environments"), "environments")
    at = Placed("", head.keys["environments"].line if "environments" in head.keys else 1)
    if not names:
        _select(draft, list(environments.entries), at)
    name = draft.selection.environment
    environment = mapping_of(draft, environments.get(name), f"environments.{name}")
    platform, references = _platform(draft, head, environment, at)
    if len(references) > limits.packages:
        limit, size = f"{limits.packages} packages", f"{len(references)} packages"
        raise draft.refuse("too-large", at, what="the environment", size=size, limit=limit)
    wanted = [_reference(draft, item) for item in references]
    records = {_key(draft, part): part for part in lock.packages({location for _, location in wanted})}
    entries = []
    for (kind, location), item in zip(wanted, references, strict=True):
        record = records.get((kind, location))
        if record is None and kind in (CONDA, "pypi"):
            raise draft.refuse("missing-key", item, what=f"the package {location[:200]} in packages")
        entries.append(_entry(draft, kind, location, record or mapping_of(draft, item, "each package")))
    return Locked(
        tuple(entries),
        tuple(_urls(draft, environment, "channels")),
        tuple(_urls(draft, environment, "indexes")),
        tuple(_urls(draft, environment, "find-links")),
        _target(draft, platform),
    )


def _select(draft: Draft, names: list[str], at: Placed) -> None:
    """Offer the environments of the lock, and choose. Refuses a lock without any, and a selection that it lacks."""
    if not names:
        raise draft.refuse("empty-lock", at)
    environment_of(draft, names, at)
    note_parts(draft, "", at)


def _version(draft: Draft, text: str) -> int:
    match = _VERSION.search(text)
    version = int(match[1]) if match else NEWEST
    if match and not 1 <= version <= NEWEST:
        line = text.count("\n", 0, match.start()) + 1
        what = f"a pixi.lock of format {version}; formats 1 to {NEWEST} are read"
        raise draft.refuse(
            "not-a-definition", Placed("", line), what=what, help="Write it with a pixi of today."
        )
    return version


def _of_one_environment(draft: Draft, lock: LockText) -> Locked:
    """Return what a lock of format 1 to 3 holds, which is like conda-lock's."""
    environment_of(draft, [DEFAULT], Placed("", 1))
    wanted = SUBDIRS[draft.platform]
    parts = lock.packages_for(wanted)
    if not parts:
        raise _uncovered(draft, lock.platforms(), Placed("", 1))
    head = mapping_of(draft, lock.head(DEFAULT), "the lock")
    metadata = mapping_of(draft, head.get("metadata"), "metadata")
    entries = (_old_entry(draft, part) for part in parts)
    return Locked(
        tuple({entry.location: entry for entry in entries}.values()),
        tuple(_urls(draft, metadata, "channels")),
    )


def _old_entry(draft: Draft, part: Mapping) -> Entry:
    kind = "pypi" if _text(draft, part, "manager") == "pip" else CONDA
    digests = mapping_of(draft, part.get("hash"), "package.hash")
    location = _text(draft, part, "url")
    if not location:
        raise draft.refuse("missing-key", part, what="package.url")
    needs = part.get("dependencies")
    return Entry(
        kind,
        location,
        part,
        _text(draft, part, "name"),
        _text(draft, part, "version"),
        _digest(_text(draft, digests, "sha256"), _SHA256),
        _digest(_text(draft, digests, "md5"), _MD5),
        requires=tuple(needs.entries) if isinstance(needs, Mapping) else (),
    )


def _platform(
    draft: Draft, head: Mapping, environment: Mapping, at: Placed
) -> tuple[Mapping | None, list[Tree]]:
    """Return the platform that is read, and its packages; from format 7 on it may have a name of its own."""
    described: dict[str, Mapping] = {}
    for node in list_of(draft, head.get("platforms"), "platforms"):
        part = mapping_of(draft, node, "each platform")
        described[_text(draft, part, "name")] = part
    by_platform = mapping_of(draft, environment.get("packages"), "environment.packages")
    wanted = SUBDIRS[draft.platform]
    subdirs = {
        name: _text(draft, described[name], "subdir") or name if name in described else name
        for name in by_platform.entries
    }
    fitting = [name for name, subdir in subdirs.items() if subdir == wanted]
    name = wanted if wanted in fitting else fitting[0] if fitting else ""
    items = list_of(draft, by_platform.get(name), f"packages.{name}") if name else []
    if not items:
        raise _uncovered(draft, [name for name in subdirs if list_of(draft, by_platform.get(name), name)], at)
    return described.get(name), items


def _uncovered(draft: Draft, platforms: list[str], at: Placed) -> Exception:
    name = draft.selection.environment or DEFAULT
    here = f"{SUBDIRS[draft.platform]} in the environment {name}, but for {listing(platforms)}"
    what = here if platforms else f"the environment {name}"
    known = [known for known in KNOWN if SUBDIRS[known] in platforms]
    return draft.refuse("lock-uncovered", at, help=choose_instead(known), lock=manifest.LOCK, what=what)


def _reference(draft: Draft, item: Tree) -> tuple[str, str]:
    part = mapping_of(draft, item, "each package of the environment")
    for kind in (CONDA, "pypi", "conda_source", "source"):
        location = _text(draft, part, kind)
        if location:
            return kind, location
    raise draft.refuse("missing-key", item, what="conda or pypi")


def _key(draft: Draft, part: Mapping) -> tuple[str, str]:
    kind = _text(draft, part, "kind")
    if kind:
        return kind, _text(draft, part, "url") or _text(draft, part, "path")
    return _reference(draft, part)


def _entry(draft: Draft, kind: str, location: str, part: Mapping) -> Entry:
    purls = (
        [_scalar(node) for node in list_of(draft, part.get("purls"), "purls")]
        if "purls" in part.entries
        else None
    )
    size = _text(draft, part, "size")
    needs = list_of(draft, part.get("depends", "requires_dist"), "depends")
    named = (_NEED.match(_scalar(node)) for node in needs if "extra ==" not in _scalar(node))
    return Entry(
        kind,
        location,
        part,
        _text(draft, part, "name"),
        _text(draft, part, "version"),
        _digest(_text(draft, part, "sha256"), _SHA256),
        _digest(_text(draft, part, "md5"), _MD5),
        _text(draft, part, "index").rstrip("/"),
        int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
        tuple(dict.fromkeys(match[0] for match in named if match)),
        None if purls is None else tuple(purls),
    )


def _scalar(node: Tree) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _text(draft: Draft, part: Mapping, key: str) -> str:
    return str(text_of(draft, part.get(key), key) or "")


def _digest(text: str, pattern: re.Pattern[str]) -> str:
    return text.lower() if pattern.fullmatch(text) else ""


def _urls(draft: Draft, environment: Mapping, key: str) -> Iterator[Placed]:
    for node in list_of(draft, environment.get(key), key):
        inner = node.get("url") if isinstance(node, Mapping) else node
        url = text_of(draft, inner, key)
        if url:
            yield url.moved(url.rstrip("/"))


def _target(draft: Draft, platform: Mapping | None) -> Target:
    values: dict[str, str] = {}
    for node in list_of(draft, platform.get("virtual-packages") if platform else None, "virtual-packages"):
        name, _, rest = _scalar(node).partition("=")
        version, _, build = rest.partition("=")
        key = {"__cuda": "cuda", "__glibc": "glibc", "__linux": "linux", "__archspec": "cpu"}.get(
            name.strip()
        )
        value = build if key == "cpu" else version
        if key and re.fullmatch(r"\w[\w.]{0,40}", value) and value != "x86_64":
            values[key] = value
    return Target(**values)


def _fill_in(draft: Draft, locked: Locked, direct: frozenset[str], roots: frozenset[str]) -> None:
    others = [url for url in (*locked.indexes, *locked.links) if url != PYPI]
    packages: list[LockedPackage] = []
    from_index = False
    for entry in locked.entries:
        at = Placed("", entry.at.line, entry.at.column, draft.file)
        if _is_local(entry):
            draft.note("project-left-out", at, what=entry.name or entry.location[:80])
        elif entry.kind == CONDA:
            packages.append(_conda(draft, entry, at, roots))
        else:
            indexed = _indexed(entry, bool(others), direct)
            from_index |= indexed and not _on_pypi(entry)
            packages.append(_pip(draft, entry, at, roots, indexed))
    if not packages:
        raise draft.refuse(
            "project-empty", Placed("", 1), what=f"the environment {draft.selection.environment} of this lock"
        )
    if from_index:
        draft.pip[:0] = _index_lines(locked)
    draft.has_pip_section = bool(draft.pip)
    draft.packages = tuple(packages)


def _is_local(entry: Entry) -> bool:
    bare = entry.location.removeprefix("direct+")
    return entry.kind not in (CONDA, "pypi") or not bare.startswith(("https://", "http://", "git+", "s3://"))


def _on_pypi(entry: Entry) -> bool:
    with suppress(ValueError):
        return urlsplit(entry.location).hostname in _OF_PYPI
    return False


def _indexed(entry: Entry, others: bool, direct: frozenset[str]) -> bool:
    """Return whether a package is from an index, and not from a URL or repository that the project names."""
    if entry.location.startswith(("git+", "direct+")) or pip_name(entry.name) in direct:
        return False
    return _on_pypi(entry) or others or bool(entry.index)


def _index_lines(locked: Locked) -> list[Placed]:
    listed = {str(url): url for url in locked.indexes}
    first = next(iter(listed), PYPI)
    lines = []
    if PYPI not in listed and listed:
        lines.append(listed.pop(first).moved(f"--index-url {first}"))
    lines += [Placed(line) for line in index_lines(listed)]
    return lines + [url.moved(f"--find-links {url}") for url in locked.links if "://" in url]


def _conda(draft: Draft, entry: Entry, at: Placed, roots: frozenset[str]) -> LockedPackage:
    digest = f"#{entry.md5}" if entry.md5 else f"#sha256:{entry.sha256}" if entry.sha256 else ""
    draft.conda.append(at.moved(entry.location + digest))
    try:
        named = from_conda_url(entry.location)
    except BadSpec as reason:
        raise draft.refuse(
            "bad-conda-spec", at, what=entry.location[:200], why=str(reason), help=reason.help
        ) from None
    return LockedPackage(
        named.name, named.version, CONDA, named.build, entry.location, named.channel, named.subdir, entry.sha256, entry.md5,
        entry.size, named.name in roots, entry.requires,
    )  # fmt: skip


def _pip(draft: Draft, entry: Entry, at: Placed, roots: frozenset[str], indexed: bool) -> LockedPackage:
    if not entry.name or (indexed and not entry.version):
        raise draft.refuse("missing-key", entry.at, what=f"name and version of {entry.location[:200]}")
    name = pip_name(entry.name)
    url = entry.location.removeprefix("direct+")
    package = LockedPackage(
        name,
        entry.version,
        PIP,
        url=url,
        sha256=entry.sha256,
        size=entry.size,
        requested=name in roots,
        requires=entry.requires,
    )
    if indexed:
        draft.pip.append(at.moved(locked_line(package)))
        if entry.index and entry.index != PYPI:
            draft.package_indexes[name] = entry.index
        return package
    digest = (
        f"#sha256={entry.sha256}" if entry.sha256 and "#" not in url and not url.startswith("git+") else ""
    )
    draft.pip.append(
        at.moved(direct_line(package, _repository(url) if url.startswith("git+") else url + digest))
    )
    return package


def _repository(location: str) -> str:
    """Return `git+URL@commit#subdirectory=…` for a lock's `git+URL?rev=…&subdirectory=…#commit`."""
    address, _, commit = location.partition("#")
    address, _, query = address.partition("?")
    try:
        parameters = parse_qs(query, max_num_fields=20)
    except ValueError:
        parameters = {}
    revision = commit or next(
        (parameters[key][0] for key in ("rev", "tag", "branch") if key in parameters), ""
    )
    folder = parameters.get("subdirectory", [""])[0]
    return address + (f"@{revision}" if revision else "") + (f"#subdirectory={folder}" if folder else "")
