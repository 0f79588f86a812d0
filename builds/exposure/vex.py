"""Decisions about advisories as CycloneDX VEX: written for others, and read from what others decided."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from uuid import NAMESPACE_URL, uuid5

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from builds.exposure.triage import LONGEST_REASON, Scope, decide, forbidden, holding, may_decide
from builds.models import Advisory, AdvisoryName, Image, Justification, PackageAdvisory, Triage, TriageState
from environments.audit.record import record
from environments.bounded_json import TooDeep, read_json
from environments.definition.packages.specs import pip_name
from environments.errors import ServiceError
from environments.models import Environment, Workspace

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.vulnerability import Vulnerability

MOST_BYTES = 1024**2
MOST_STATEMENTS = 500
MOST_REFS = 20_000
MOST_SHOWN = 100  # reasons why statements were left out
VERSIONS = ("1.5", "1.6")
SCOPE, UNTIL = "environment-studio:scope", "environment-studio:until"
_TYPES = {"pypi": "pypi", "conda": "conda", "debian": "deb/debian"}
_STATES = {
    TriageState.ACCEPTED: "exploitable",
    TriageState.NOT_AFFECTED: "not_affected",
    TriageState.PENDING: "in_triage",
}
_LEAVES = {"will_not_fix", "can_not_fix"}


class VexRefused(ServiceError):
    """A file that cannot be read as VEX."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__("bad-vex", message, help)


def purl(ecosystem: str, name: str, version: str = "") -> str:
    """Return the URL of a package in the purl scheme."""
    text = f"pkg:{_TYPES.get(ecosystem, 'generic')}/{quote(name, safe='')}"
    return f"{text}@{quote(version, safe='')}" if version else text


# -- writing ---------------------------------------------------------------------------------------


def export(workspace: Workspace, version: str = "1.6") -> str:
    """Return the decisions that hold in a workspace, the studio's included, as VEX in JSON."""
    # Loaded here and not above: only an export needs it, and it takes as long to load as all the rest.
    from cyclonedx.model.bom import Bom
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    theirs = Q(environment=None) | Q(environment__workspace=workspace)
    rows = list(
        holding()
        .filter(theirs)
        .select_related("advisory", "version", "environment__workspace")
        .order_by("pk")
    )
    affected = _affected(workspace, rows)
    bom = Bom(components={component for several in affected.values() for component in several})
    bom.vulnerabilities = [_statement(row, affected[row.pk]) for row in rows]
    # The same decisions give the same document.
    stated = "\n".join(f"{row.pk} {row.at.isoformat()}" for row in rows)
    bom.serial_number = uuid5(NAMESPACE_URL, f"{workspace.name}\n{stated}")
    bom.metadata.timestamp = max((row.at for row in rows), default=workspace.created_at)
    schema = SchemaVersion.V1_5 if version == "1.5" else SchemaVersion.V1_6
    return str(make_outputter(bom, OutputFormat.JSON, schema).output_as_string(indent=2)) + "\n"


def _affected(workspace: Workspace, rows: Iterable[Triage]) -> dict[int, list[Component]]:
    """Return the components that each decision is about: packages with the advisory in current images of its scope."""
    known: dict[int, list[Any]] = defaultdict(list)
    images = Image.objects.filter(workspace=workspace, current=True)
    matches = PackageAdvisory.objects.filter(
        advisory__in={row.advisory_id for row in rows}, package__image_rows__image__in=images.values("pk")
    )
    for match in matches.select_related("package").order_by("package__name", "package__version").distinct():
        known[match.advisory_id].append(match.package)
    components: dict[str, Component] = {}
    return {row.pk: [_component(package, components) for package in known[row.advisory_id]] for row in rows}


def _component(package: Any, made: dict[str, Component]) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    url = purl(package.ecosystem, package.name, package.version)
    if url not in made:
        made[url] = Component(
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            bom_ref=url,
            purl=PackageURL.from_string(url),
        )
    return made[url]


def _statement(row: Triage, components: Iterable[Component]) -> Vulnerability:
    from cyclonedx.model import Property
    from cyclonedx.model.impact_analysis import (
        ImpactAnalysisJustification,
        ImpactAnalysisResponse,
        ImpactAnalysisState,
    )
    from cyclonedx.model.vulnerability import BomTarget, Vulnerability, VulnerabilityAnalysis

    accepted = row.state == TriageState.ACCEPTED
    analysis = VulnerabilityAnalysis(
        state=ImpactAnalysisState(_STATES[TriageState(row.state)]),
        justification=ImpactAnalysisJustification(row.justification) if row.justification else None,
        responses=[ImpactAnalysisResponse.WILL_NOT_FIX] if accepted else [],
        detail=row.reason,
    )
    properties = [Property(name=SCOPE, value=_scope_text(row))]
    if row.until:
        properties.append(Property(name=UNTIL, value=row.until.isoformat()))
    return Vulnerability(
        bom_ref=f"decision-{row.pk}",
        id=row.advisory.key,
        analysis=analysis,
        affects=[BomTarget(ref=str(component.bom_ref.value)) for component in components],
        properties=properties,
    )


def _scope_text(row: Triage) -> str:
    if row.version and row.environment:
        return f"version {row.environment.name}:{row.version.version}"
    return f"environment {row.environment.name}" if row.environment else "studio"


# -- reading ---------------------------------------------------------------------------------------


@dataclass
class Imported:
    """The outcome of an import: recorded decisions, and the statements left out with the reason."""

    recorded: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, advisory: str, why: str) -> None:
        """Note a statement that is left out."""
        if len(self.skipped) < MOST_SHOWN:
            self.skipped.append((advisory[:100], why))


@transaction.atomic
def import_vex(content: bytes, scope: Scope, by: User) -> Imported:
    """Record the decisions of a VEX file for a scope. Raises VexRefused; statements that don't fit are left out.

    A statement fits if the studio knows its advisory, and one of the packages that it names is affected by it.
    """
    if not may_decide(by, scope, TriageState.PENDING):
        raise forbidden(scope)
    statements = read(content)
    names = {str(statement.get("id", "")).upper() for statement in statements}
    advisories = {
        row.name: row.advisory
        for row in AdvisoryName.objects.filter(name__in=names).select_related("advisory")
    }
    keyed = Advisory.objects.filter(key__in={str(statement.get("id", "")) for statement in statements})
    advisories |= {row.key.upper(): row for row in keyed}
    packages: dict[int, set[tuple[str, str]]] = defaultdict(set)
    rows = PackageAdvisory.objects.filter(advisory__in={row.pk for row in advisories.values()})
    for advisory, ecosystem, name in rows.values_list("advisory", "package__ecosystem", "package__name"):
        packages[advisory].add((ecosystem, name))
    outcome = Imported()
    for statement in statements:
        _import_statement(statement, advisories, packages, scope, by, outcome)
    environment = scope.fields["environment"]
    own = environment if isinstance(environment, Environment) else None
    record(
        "triage.imported",
        str(scope),
        workspace=own.workspace if own else None,
        environment=own,
        actor=by,
        recorded=len(outcome.recorded),
        skipped=len(outcome.skipped),
    )
    return outcome


def _import_statement(
    statement: dict[str, Any],
    advisories: dict[str, Advisory],
    packages: dict[int, set[tuple[str, str]]],
    scope: Scope,
    by: User,
    outcome: Imported,
) -> None:
    name = str(statement.get("id", ""))
    advisory = advisories.get(name.upper())
    if advisory is None:
        return outcome.skip(name, "The studio knows no such advisory.")
    analysis = statement.get("analysis", {})
    state = _state(analysis)
    if state is None:
        return outcome.skip(name, f"“{analysis.get('state', 'no state')}” is no decision that is kept here.")
    refs = [parsed for target in statement.get("affects", []) if (parsed := _package(str(target["ref"])))]
    if statement.get("affects") and not packages[advisory.pk].intersection(refs):
        return outcome.skip(name, "None of its packages is affected here.")
    justification = analysis.get("justification", "")
    reason = " ".join(str(analysis.get("detail", "")).split())[:LONGEST_REASON] or "Imported from a VEX file."
    try:
        with transaction.atomic():
            decide(
                advisory,
                scope,
                state,
                reason,
                by,
                justification=justification if justification in Justification.values else "",
            )
    except ServiceError as problem:
        return outcome.skip(name, problem.message)
    outcome.recorded.append(advisory.key)
    return None


def _state(analysis: dict[str, Any]) -> str | None:
    state = analysis.get("state")
    if state in ("not_affected", "false_positive"):
        return TriageState.NOT_AFFECTED
    if state == "in_triage":
        return TriageState.PENDING
    accepted = state == "exploitable" and _LEAVES.intersection(analysis.get("response", []))
    return TriageState.ACCEPTED if accepted else None


def _package(ref: str) -> tuple[str, str] | None:
    """Return ecosystem and name of a reference by purl, also within a BOM-Link; None for any other."""
    text = unquote(ref.partition("#")[2]) if ref.startswith("urn:cdx:") else ref
    if not text.startswith("pkg:") or len(text) > 1_000:
        return None
    path = text.removeprefix("pkg:").partition("?")[0].partition("#")[0]
    kind, _, rest = path.partition("/")
    name = unquote(rest.rpartition("/")[2].partition("@")[0])
    if kind == "deb":
        return ("debian", name.lower())
    return (kind, pip_name(name)) if kind in ("pypi", "conda") and name else None


def read(content: bytes) -> list[dict[str, Any]]:
    """Return the statements of a VEX file: id, analysis and affects, valid by CycloneDX's schema. Raises VexRefused.

    Only these parts are read and checked; a file has bounds, as anyone may have written it.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    if len(content) > MOST_BYTES:
        raise VexRefused(f"A VEX file has up to {MOST_BYTES // 1024**2} MB.")
    try:
        document = read_json(content)
    except TooDeep:
        raise VexRefused("This file is nested too deeply.", "Choose a CycloneDX file in JSON.") from None
    except ValueError:
        raise VexRefused("This file isn't JSON.", "Choose a CycloneDX file in JSON.") from None
    if not isinstance(document, dict) or document.get("specVersion") not in VERSIONS:
        raise VexRefused("This file isn't CycloneDX 1.5 or 1.6.", "Choose a CycloneDX file in JSON.")
    listed = document.get("vulnerabilities", [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise VexRefused("Its vulnerabilities can't be read.")
    refs = sum(len(entry["affects"]) for entry in listed if isinstance(entry.get("affects"), list))
    if len(listed) > MOST_STATEMENTS or refs > MOST_REFS:
        raise VexRefused(
            f"A VEX file has up to {MOST_STATEMENTS} statements and {MOST_REFS:,} references.", "Split it."
        )
    kept = [
        {name: entry[name] for name in ("id", "analysis", "affects") if name in entry} for entry in listed
    ]
    # Equal statements would be refused by the schema, though they do no harm.
    unique = list({json.dumps(entry, sort_keys=True): entry for entry in kept}.values())
    head = {name: document.get(name) for name in ("bomFormat", "specVersion")}
    schema = SchemaVersion.V1_5 if document["specVersion"] == "1.5" else SchemaVersion.V1_6
    problem = JsonStrictValidator(schema).validate_str(
        json.dumps({**head, "version": 1, "vulnerabilities": unique})
    )
    if problem is not None:
        # Its own text repeats what is wrong, which may be long.
        path = "/".join(str(part) for part in getattr(problem.data, "absolute_path", ()))[:200]
        raise VexRefused(
            f"This file isn't valid CycloneDX {document['specVersion']}: see {path or 'its beginning'}."
        )
    return unique


def file_name(workspace: Workspace) -> str:
    """Return the name of an export's file."""
    return f"{workspace.name}-{timezone.now():%Y-%m-%d}.vex.cdx.json"
