"""Rehearsals: the builds of the last year that a rule would have stopped, from stored rows, without a build and without reading a lock."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from builds.exposure.triage import decisions_about
from builds.imaging.licences.expressions import allowed
from builds.models import (
    SEVERITIES,
    Build,
    BuildRequest,
    BuildState,
    Image,
    ImagePackage,
    Package,
    PackageAdvisory,
    RuleName,
    Trial,
)
from builds.policies.base_facts import BaseFacts, Known, facts_of_bases, latest
from builds.policies.evaluate import Exempt, Hit, Rule, evaluate
from builds.policies.facts import Facts, PackageFacts, Vulnerability
from builds.policies.service import exempt_in
from builds.policies.subjects import index_host, uploads_of
from environments.models import Workspace
from environments.models.catalogue import Proposal, Stage

DAYS = 365
MOST = 50_000  # builds, the newest


@dataclass(frozen=True)
class Case:
    """A build of the past, or a version that the catalogue took: its image is what the rule is tried on."""

    image: int
    at: dt.datetime
    environment: str
    version: str
    environment_id: int
    version_id: int
    build: str = ""
    proposal: int | None = None
    people: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stopped:
    """A case that the rule would have stopped. `only` is the package without which it would have passed."""

    case: Case
    hits: tuple[Hit, ...]

    @property
    def only(self) -> str:
        """The only package that breaks the rule; empty where several do, something else, or the base."""
        packages = {"" if hit.of_base else hit.package for hit in self.hits}
        return packages.pop() if len(packages) == 1 else ""


@dataclass(frozen=True)
class Rehearsal:
    """The outcome: how many builds there were, and which would have been stopped, the newest first."""

    total: int
    stopped: tuple[Stopped, ...] = ()
    since: dt.date | None = None

    @property
    def passed(self) -> int:
        """The number of builds that would have passed."""
        return self.total - len(self.stopped)

    @property
    def people(self) -> list[tuple[str, int]]:
        """The people whose builds would have been stopped, and how many; most first."""
        return _counted(name for each in self.stopped for name in each.case.people)

    @property
    def one_less(self) -> list[tuple[str, int]]:
        """The packages without which builds would have passed, and how many; most first."""
        return _counted(each.only for each in self.stopped if each.only)


def _counted(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0]))


def rehearse(workspace: Workspace, rule: Rule, *, days: int = DAYS) -> Rehearsal:
    """Return what a rule would have stopped if it had blocked all the time, with the exceptions of today.

    A build is judged by the age that advisories and its base had then.
    """
    since = timezone.now() - dt.timedelta(days=days)
    cases = _cases(workspace, since)
    images = Image.objects.filter(pk__in={case.image for case in cases}) if len(cases) < 500 else None
    # A long list of keys would take longer than all images of the workspace.
    scope = images if images is not None else Image.objects.filter(workspace=workspace)
    blocking = replace(rule, level="block", starts_on=None)
    # An exception that has ended would not help the next build.
    today = timezone.now().date()
    exempt = [
        replace(each, until=None)
        for each in exempt_in(workspace)
        if each.until is None or each.until >= today
    ]
    facts = _FACTS[RuleName(rule.name)](rule, scope)
    if rule.name == RuleName.VULNERABILITY:
        facts = _with_bases(facts, rule, scope, exempt)
    stopped = _stopped(blocking, cases, facts, exempt)
    named = _with_people(workspace, since, stopped)
    return Rehearsal(len(cases), tuple(named), since.date())


def _stopped(
    rule: Rule, cases: list[Case], facts: Mapping[int, _Part], exempt: list[Exempt]
) -> list[Stopped]:
    host = index_host()
    result = []
    for case in cases:
        part = facts.get(case.image)
        if part is None:
            continue
        known = Facts(
            at=case.at,
            environments=frozenset({case.environment}),
            **{**part.fields, "vulnerabilities": tuple(_settle(part, case))},
        )
        hits = evaluate([rule], known, exempt, index_host=host)
        if hits:
            result.append(Stopped(case, tuple(hits)))
    return result


@dataclass(frozen=True)
class _Part:
    """The facts about an image that a single rule needs."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    vulnerabilities: tuple[Known, ...] = ()
    base: BaseFacts = field(default_factory=BaseFacts)


def _settle(part: _Part, case: Case) -> Iterable[Vulnerability]:
    for advisory, known, decisions in (*part.vulnerabilities, *part.base.of(case.environment_id)):
        if not decisions.settled(advisory, case.environment_id, case.version_id):
            yield known


def _cases(workspace: Workspace, since: dt.datetime) -> list[Case]:
    builds = Build.objects.filter(
        workspace=workspace, state=BuildState.SUCCEEDED, reused=False, ended_at__gte=since
    ).exclude(image=None)
    columns = (
        "image_id",
        "ended_at",
        "version__environment__name",
        "version__version",
        "version__environment_id",
        "version_id",
        "pk",
    )
    rows = builds.order_by("-ended_at").values_list(*columns)[:MOST]
    cases = [
        Case(image, at or since, environment, version, environment_id, version_id, str(build))
        for image, at, environment, version, environment_id, version_id, build in rows
        if image is not None
    ]
    return (
        sorted([*cases, *_published(since)], key=lambda case: case.at, reverse=True)
        if workspace.curated
        else cases
    )


def _published(since: dt.datetime) -> list[Case]:
    """Return the versions that the catalogue took, each with the image that it has there."""
    proposals = Proposal.objects.filter(stage=Stage.PUBLISHED, changed_at__gte=since).exclude(published=None)
    rows = list(
        proposals.select_related("published__environment", "proposed_by").order_by("-changed_at")[:MOST]
    )
    hashes = {row.published.hash for row in rows if row.published}
    images = Image.objects.filter(workspace__curated=True, current=True, hash__in=hashes)
    by_hash = dict(images.values_list("hash", "pk"))
    return [
        Case(
            by_hash[version.hash],
            row.changed_at,
            version.environment.name,
            version.version,
            version.environment_id,
            version.pk,
            proposal=row.pk,
            people=(row.proposed_by.get_username(),) if row.proposed_by else (),
        )
        for row in rows
        if (version := row.published) is not None and version.hash in by_hash
    ]


def _with_people(workspace: Workspace, since: dt.datetime, stopped: list[Stopped]) -> list[Stopped]:
    if not stopped:
        return []
    requests = BuildRequest.objects.filter(workspace=workspace, created_at__gte=since - dt.timedelta(days=30))
    rows = requests.exclude(build=None).exclude(user=None).order_by("pk")
    people: dict[str, list[str]] = defaultdict(list)
    for build, name in rows.values_list("build_id", "user__username"):
        people[str(build)].append(name)
    return [
        replace(each, case=replace(each.case, people=tuple(dict.fromkeys(people.get(each.case.build, ())))))
        if each.case.build
        else each
        for each in stopped
    ]


Parts = dict[int, _Part]


def _vulnerable(rule: Rule, images: QuerySet[Image]) -> Parts:
    least = SEVERITIES.index(rule.options["severity"])
    known = PackageAdvisory.objects.filter(
        advisory__severity__in=SEVERITIES[least:], advisory__published_at__lte=latest(rule)
    ).select_related("package")
    columns = (
        "package_id",
        "advisory_id",
        "advisory__key",
        "package__name",
        "package__version",
        "advisory__severity",
        "advisory__published_at",
        "fixed_in",
    )
    by_package: dict[int, list[tuple[int, Vulnerability]]] = defaultdict(list)
    advisories = set()
    for package, advisory, key, name, version, severity, published, fixes in known.values_list(*columns):
        if fixes or not rule.options["fixed"]:
            facts = Vulnerability(key, name, version, severity, published, tuple(fixes))
            by_package[package].append((advisory, facts))
            advisories.add(advisory)
    decisions = decisions_about(advisories)
    held = ImagePackage.objects.filter(image__in=images.values("pk"), package__in=known.values("package"))
    parts: dict[int, list[tuple[int, Vulnerability, Any]]] = defaultdict(list)
    for image, package in held.values_list("image_id", "package_id"):
        parts[image] += [(*pair, decisions) for pair in by_package.get(package, ())]
    return {image: _Part(vulnerabilities=tuple(each)) for image, each in parts.items()}


def _with_bases(parts: Parts, rule: Rule, images: QuerySet[Image], exempt: Iterable[Exempt]) -> Parts:
    """Return the facts about images with those about their bases."""
    bases: dict[str, list[int]] = defaultdict(list)
    for image, contents in images.order_by().values_list("pk", "base_contents"):
        bases[contents].append(image)
    named = Image.objects.filter(pk__in=[keys[0] for keys in bases.values()])
    names = dict(named.values_list("base_contents", "base"))
    result = dict(parts)
    for contents, known in facts_of_bases(bases, rule, exempt).items():
        for image in bases[contents]:
            own = parts[image].vulnerabilities if image in parts else ()
            result[image] = _Part({"base": names.get(contents, "")}, own, known)
    return result


def _licensed(rule: Rule, images: QuerySet[Image]) -> Parts:
    known = Package.objects.exclude(license="").order_by().values_list("license", flat=True).distinct()
    lists = {"allow": rule.options["allow"], "deny": rule.options["deny"]}
    bad = [text for text in known if not allowed(text, **lists)]
    if rule.options["unknown"] == "deny":
        bad.append("")
    held = ImagePackage.objects.filter(image__in=images.values("pk"), package__license__in=bad)
    columns = ("image_id", "package__name", "package__version", "package__ecosystem", "package__license")
    packages: dict[int, list[PackageFacts]] = defaultdict(list)
    for image, *facts in held.exclude(package__ecosystem="debian").values_list(*columns):
        packages[image].append(PackageFacts(*facts))
    return {image: _Part({"packages": tuple(each)}) for image, each in packages.items()}


def _by_facts(rule: Rule, images: QuerySet[Image]) -> Parts:
    """Return what the facts of an image's locks give: uploads, source builds, origins."""
    parts: Parts = {}
    rows = images.exclude(policy_facts=None).values_list("pk", "policy_facts")
    for image, known in rows.iterator(chunk_size=2_000):
        facts: dict[str, Any] = known or {}
        if rule.name == RuleName.COOL_DOWN:
            some = tuple(PackageFacts(name, "") for names in facts["origins"].values() for name in names[:1])
            parts[image] = _Part({"packages": some, **uploads_of(facts)})
        elif rule.name == RuleName.SOURCE and facts["built"]:
            parts[image] = _Part(
                {"packages": tuple(PackageFacts(name, "", source=True) for name in facts["built"])}
            )
        elif rule.name == RuleName.ORIGIN:
            some = tuple(
                PackageFacts(name, "", origin=origin)
                for origin, names in facts["origins"].items()
                for name in names
            )
            parts[image] = _Part({"packages": some})
    return parts


def _base_ages(rule: Rule, images: QuerySet[Image]) -> Parts:
    rows = images.exclude(base_created_at=None).values_list("pk", "base", "base_created_at")
    return {pk: _Part({"base": base, "base_created": created}) for pk, base, created in rows}


def _import_tests(_rule: Rule, images: QuerySet[Image]) -> Parts:
    passed = set(Trial.objects.filter(state="passed").values_list("digest", flat=True))
    some = (PackageFacts("", ""),)
    rows = images.filter(packages__gt=0).values_list("pk", "digest")
    return {
        pk: _Part({"packages": some, "import_test": "passed" if digest in passed else ""})
        for pk, digest in rows
    }


_FACTS = {
    RuleName.VULNERABILITY: _vulnerable,
    RuleName.LICENCE: _licensed,
    RuleName.COOL_DOWN: _by_facts,
    RuleName.SOURCE: _by_facts,
    RuleName.ORIGIN: _by_facts,
    RuleName.BASE_AGE: _base_ages,
    RuleName.IMPORT_TEST: _import_tests,
}
