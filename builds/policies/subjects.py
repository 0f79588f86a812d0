"""Facts about images for rules: of one that is being built, and of one that has its rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from builds.advisories.base_parts import set_contents
from builds.advisories.matching import hits_of, identities_of, known_for
from builds.exposure.triage import Decisions, decisions_about
from builds.images.packages import origin_of, policy_facts
from builds.models import SEVERITIES, Advisory, BasePackage, Image, PackageAdvisory, RuleName, Trial
from builds.policies.evaluate import Hit, Rule, evaluate
from builds.policies.facts import Facts, PackageFacts, Vulnerability
from builds.policies.service import exempt_in, rules_of
from environments.definition.packages.cutoffs import ANY, BadCutoff, limit_of
from environments.models import Version, Workspace


def hits_of_lock(
    workspace: Workspace,
    version: Version,
    locks: Sequence[Mapping[str, Any]],
    *,
    base: str,
    base_digest: str,
    base_created: dt.datetime | None,
    import_test: str,
) -> list[Hit]:
    """Return what breaks a workspace's rules in an image that has no rows yet, by the locks of its platforms."""
    rules = [rule for rule in rules_of(workspace) if rule.level != "off"]
    if not rules:
        return []
    pairs = [(version.environment_id, version.pk)]
    vulnerable = rule_about_vulnerabilities(rules)
    facts = Facts(
        at=timezone.now(),
        environments=frozenset({version.environment.name}),
        packages=packages_of(locks),
        vulnerabilities=(
            *_matched(locks, version),
            *_of_base(_contents(base_digest, locks), vulnerable, pairs),
        )
        if vulnerable
        else (),
        base=base,
        base_created=base_created,
        import_test=import_test,
        **uploads_of(policy_facts([dict(lock) for lock in locks])),
    )
    return evaluate(rules, facts, exempt_in(workspace), index_host=index_host())


def hits_of_image(workspace: Workspace, image: Image, versions: Iterable[Version]) -> list[Hit]:
    """Return what breaks a workspace's rules today in an image that versions share."""
    shared = list(versions)
    names = frozenset(version.environment.name for version in shared)
    return _hits(workspace, image, names, [(version.environment_id, version.pk) for version in shared])


def hits_of_proposal(catalogue: Workspace, image: Image, name: str) -> list[Hit]:
    """Return what breaks the catalogue's rules today in an image proposed under this name.

    Decisions of the proposing workspace don't count here: only those for the studio and the curated environment.
    """
    environment = catalogue.environments.named().filter(name=name).values_list("pk", flat=True).first()
    return _hits(catalogue, image, frozenset({name}), [(environment, None)])


Pairs = Sequence[tuple[int | None, int | None]]  # environment and version that decisions may be for


def _hits(workspace: Workspace, image: Image, names: frozenset[str], pairs: Pairs) -> list[Hit]:
    rules = [rule for rule in rules_of(workspace) if rule.level != "off"]
    if not rules:
        return []
    vulnerable = rule_about_vulnerabilities(rules)
    others = list(image.platform_rows.exclude(lock=None).values_list("lock", flat=True))
    facts = Facts(
        at=timezone.now(),
        environments=names,
        packages=packages_of([*(lock or {} for lock in others), image.lock or {}]),
        vulnerabilities=(*_known(image, pairs), *_of_base(image.base_contents, vulnerable, pairs))
        if vulnerable
        else (),
        base=image.base,
        base_created=image.base_created_at,
        import_test=import_test_of(image.digest),
        built_at=image.built_at,
        **uploads_of(image.policy_facts or {}),
    )
    return evaluate(rules, facts, exempt_in(workspace), index_host=index_host())


def rule_about_vulnerabilities(rules: Iterable[Rule]) -> Rule | None:
    """Return the rule about vulnerabilities, if it is one of these."""
    return next((rule for rule in rules if rule.name == RuleName.VULNERABILITY), None)


def import_test_of(digest: str) -> str:
    """Return the state of the import test of an image; empty for none."""
    return Trial.objects.filter(digest=digest).values_list("state", flat=True).first() or ""


def index_host() -> str:
    """Return the host of the studio's own index, whose packages count as those of pypi.org."""
    return urlsplit(settings.INDEX_URL).netloc.rpartition("@")[2] if settings.INDEX_URL else ""


def packages_of(locks: Iterable[Mapping[str, Any]]) -> tuple[PackageFacts, ...]:
    """Return the facts about the packages of locks, each once."""
    facts = (package_facts(package) for lock in locks for package in lock.get("packages", []))
    return tuple(dict.fromkeys(facts))


def package_facts(package: Mapping[str, Any]) -> PackageFacts:
    """Return the facts about a package of a lock, in its JSON form."""
    return PackageFacts(
        name=package["name"],
        version=package["version"],
        ecosystem=package["ecosystem"],
        license=package.get("license", ""),
        origin=origin_of(dict(package)),
        source=package.get("kind") == "sdist",
        requested=package.get("requested", False),
    )


def uploads_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Facts about limits on uploads, of an image's `policy_facts`."""

    def limit(text: str) -> dt.datetime | None:
        try:
            return limit_of(text or ANY, timezone.now())
        except BadCutoff:
            return None

    return {
        "uploaded_before": limit(facts.get("as_of", "")),
        "upload_exceptions": {name: limit(text) for name, text in facts.get("exceptions", {}).items()},
    }


def _matched(locks: Iterable[Mapping[str, Any]], version: Version) -> tuple[Vulnerability, ...]:
    packages = [package for lock in locks for package in lock.get("packages", [])]
    each = {(package["ecosystem"], package["name"], package["version"]): package for package in packages}
    named = list(each.values())
    identities = {
        number: identities_of(*key, distributions=package.get("distributions", ()))
        for number, (key, package) in enumerate(each.items())
    }
    hits = hits_of(identities, known_for(identity for several in identities.values() for identity in several))
    affecting = {advisory for several in hits.values() for advisory in several}
    advisories = Advisory.objects.defer("details").in_bulk(affecting)
    decisions = decisions_about(affecting)
    return tuple(
        vulnerability_of(
            advisories[pk],
            named[number]["name"],
            named[number]["version"],
            fixes,
            decisions.settled(pk, version.environment_id, version.pk),
        )
        for number, several in hits.items()
        for pk, fixes in several.items()
    )


def vulnerability_of(
    advisory: Advisory, name: str, version: str, fixes: Iterable[str], settled: bool
) -> Vulnerability:
    severity, published = advisory.severity, advisory.published_at
    return Vulnerability(advisory.key, name, version, severity, published, tuple(fixes), settled)


def vulnerability_in(row: PackageAdvisory, *, settled: bool) -> Vulnerability:
    """Return the vulnerability of a row's package."""
    package = row.package
    return vulnerability_of(row.advisory, package.name, package.version, row.fixed_in, settled)


def _contents(base_digest: str, locks: Sequence[Mapping[str, Any]]) -> str:
    """Return what an image with these locks, which has no row yet, will have of its base."""
    packages = [package for lock in locks for package in lock.get("packages", [])]
    python = next((lock["python"] for lock in locks if lock.get("python")), "")
    image = Image(base_digest=base_digest, python=python, lock={"packages": packages})
    set_contents([image])
    return image.base_contents


def _of_base(contents: str, rule: Rule, pairs: Pairs) -> list[Vulnerability]:
    """Return the vulnerabilities of a base that are as severe as a rule's, each once."""
    rows = base_advisories([contents], rule)
    decisions = decisions_about({row.advisory_id for row in rows})
    each = (
        replace(
            vulnerability_in(row, settled=settled_for_all(decisions, row.advisory_id, pairs)), of_base=True
        )
        for row in rows
    )
    return list(dict.fromkeys(each))


def base_advisories(contents: Iterable[str], rule: Rule) -> QuerySet[PackageAdvisory]:
    """Return the advisories about packages of bases that a rule looks at, by name, before decisions."""
    least = SEVERITIES.index(rule.options["severity"])
    held = BasePackage.objects.filter(base_digest__in=list(contents)).values("package")
    rows = PackageAdvisory.objects.filter(package__in=held, advisory__severity__in=SEVERITIES[least:])
    if rule.options["fixed"]:
        rows = rows.exclude(fixed_in=[])
    known = rows.select_related("package", "advisory").defer("advisory__details")
    return known.order_by("package__name", "advisory__key")


def _known(image: Image, pairs: Pairs) -> tuple[Vulnerability, ...]:
    rows = list(
        PackageAdvisory.objects.filter(package__image_rows__image=image)
        .select_related("package", "advisory")
        .order_by("package__name", "advisory__key")
    )
    decisions = decisions_about({row.advisory_id for row in rows})
    return tuple(
        vulnerability_in(row, settled=settled_for_all(decisions, row.advisory_id, pairs)) for row in rows
    )


def settled_for_all(decisions: Decisions, advisory: int, pairs: Pairs) -> bool:
    """Return whether an advisory counts for none of the versions that share an image."""
    return all(decisions.settled(advisory, *pair) for pair in pairs or [(None, None)])
