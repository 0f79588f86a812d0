"""Read a record in OSV's format (https://ossf.github.io/osv-schema/), which anyone may have written.

Used in a confined process: nothing here loads Django.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from builds.advisories.affected import Affected
from builds.advisories.ordering import MOST_CHARACTERS
from environments.definition.packages.specs import pip_name

MOST_NAMES = 50
MOST_AFFECTED = 2_000
MOST_RANGES = 500  # of an affected package
MOST_EVENTS = 5_000  # of a record
MOST_VERSIONS = 50_000  # of a record
MOST_DETAILS = 20_000  # characters
MOST_SUMMARY = 300
MOST_URL = 500
SEVERITIES = ("unknown", "low", "medium", "high", "critical")

_NAME = re.compile(r"[A-Z0-9][A-Z0-9._:-]{2,99}")
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,198}[A-Za-z0-9+])?")
_RELEASE = re.compile(r"(Debian|Ubuntu)(?::(\d{1,3}(?:\.\d{1,3})?)(?::LTS)?)?", re.IGNORECASE)
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
# Bulletins of distributions: each is about several vulnerabilities, which have records of their own.
_BULLETINS = ("DSA-", "DLA-", "DTSA-", "USN-", "LSN-")
_OF_DISTRIBUTION = re.compile(r"(?:DEBIAN|UBUNTU)-(CVE-\d{4}-\d{4,})")
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_KINDS = ("ECOSYSTEM", "SEMVER")  # GIT has commits, which no package names
_BANDS = {"moderate": "medium", "important": "high", "negligible": "low", "unimportant": "low"}
_VECTORS = (("CVSS:4", CVSS4), ("CVSS:3", CVSS3), ("", CVSS2))
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


class BadRecord(ValueError):
    """It is no record that can be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record, bounded and normalised. Times are ISO 8601, empty where it has none."""

    name: str
    aliases: tuple[str, ...] = ()  # with its own name
    summary: str = ""
    details: str = ""
    severity: str = "unknown"
    score: float | None = None
    published_at: str = ""
    modified_at: str = ""
    url: str = ""
    affected: tuple[Affected, ...] = ()
    withdrawn: bool = False


def read_record(data: Any) -> Record:
    """Return a record; one that is withdrawn, or about other ecosystems only, has no packages. Raises BadRecord."""
    if not isinstance(data, dict):
        raise BadRecord("It is no record in OSV's format.")
    name = _text(data.get("id"), 100).upper()
    if not _NAME.fullmatch(name) or "modified" not in data:
        raise BadRecord("It is no record in OSV's format: it needs an id and a time of modification.")
    if data.get("withdrawn"):
        return Record(name, (name,), withdrawn=True)
    aliases = _aliases(name, data)
    if name.startswith(_BULLETINS) and any(_CVE.fullmatch(alias) for alias in (*aliases, *_upstream(data))):
        return Record(name, (name,))
    affected = tuple(_affected(data))
    severity, score = _severity(name, data)
    return Record(
        name=name,
        aliases=aliases,
        summary=_summary(data),
        details=_text(data.get("details"), MOST_DETAILS),
        severity=severity,
        score=score,
        published_at=_time(data.get("published")),
        modified_at=_time(data.get("modified")),
        url=_url(name, data),
        affected=affected,
    )


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str):
        return ""
    return _NOT_TEXT.sub("", value[: most * 2])[:most].strip()


def _summary(data: dict[str, Any]) -> str:
    """Return its summary, or the first sentence of its details."""
    text = _text(data.get("summary"), MOST_SUMMARY * 4) or _text(data.get("details"), MOST_SUMMARY * 4)
    line = " ".join(text.split("\n\n", 1)[0].split())
    if len(line) <= MOST_SUMMARY:
        return line
    return line[: MOST_SUMMARY - 1].rsplit(" ", 1)[0] + "…"


def _strings(value: Any, most: int) -> list[str]:
    if not isinstance(value, list):
        return []
    if len(value) > most:
        raise BadRecord(f"It has {len(value):,} entries where {most:,} is the most.")
    return [text for text in value if isinstance(text, str)]


def _aliases(name: str, data: dict[str, Any]) -> tuple[str, ...]:
    """Return the names that mean the same vulnerability, its own first."""
    names = {name: None}
    if (match := _OF_DISTRIBUTION.fullmatch(name)) is not None:
        names[match[1]] = None
    for text in _strings(data.get("aliases"), MOST_NAMES):
        if _NAME.fullmatch(alias := text.strip().upper()):
            names[alias] = None
    return tuple(names)


def _upstream(data: dict[str, Any]) -> list[str]:
    return [*_strings(data.get("upstream"), MOST_EVENTS), *_strings(data.get("related"), MOST_EVENTS)]


def _time(value: Any) -> str:
    try:
        at = datetime.fromisoformat(_text(value, 40))
    except ValueError:
        return ""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat() if at.year > 1 else ""


def _url(name: str, data: dict[str, Any]) -> str:
    """Return the page about it: that of its first reference to an advisory, or OSV's own."""
    references = data.get("references")
    for reference in references[:MOST_RANGES] if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("type") == "ADVISORY":
            url = _text(reference.get("url"), MOST_URL + 1)
            if re.fullmatch(r"https://[\w.-]+/[^\s<>\"\\]*", url, re.ASCII) and len(url) <= MOST_URL:
                return url
    return f"https://osv.dev/vulnerability/{name}"


def _severity(name: str, data: dict[str, Any]) -> tuple[str, float | None]:
    """Return the worst that its vectors say; else what its publisher calls it."""
    if name.startswith("MAL-"):
        return "critical", None  # the package itself is an attack
    affected = data.get("affected")
    entries = [
        data,
        *(entry for entry in (affected if isinstance(affected, list) else ()) if isinstance(entry, dict)),
    ]
    scored: list[tuple[float, str]] = []
    bands: list[str] = []
    for entry in entries[:MOST_AFFECTED]:
        severities = entry.get("severity")
        for severity in severities[:MOST_NAMES] if isinstance(severities, list) else ():
            if isinstance(severity, dict):
                text = _text(severity.get("score"), 300)
                scored += _score(text)
                bands.append(text)
        for where in ("database_specific", "ecosystem_specific"):
            specific = entry.get(where)
            if isinstance(specific, dict):
                bands += [_text(specific.get("severity"), 20), _text(specific.get("urgency"), 20)]
    if scored:
        score, severity = max(scored)
        return severity, score
    ranked = [_BANDS.get(band.lower(), band.lower()) for band in bands]
    return max((band for band in ranked if band in SEVERITIES), key=SEVERITIES.index, default="unknown"), None


def _score(vector: str) -> list[tuple[float, str]]:
    reader = next(reader for start, reader in _VECTORS if vector.startswith(start))
    try:
        score = float(reader(vector).base_score)
    except (CVSSError, ValueError, ArithmeticError, KeyError, IndexError):
        return []
    return [(score, band(score))]


def band(score: float) -> str:
    """Return the severity of a CVSS score, by the bands of CVSS 3 and 4; a score of 0 is low."""
    return next(
        severity
        for least, severity in ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.0, "low"))
        if score >= least
    )


def _affected(data: dict[str, Any]) -> Iterator[Affected]:
    entries = data.get("affected")
    if not isinstance(entries, list):
        return
    if len(entries) > MOST_AFFECTED:
        raise BadRecord(f"It affects {len(entries):,} packages; {MOST_AFFECTED:,} is the most.")
    events = versions = 0
    for entry in entries:
        package = entry.get("package") if isinstance(entry, dict) else None
        if not isinstance(package, dict):
            continue
        known = _ecosystem(_text(package.get("ecosystem"), 60))
        name = _text(package.get("name"), MOST_CHARACTERS + 1)
        if known is None or not _PACKAGE.fullmatch(name):
            continue
        ecosystem, release = known
        ranges = tuple(_ranges(entry.get("ranges")))
        listed = [version for version in _strings(entry.get("versions"), MOST_VERSIONS) if _usable(version)]
        events, versions = events + sum(map(len, ranges)), versions + len(listed)
        if events > MOST_EVENTS or versions > MOST_VERSIONS:
            raise BadRecord(f"It has more than {MOST_EVENTS:,} events or {MOST_VERSIONS:,} versions.")
        normal = name.lower() if ecosystem == "debian" else pip_name(name)
        yield Affected(ecosystem, normal, release, ranges, frozenset(listed))


def _ecosystem(text: str) -> tuple[str, str] | None:
    """Return the ecosystem as the studio calls it, and the release of a distribution; None for others."""
    if text.lower() == "pypi":
        return "pypi", ""
    if text.lower().partition(":")[0] == "conda":
        return "conda", ""
    if (match := _RELEASE.fullmatch(text)) is not None:
        return "debian", f"{match[1].lower()}:{match[2]}" if match[2] else match[1].lower()
    return None


def _ranges(value: Any) -> Iterator[tuple[tuple[str, str], ...]]:
    if not isinstance(value, list):
        return
    if len(value) > MOST_RANGES:
        raise BadRecord(f"It has {len(value):,} ranges for a package; {MOST_RANGES:,} is the most.")
    for entry in value:
        if not isinstance(entry, dict) or entry.get("type") not in _KINDS:
            continue
        events = entry.get("events")
        if not isinstance(events, list) or len(events) > MOST_EVENTS:
            raise BadRecord("It has a range without events, or with too many.")
        pairs = tuple(
            (kind, version)
            for event in events
            if isinstance(event, dict)
            for kind, version in event.items()
            if kind in _EVENTS and _usable(version)
        )
        if pairs:
            yield pairs


def _usable(version: Any) -> bool:
    return (
        isinstance(version, str)
        and 0 < len(version) <= MOST_CHARACTERS
        and version.isprintable()
        and version.isascii()
    )
