"""Rules and exceptions of a workspace: read, changed, and recorded as events."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from builds.models import Level, PolicyException, PolicyRule, RuleName
from builds.policies.evaluate import Exempt, Rule
from builds.policies.options import DEFAULTS, PolicyRefused, read_options
from environments.audit.record import record
from environments.errors import ConflictError
from environments.models import Workspace
from environments.workspaces.uploads import upload_policy

MOST_EXCEPTIONS = 500
LONGEST_REASON = 1_000
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}(?:==[A-Za-z0-9._+!-]{1,80})?")
_ADVISORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{2,99}")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


def rules_of(workspace: Workspace) -> list[Rule]:
    """Return every rule of a workspace, those that were never set as off."""
    rows = {row.rule: row for row in PolicyRule.objects.filter(workspace=workspace)}
    rules = []
    for name in RuleName.values:
        row = rows.get(name)
        options = {**DEFAULTS[name], **(row.options if row else {})}
        level, starts = (row.level, row.starts_on) if row else ("off", None)
        rules.append(with_uploads(Rule(name, level, starts, options), workspace))  # type: ignore[arg-type]
    return rules


def import_test_required(workspace: Workspace) -> bool:
    """Return whether a rule looks at the import tests of a workspace's images: they must precede its builds' end."""
    rows = PolicyRule.objects.filter(workspace=workspace, rule=RuleName.IMPORT_TEST)
    return rows.exclude(level="off").exists()


def with_uploads(rule: Rule, workspace: Workspace) -> Rule:
    """Return the rule about uploads with what Settings → Uploads requires; any other as it is."""
    if rule.name != RuleName.COOL_DOWN:
        return rule
    policy = upload_policy(workspace)
    required = {"limit": policy.as_of or policy.newest, "excepted": sorted(policy.exceptions)}
    return Rule(rule.name, rule.level, rule.starts_on, required)


def exempt_in(workspace: Workspace) -> list[Exempt]:
    """Return the exceptions of a workspace."""
    rows = PolicyException.objects.filter(workspace=workspace)
    return [Exempt(row.kind, row.subject, row.rule, row.until) for row in rows]


def candidate(
    workspace: Workspace, rule: str, level: str, starts_on: dt.date | None, options: Mapping[str, Any]
) -> Rule:
    """Return a rule as it would be set. Raises PolicyRefused."""
    if rule not in RuleName.values:
        raise PolicyRefused(
            "rule", f"There is no rule “{rule[:40]}”.", f"Choose {', '.join(RuleName.values)}."
        )
    if level not in Level.values:
        raise PolicyRefused("level", f"“{level[:40]}” can't be chosen.", "Choose off, warn or block.")
    read = read_options(rule, options) if level != Level.OFF else _kept(rule, options)
    return with_uploads(Rule(rule, level, starts_on, read), workspace)  # type: ignore[arg-type]


def _kept(rule: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a rule that is off: those that can be read, so that nothing typed is lost."""
    try:
        return read_options(rule, options)
    except PolicyRefused:
        return dict(DEFAULTS[rule])


@transaction.atomic
def set_rule(
    workspace: Workspace,
    rule: str,
    level: str,
    starts_on: dt.date | None,
    options: Mapping[str, Any],
    by: User | None,
) -> bool:
    """Set a rule; return whether that is a change. Raises PolicyRefused. Images that exist stay as they are."""
    wanted = candidate(workspace, rule, level, starts_on, options)
    if rule == RuleName.COOL_DOWN and level != Level.OFF and not wanted.options["limit"]:
        raise PolicyRefused(
            "level", "No minimum package age is set.", "Set it in Settings → Uploads; this rule checks it."
        )
    stored = {} if rule == RuleName.COOL_DOWN else dict(wanted.options)
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    row, _ = PolicyRule.objects.get_or_create(
        workspace=workspace, rule=rule, defaults={"options": DEFAULTS[rule]}
    )
    before, after = _fields(row), {**stored, "level": level, "starts_on": _date(starts_on)}
    if before == after:
        return False
    row.level, row.starts_on, row.options = level, starts_on, stored
    row.save()
    changed = [name for name in after if before.get(name) != after[name]]
    record(
        "policy.rule",
        rule,
        workspace=workspace,
        actor=by,
        before={name: before.get(name) for name in changed},
        after={name: after[name] for name in changed},
        rule=rule,
    )
    return True


def _fields(row: PolicyRule) -> dict[str, Any]:
    return {**row.options, "level": row.level, "starts_on": _date(row.starts_on)}


def _date(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


@transaction.atomic
def add_exception(
    workspace: Workspace,
    kind: str,
    subject: str,
    rule: str,
    reason: str,
    until: dt.date | None,
    by: User,
) -> PolicyException:
    """Add an exception. Raises PolicyRefused and ConflictError."""
    subject = _subject(kind, subject.strip())
    text = " ".join(reason.replace("\0", "").split())
    if rule and rule not in RuleName.values:
        raise PolicyRefused("rule", f"There is no rule “{rule[:40]}”.")
    if not text or len(text) > LONGEST_REASON:
        raise PolicyRefused("reason", f"An exception needs a reason of up to {LONGEST_REASON} characters.")
    if until is not None and until < timezone.now().date():
        raise PolicyRefused("until", "This day is over.", "Choose today or a later day, or leave it blank.")
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    rows = PolicyException.objects.filter(workspace=workspace)
    if rows.filter(kind=kind, subject=subject, rule=rule).exists():
        raise ConflictError(
            "exception-exists", f"{subject} is excepted already.", "Remove that exception first."
        )
    if rows.count() >= MOST_EXCEPTIONS:
        raise PolicyRefused("subject", f"There are up to {MOST_EXCEPTIONS} exceptions.", "Remove some.")
    row = rows.create(
        workspace=workspace, kind=kind, subject=subject, rule=rule, reason=text, until=until, by=by
    )
    record("policy.excepted", subject, workspace=workspace, actor=by, after=_exception_fields(row))
    return row


def _subject(kind: str, subject: str) -> str:
    patterns = {"package": _PACKAGE, "advisory": _ADVISORY, "environment": _ENVIRONMENT}
    if kind not in patterns:
        raise PolicyRefused("kind", f"“{kind[:40]}” can't be excepted.", f"Choose {', '.join(patterns)}.")
    if not patterns[kind].fullmatch(subject):
        raise PolicyRefused(
            "subject",
            f"“{subject[:80]}” is no {kind}.",
            "Write a package (numpy or numpy==1.26.4), an advisory (CVE-2024-1234), or an environment.",
        )
    return subject.upper() if kind == "advisory" else subject


@transaction.atomic
def remove_exception(row: PolicyException, by: User) -> None:
    """Remove an exception."""
    record("policy.unexcepted", row.subject, workspace=row.workspace, actor=by, before=_exception_fields(row))
    row.delete()


def _exception_fields(row: PolicyException) -> dict[str, Any]:
    return {"kind": row.kind, "rule": row.rule, "reason": row.reason, "until": _date(row.until)}


def exceptions_of(workspace: Workspace) -> Iterable[PolicyException]:
    """Return the exceptions of a workspace with their authors."""
    return PolicyException.objects.filter(workspace=workspace).select_related("by")
