"""Which findings an environment ignores: kept with it, visible, and shown again at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from environments.audit.record import record
from environments.definition.findings.catalogue import CATALOGUE
from environments.errors import ServiceError
from environments.models import Environment

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def ignore_finding(environment: Environment, code: str, user: User) -> None:
    """Ignore a kind of finding in an environment. Raises ServiceError for an error, and for what is no finding."""
    set_ignored(environment, [*environment.ignored_findings, code], user)


def restore_finding(environment: Environment, code: str, user: User) -> None:
    """Show a kind of finding again."""
    set_ignored(environment, [each for each in environment.ignored_findings if each != code], user)


@transaction.atomic
def set_ignored(environment: Environment, codes: list[str], user: User) -> None:
    """Set which kinds of findings an environment ignores. Raises ServiceError."""
    locked = Environment.objects.select_for_update().get(pk=environment.pk)
    wanted = sorted(set(codes))
    for code in wanted:
        entry = CATALOGUE.get(code)
        if entry is None:
            raise ServiceError(
                "finding-unknown", f"There is no finding “{code[:60]}”.", "Use a finding's code."
            )
        if entry.severity == "error":
            raise ServiceError(
                "finding-is-error",
                f"“{code}” is an error, and errors can't be ignored.",
                "Fix it, or ignore warnings and notes only.",
            )
    before = locked.ignored_findings
    environment.ignored_findings = wanted
    if wanted == before:
        return
    Environment.objects.filter(pk=locked.pk).update(ignored_findings=wanted)
    record(
        "environment.findings",
        environment.name,
        workspace=locked.workspace,
        environment=locked,
        actor=user,
        before={"ignored": ", ".join(before)},
        after={"ignored": ", ".join(wanted)},
    )
