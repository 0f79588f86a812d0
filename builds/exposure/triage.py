"""Triage: decisions about advisories for a version, an environment or the studio; the narrowest holds.

A decision ends with its last day by itself: then the next wider decision holds again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from builds.models import Advisory, Justification, Triage, TriageState
from environments.access import Right, may
from environments.audit.record import record
from environments.errors import ForbiddenError, ServiceError
from environments.models import Environment, Version

LONGEST_REASON = 2_000
SETTLED = (TriageState.ACCEPTED, TriageState.NOT_AFFECTED)
"""Decisions with which an image does not count as exposed."""


class TriageRefused(ServiceError):
    """A decision that cannot be recorded: the field, and the reason."""

    def __init__(self, field: str, message: str, help: str = "") -> None:
        super().__init__("bad-triage", message, help)
        self.field = field


@dataclass(frozen=True)
class Scope:
    """The scope of a decision: a version, an environment, or (neither) the studio."""

    environment: Environment | None = None
    version: Version | None = None

    def __str__(self) -> str:
        return str(self.version or self.environment or "the studio")

    @property
    def fields(self) -> dict[str, object]:
        """The fields of a row of this scope; a version's has its environment too."""
        environment = self.version.environment if self.version else self.environment
        return {"environment": environment, "version": self.version}


def holding(day: dt.date | None = None) -> QuerySet[Triage]:
    """Return the decisions that hold on a day, today by default."""
    day = day or timezone.now().date()
    return Triage.objects.filter(Q(until=None) | Q(until__gte=day))


@dataclass(frozen=True)
class Decisions:
    """The decisions that hold about some advisories, in memory: `of` needs no query."""

    rows: Mapping[tuple[int, int | None, int | None], Triage] = field(default_factory=dict)

    @property
    def environments(self) -> set[int]:
        """The environments with decisions of their own."""
        return {environment for _, environment, _ in self.rows if environment is not None}

    def of(self, advisory: int, environment: int | None = None, version: int | None = None) -> Triage | None:
        """Return the decision about an advisory for a version of an environment: the narrowest; None for none."""
        keys = ((advisory, environment, version), (advisory, environment, None), (advisory, None, None))
        return next((self.rows[key] for key in keys if key in self.rows), None)

    def settled(self, advisory: int, environment: int | None = None, version: int | None = None) -> bool:
        """Return whether it does not count as exposed."""
        row = self.of(advisory, environment, version)
        return row is not None and row.state in SETTLED


def decisions_about(advisories: Iterable[int], day: dt.date | None = None) -> Decisions:
    """Return all decisions that hold about these advisories, in one query."""
    rows = holding(day).filter(advisory__in=list(advisories)).select_related("by")
    return Decisions({(row.advisory_id, row.environment_id, row.version_id): row for row in rows})


def may_decide(user: User, scope: Scope, state: str) -> bool:
    """Return whether a user may record this decision.

    For the studio: admins. For a workspace's own: contributors may say that it is pending, which changes no count;
    owners decide that it does not count.
    """
    own = scope.environment or (scope.version.environment if scope.version else None)
    if own is None:
        return user.is_superuser
    return may(user, Right.TRIAGE if state == TriageState.PENDING else Right.ACCEPT_RISKS, own.workspace)


@transaction.atomic
def decide(
    advisory: Advisory,
    scope: Scope,
    state: str,
    reason: str,
    by: User,
    *,
    until: dt.date | None = None,
    justification: str = "",
) -> Triage:
    """Record a decision, instead of an earlier decision with the same scope. Raises ServiceError."""
    state, reason, justification = _checked(state, reason, justification, until)
    earlier = Triage.objects.select_for_update().filter(advisory=advisory, **scope.fields).first()
    needed = SETTLED[0] if earlier is not None and earlier.state in SETTLED else state
    if not (may_decide(by, scope, state) and may_decide(by, scope, needed)):
        raise forbidden(scope)
    before = _fields(earlier) if earlier else None
    row = earlier or Triage(advisory=advisory, **scope.fields)
    row.state, row.reason, row.until, row.by = state, reason, until, by
    row.justification = justification
    row.save()
    _record("triage.decided", row, scope, by, before, _fields(row))
    return row


@transaction.atomic
def withdraw(row: Triage, by: User) -> None:
    """Remove a decision: the next wider holds again. Raises ForbiddenError."""
    scope = Scope(row.environment, row.version)
    if not may_decide(by, scope, row.state):
        raise forbidden(scope)
    _record("triage.withdrawn", row, scope, by, _fields(row), None)
    row.delete()


def _checked(state: str, reason: str, justification: str, until: dt.date | None) -> tuple[str, str, str]:
    if state not in TriageState.values:
        raise TriageRefused(
            "state", f"“{state[:80]}” is no decision.", f"Choose {', '.join(TriageState.values)}."
        )
    text = " ".join(reason.replace("\0", "").split())
    if not text or len(text) > LONGEST_REASON:
        raise TriageRefused("reason", f"A decision needs a reason of up to {LONGEST_REASON} characters.")
    if justification and justification not in Justification.values:
        raise TriageRefused("justification", f"“{justification[:80]}” is no justification.")
    if until is not None and until < timezone.now().date():
        raise TriageRefused("until", "This day is over.", "Choose today or a later day, or leave it blank.")
    return state, text, justification if state == TriageState.NOT_AFFECTED else ""


def forbidden(scope: Scope) -> ServiceError:
    """Return the error for a user who may not decide."""
    if scope.environment is None and scope.version is None:
        return ForbiddenError("not-allowed", "Only admins decide for the whole studio.")
    return ForbiddenError(
        "not-allowed",
        "Only owners decide that an advisory doesn't count.",
        "Contributors can record it as pending.",
    )


def _fields(row: Triage) -> dict[str, object]:
    return {
        "decision": row.state,
        "justification": row.justification,
        "reason": row.reason,
        "until": row.until.isoformat() if row.until else "",
    }


def _record(
    verb: str,
    row: Triage,
    scope: Scope,
    by: User,
    before: dict[str, object] | None,
    after: dict[str, object] | None,
) -> None:
    environment = scope.fields["environment"]
    record(
        verb,
        f"{row.advisory.key}: {scope}",
        workspace=environment.workspace if isinstance(environment, Environment) else None,
        environment=environment if isinstance(environment, Environment) else None,
        actor=by,
        before=before,
        after=after,
        advisory=row.advisory.key,
        decision=row.state,
    )


def rows_seen_by(user: User, workspaces: Iterable[int]) -> QuerySet[Triage]:
    """Return the decisions that a user sees: the studio's, and those of these workspaces; newest first."""
    theirs = Q(environment=None) | Q(environment__workspace__in=list(workspaces))
    rows = Triage.objects.filter(theirs).select_related("advisory", "environment__workspace", "by")
    return rows.select_related("version__environment__workspace").order_by(F("at").desc(), "-pk")
