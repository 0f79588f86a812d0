"""Fields of requests and responses about policies and decisions."""

from typing import Any

from rest_framework import serializers as s

from builds.models import Justification, Level, PolicyException, RuleName, Triage, TriageState
from builds.policies.evaluate import Rule
from builds.policies.rehearsal import Rehearsal
from studio.api.shapes.bodies import NoNul
from studio.api.shapes.policy import PolicyHit, hit_row

MOST_STOPPED = 500  # builds of a rehearsal in an answer


class PolicyRule(s.Serializer[Any]):
    """A rule of a policy."""

    rule = s.ChoiceField(choices=RuleName.values)
    level = s.ChoiceField(choices=Level.values, help_text="What it does to an image that breaks it.")
    starts_on = s.DateField(allow_null=True, help_text="Its first day; one that blocks warns before it.")
    options = s.DictField()


class PolicyRuleIn(s.Serializer[Any]):
    """A rule as it is to be."""

    level = s.ChoiceField(choices=Level.values)
    starts_on = s.DateField(allow_null=True, default=None)
    options = s.DictField(
        default=dict,
        help_text="vulnerability: severity, days, fixed; licence: allow, deny, unknown; origin: origins; base-age: days.",
    )


class RehearsalIn(s.Serializer[Any]):
    """The options of a rule to rehearse."""

    options = s.DictField(default=dict)


class Stopped(s.Serializer[Any]):
    """A build that a rule would have stopped."""

    environment = s.CharField()
    version = s.CharField()
    build = s.CharField(allow_null=True)
    proposal = s.IntegerField(allow_null=True)
    at = s.DateTimeField()
    people = s.ListField(child=s.CharField())
    without = s.CharField(allow_blank=True, help_text="The only package without which it would pass.")
    hits = PolicyHit(many=True)


class Counted(s.Serializer[Any]):
    """A name with a number of builds."""

    name = s.CharField()
    builds = s.IntegerField()


class RehearsalOut(s.Serializer[Any]):
    """The builds of the past year that a rule would have stopped."""

    since = s.DateField()
    builds = s.IntegerField()
    would_stop = s.IntegerField()
    people = Counted(many=True)
    one_package_less = Counted(many=True, help_text="Packages without which builds would have passed.")
    stopped = Stopped(many=True, help_text=f"The newest, {MOST_STOPPED} at most.")


class ExceptionIn(s.Serializer[Any]):
    """An exception to add."""

    kind = s.ChoiceField(choices=PolicyException.Kind.values)
    subject = NoNul(max_length=255, help_text="numpy, numpy==1.26.4, CVE-2024-1234, or an environment.")
    rule = NoNul(max_length=20, default="", allow_blank=True, help_text="Empty: all rules.")
    reason = NoNul(max_length=1_000)
    until = s.DateField(allow_null=True, default=None, help_text="Its last day; null for no end.")


class ExceptionOut(s.Serializer[Any]):
    """An exception from the rules."""

    id = s.IntegerField()
    kind = s.ChoiceField(choices=PolicyException.Kind.values)
    subject = s.CharField()
    rule = s.CharField(allow_blank=True)
    reason = s.CharField()
    until = s.DateField(allow_null=True)
    by = s.CharField(allow_null=True)
    at = s.DateTimeField()


class DecisionIn(s.Serializer[Any]):
    """A decision about an advisory."""

    advisory = NoNul(max_length=100, help_text="Its id, or one of its other names.")
    scope = s.ChoiceField(choices=["environment", "version", "studio"], default="environment")
    environment = NoNul(max_length=255, default="", allow_blank=True)
    version = NoNul(max_length=255, default="", allow_blank=True)
    state = s.ChoiceField(choices=TriageState.values)
    justification = NoNul(
        max_length=40,
        default="",
        allow_blank=True,
        help_text=f"Of not_affected: {', '.join(Justification.values)}.",
    )
    reason = NoNul(max_length=2_000)
    until = s.DateField(allow_null=True, default=None, help_text="Its last day; null for no end.")


class DecisionOut(s.Serializer[Any]):
    """A decision about an advisory."""

    id = s.IntegerField()
    advisory = s.CharField()
    scope = s.ChoiceField(choices=["environment", "version", "studio"])
    environment = s.CharField(allow_null=True)
    version = s.CharField(allow_null=True)
    state = s.ChoiceField(choices=TriageState.values)
    justification = s.CharField(allow_blank=True)
    reason = s.CharField()
    until = s.DateField(allow_null=True)
    by = s.CharField(allow_null=True)
    at = s.DateTimeField()


class VexIn(s.Serializer[Any]):
    """A CycloneDX VEX document, and the scope that its decisions are for."""

    scope = s.ChoiceField(choices=["environment", "version", "studio"], default="environment")
    environment = NoNul(max_length=255, default="", allow_blank=True)
    version = NoNul(max_length=255, default="", allow_blank=True)
    document = s.DictField(help_text="CycloneDX 1.5 or 1.6.")


class Skipped(s.Serializer[Any]):
    """A statement that was left out."""

    advisory = s.CharField(allow_blank=True)
    reason = s.CharField()


class VexOut(s.Serializer[Any]):
    """The outcome of importing a VEX document."""

    recorded = s.ListField(child=s.CharField(), help_text="Advisories.")
    skipped = Skipped(many=True)


def rule_row(rule: Rule) -> dict[str, Any]:
    """Return a rule for PolicyRule."""
    return {
        "rule": rule.name,
        "level": rule.level,
        "starts_on": rule.starts_on,
        "options": dict(rule.options),
    }


def rehearsal_row(outcome: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal for RehearsalOut."""
    return {
        "since": outcome.since,
        "builds": outcome.total,
        "would_stop": len(outcome.stopped),
        "people": [{"name": name, "builds": count} for name, count in outcome.people],
        "one_package_less": [{"name": name, "builds": count} for name, count in outcome.one_less],
        "stopped": [
            {
                "environment": each.case.environment,
                "version": each.case.version,
                "build": each.case.build or None,
                "proposal": each.case.proposal,
                "at": each.case.at,
                "people": each.case.people,
                "without": each.only,
                "hits": [hit_row(hit) for hit in each.hits[:20]],
            }
            for each in outcome.stopped[:MOST_STOPPED]
        ],
    }


def exception_row(row: PolicyException) -> dict[str, Any]:
    """Return an exception for ExceptionOut."""
    names = ("kind", "subject", "rule", "reason", "until", "at")
    by = row.by.get_username() if row.by else None
    return {"id": row.pk, "by": by} | {name: getattr(row, name) for name in names}


def decision_row(row: Triage) -> dict[str, Any]:
    """Return a decision for DecisionOut."""
    names = ("scope", "state", "justification", "reason", "until", "at")
    return {
        "id": row.pk,
        "advisory": row.advisory.key,
        "environment": row.environment.name if row.environment else None,
        "version": row.version.version if row.version else None,
        "by": row.by.get_username() if row.by else None,
    } | {name: getattr(row, name) for name in names}
