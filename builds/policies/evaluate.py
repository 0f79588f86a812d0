"""Check facts about an image against rules: plain functions, without a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from builds.imaging.licences.expressions import allowed
from builds.policies.facts import Facts
from environments.definition.findings.marked import gettext_noop as _
from environments.definition.packages.cutoffs import ANY, limit_of
from environments.definition.packages.specs import pip_name

Level = Literal["off", "warn", "block"]
_SEVERITIES = ("unknown", "low", "medium", "high", "critical")
_PYPI = "files.pythonhosted.org"
_CONDA = ("https://conda.anaconda.org/", "https://repo.anaconda.com/pkgs/")


@dataclass(frozen=True)
class Rule:
    """A rule as it is set; `options` were read by `options.read_options`."""

    name: str
    level: Level = "off"
    starts_on: dt.date | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def level_on(self, day: dt.date) -> Level:
        """Return what it does on a day: before its first day, one that blocks warns, and one that warns is off."""
        if self.starts_on is None or day >= self.starts_on:
            return self.level
        return "warn" if self.level == "block" else "off"


@dataclass(frozen=True, slots=True)
class Exempt:
    """An exception: from one rule, or (empty) from all, up to its last day."""

    kind: str  # package, advisory, environment
    subject: str
    rule: str = ""
    until: dt.date | None = None

    def holds(self, rule: str, day: dt.date) -> bool:
        """Whether it is an exception from this rule on this day."""
        return self.rule in ("", rule) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Hit:
    """An image that breaks a rule: which package or advisory does, a sentence, and what to do about it."""

    rule: str
    level: Level
    template: str
    values: tuple[tuple[str, str], ...]
    package: str = ""
    version: str = ""
    advisory: str = ""
    of_base: bool = False
    starts_on: dt.date | None = None  # of a rule that will block

    @property
    def message(self) -> str:
        """The sentence in English."""
        return self.template % dict(self.values)

    @property
    def help(self) -> str:
        """The advice, in English."""
        return HELP["base" if self.of_base else self.rule]


MESSAGES = {
    "vulnerability": _("%(package)s %(version)s has %(advisory)s (%(severity)s), known for %(days)s days."),
    "base": _(
        "%(package)s %(version)s in the base image %(base)s has %(advisory)s (%(severity)s), known for %(days)s days."
    ),
    "licence": _("%(package)s %(version)s has the licence %(licence)s, which isn't allowed."),
    "unknown-licence": _("%(package)s %(version)s has no licence that is known."),
    "cool-down": _("The minimum package age of Settings → Uploads wasn't applied."),
    "cool-down-package": _("The minimum package age of Settings → Uploads wasn't applied to %(package)s."),
    "source": _("%(package)s %(version)s was built from source."),
    "origin": _("%(package)s %(version)s comes from %(origin)s, which isn't allowed."),
    "base-age": _("The base image %(base)s is %(days)s days old; %(limit)s are allowed."),
    "import-test": _("The import test hasn't passed."),
}
HELP = {
    "vulnerability": _(
        "Use a version that fixes it, or ask an owner for an exception or a decision about it."
    ),
    "base": _(
        "Rebase the image, choose another base image, or ask an owner for an exception or a decision about it."
    ),
    "licence": _("Remove or replace the package, or ask an owner for an exception."),
    "cool-down": _("Build again in a workspace with this minimum age, or ask an owner for an exception."),
    "source": _("Choose a version with a wheel, or ask an owner for an exception."),
    "origin": _("Take the package from an allowed index or channel, or ask an owner for an exception."),
    "base-age": _("Choose a newer base image, or ask an owner for an exception."),
    "import-test": _("Repair what can't be imported, or ask an owner for an exception."),
}


def evaluate(
    rules: Iterable[Rule], facts: Facts, exempt: Iterable[Exempt] = (), *, index_host: str = ""
) -> list[Hit]:
    """Return what breaks the rules, blocking hits first. Exceptions take hits away, and never add any."""
    day = facts.at.date()
    exceptions = list(exempt)
    hits: list[Hit] = []
    for rule in rules:
        level = rule.level_on(day)
        if level == "off":
            continue
        holding = [exception for exception in exceptions if exception.holds(rule.name, day)]
        if any(each.kind == "environment" and each.subject in facts.environments for each in holding):
            continue
        coming = rule.starts_on if level != rule.level else None
        hits += [
            Hit(rule.name, level, *offence, starts_on=coming)
            for offence in _CHECKS[rule.name](rule, facts, index_host)
            if not any(_covers(exception, offence) for exception in holding)
        ]
    return sorted(hits, key=lambda hit: (hit.level != "block", hit.rule, hit.package, hit.advisory))


def blocking_hit(hits: Iterable[Hit]) -> Hit | None:
    """Return the first hit that blocks; None if none does."""
    return next((hit for hit in hits if hit.level == "block"), None)


Offence = tuple[
    str, tuple[tuple[str, str], ...], str, str, str, bool
]  # template, values, package, version, advisory, whether the base brings it


def _covers(exception: Exempt, hit: Offence) -> bool:
    _template, _values, package, version, advisory, _of_base = hit
    return excepts(exception, package, version, advisory)


def excepts(exception: Exempt, package: str, version: str, advisory: str) -> bool:
    """Return whether an exception covers a package or an advisory about it."""
    if exception.kind == "advisory":
        return bool(advisory) and exception.subject.upper() == advisory.upper()
    if exception.kind != "package" or not package:
        return False
    name, pinned, only = exception.subject.partition("==")
    return pip_name(name) == pip_name(package) and (not pinned or only == version)


def _hit(code: str, package: str = "", version: str = "", advisory: str = "", **values: object) -> Offence:
    texts = [("package", package), ("version", version), ("advisory", advisory)]
    texts += [(name, str(value)) for name, value in values.items()]
    return MESSAGES[code], tuple(texts), package, version, advisory, code == "base"


def _vulnerability(rule: Rule, facts: Facts, _host: str) -> Iterator[Offence]:
    least = _SEVERITIES.index(rule.options["severity"])
    for known in facts.vulnerabilities:
        if known.settled or known.published is None or _SEVERITIES.index(known.severity) < least:
            continue
        days = (facts.at - known.published).days
        if days >= rule.options["days"] and (known.fixed_in or not rule.options["fixed"]):
            where = {"base": facts.base} if known.of_base else {}
            yield _hit("base" if known.of_base else "vulnerability", known.package, known.version, known.advisory,
                       severity=known.severity, days=days, **where)  # fmt: skip


def _licence(rule: Rule, facts: Facts, _host: str) -> Iterator[Offence]:
    for package in facts.packages:
        if package.ecosystem == "python":
            continue
        if not package.license:
            if rule.options["unknown"] == "deny":
                yield _hit("unknown-licence", package.name, package.version)
        elif not allowed(package.license, allow=rule.options["allow"], deny=rule.options["deny"]):
            yield _hit("licence", package.name, package.version, licence=package.license)


def _cool_down(rule: Rule, facts: Facts, _host: str) -> Iterator[Offence]:
    # Put in by `service.rules_of`, as Settings → Uploads has it.
    limit = limit_of(rule.options.get("limit") or ANY, facts.built_at or facts.at)
    if limit is None or not facts.packages:
        return
    if facts.uploaded_before is None or facts.uploaded_before > limit:
        yield _hit("cool-down")
    for name, before in facts.upload_exceptions.items():
        if name not in rule.options.get("excepted", ()) and (before is None or before > limit):
            yield _hit("cool-down-package", name)


def _source(_rule: Rule, facts: Facts, _host: str) -> Iterator[Offence]:
    return (_hit("source", each.name, each.version) for each in facts.packages if each.source)


def _origin(rule: Rule, facts: Facts, index_host: str) -> Iterator[Offence]:
    for package in facts.packages:
        if package.origin and not origin_allowed(package.origin, rule.options["origins"], index_host):
            yield _hit("origin", package.name, package.version, origin=package.origin)


def origin_allowed(origin: str, allowed_origins: Iterable[str], index_host: str = "") -> bool:
    """Return whether a channel or an address is among the allowed ones.

    `pypi.org` includes the servers of PyPI's files, and the studio's own index (`index_host`).
    """
    origin = origin.rstrip("/")
    host = urlsplit(origin).netloc if "://" in origin else ""
    whole = urlsplit(origin).path in ("", "/") if host else False
    names = {origin, host, *(origin.removeprefix(prefix) for prefix in _CONDA)}
    if host and host in (_PYPI, index_host):
        names.add("pypi.org")
    for entry in allowed_origins:
        # Of a file from an index only the server is known.
        same_server = whole and "://" in entry and urlsplit(entry).netloc == host
        if entry in names or same_server or ("://" in entry and origin.startswith(f"{entry}/")):
            return True
    return False


def _base_age(rule: Rule, facts: Facts, _host: str) -> Iterator[Offence]:
    if facts.base_created is not None:
        days = (facts.at - facts.base_created).days
        if days > rule.options["days"]:
            yield _hit("base-age", base=facts.base, days=days, limit=rule.options["days"])


def _import_test(_rule: Rule, facts: Facts, _host: str) -> Iterator[Offence]:
    if facts.packages and facts.import_test != "passed":
        yield _hit("import-test")


_CHECKS: dict[str, Callable[[Rule, Facts, str], Iterator[Offence]]] = {
    "vulnerability": _vulnerability,
    "licence": _licence,
    "cool-down": _cool_down,
    "source": _source,
    "origin": _origin,
    "base-age": _base_age,
    "import-test": _import_test,
}
