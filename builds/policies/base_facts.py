"""The vulnerabilities of bases for rehearsals: as few of each as decide whether a build would have been stopped."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import itemgetter

from django.utils import timezone

from builds.exposure.triage import Decisions, decisions_about
from builds.models import BasePackage
from builds.policies.evaluate import Exempt, Rule, excepts
from builds.policies.facts import Vulnerability
from builds.policies.subjects import base_advisories, vulnerability_in

MOST = 10  # packages of a base that stop a build
Known = tuple[int, Vulnerability, Decisions]
"""A vulnerability with its advisory, and the decisions about it."""


@dataclass(frozen=True)
class BaseFacts:
    """The vulnerabilities of a base. Thousands of builds share it, and whether one is stopped follows from the `first`.

    That is: of each package, the vulnerability that was known first. `every` is for the few environments for which
    something was decided.
    """

    first: tuple[Known, ...] = ()
    every: tuple[Known, ...] = ()
    decided: frozenset[int] = frozenset()

    def of(self, environment: int) -> tuple[Known, ...]:
        """Return those that count for builds of an environment."""
        return self.every if environment in self.decided else self.first


def latest(rule: Rule) -> dt.datetime:
    """Return when an advisory was published at the latest that a rule looks at."""
    return timezone.now() - dt.timedelta(days=rule.options["days"])


def facts_of_bases(bases: Iterable[str], rule: Rule, exempt: Iterable[Exempt]) -> dict[str, BaseFacts]:
    """Return the vulnerabilities of those bases that have some, without those that exceptions cover everywhere."""
    chosen = list(bases)
    rows = list(base_advisories(chosen, rule).filter(advisory__published_at__lte=latest(rule)))
    decisions = decisions_about({row.advisory_id for row in rows})
    always = [each for each in exempt if each.kind != "environment" and each.rule in ("", rule.name)]
    by_package: dict[int, list[tuple[dt.datetime, Known]]] = defaultdict(list)
    for row in rows:
        package, published = row.package, row.advisory.published_at
        if published and not any(
            excepts(each, package.name, package.version, row.advisory.key) for each in always
        ):
            known = vulnerability_in(row, settled=False)
            entry = (row.advisory_id, replace(known, of_base=True), decisions)
            by_package[row.package_id].append((published, entry))
    held = BasePackage.objects.filter(base_digest__in=chosen, package__in=by_package)
    packages: dict[str, list[int]] = defaultdict(list)
    for contents, key in held.values_list("base_digest", "package"):
        packages[contents].append(key)
    decided = frozenset(environment for _, environment, _ in decisions.rows if environment is not None)
    firsts = {key: _first(each, decisions) for key, each in by_package.items()}
    return {
        contents: BaseFacts(
            _earliest([entry for key in keys for entry in firsts[key]]),
            tuple(entry for key in keys for _, entry in by_package[key]),
            decided,
        )
        for contents, keys in packages.items()
    }


def _first(entries: list[tuple[dt.datetime, Known]], decisions: Decisions) -> list[tuple[dt.datetime, Known]]:
    """Return the entry that was known first, of those that no decision for the studio settles; none if all are."""
    counting = [entry for entry in entries if not decisions.settled(entry[1][0])]
    return sorted(counting, key=itemgetter(0))[:1]


def _earliest(entries: list[tuple[dt.datetime, Known]]) -> tuple[Known, ...]:
    return tuple(entry for _, entry in sorted(entries, key=itemgetter(0))[:MOST])
