"""Uses of environments: runs, models and deployments report the version that they use (rule 34)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from environments.access import workspaces_of
from environments.audit.record import record
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, Usage, Version, Workspace

MAX_NAMED = 3  # of the uses that prevent archiving; the others are counted
HELP = "Report that it has ended, or mark it as ended under “Used by”, then try again."


@dataclass(frozen=True)
class ReportedUse:
    """The use, and whether this is its first report (`created`)."""

    use: Usage
    created: bool


@transaction.atomic
def report_use(
    version: Version,
    kind: str,
    name: str,
    *,
    workspace: Workspace,
    user: User | None,
    link: str | None = None,
    active: bool = True,
) -> ReportedUse:
    """Record that a run, model or deployment of a workspace uses a version, or has ended.

    A repeated report changes the time only; a link of None stays. A deployment uses a single version: a report for
    another version ends the previous use. Raises ServiceError.
    """
    _check(kind, name, link or "")
    # A concurrent archiving waits here and then sees the use, or comes first.
    Environment.objects.select_for_update().get(pk=version.environment_id)
    now = timezone.now()
    use, created = Usage.objects.get_or_create(
        version=version,
        workspace=workspace,
        kind=kind,
        name=name,
        defaults={
            "environment": version.environment,
            "link": link or "",
            "first_at": now,
            "last_at": now,
            "ended_at": None if active else now,
            "reported_by": user,
        },
    )
    was_active, before = use.active and not created, _use_state(use)
    if not created:
        use.last_at = now
        use.link = use.link if link is None else link
        use.ended_at = None if active else use.ended_at or now
        use.reported_by = user
        use.save(update_fields=["last_at", "link", "ended_at", "reported_by"])
    if active and kind == Usage.Kind.DEPLOYMENT:
        _end_previous_deployment(use, user)
    if created or was_active != active:
        _record(use, user, None if created else before)
    return ReportedUse(use, created)


@transaction.atomic
def end_use(use: Usage, user: User | None) -> None:
    """End a use that was not reported as ended; an ended use is left unchanged."""
    now, before = timezone.now(), _use_state(use)
    if Usage.objects.filter(pk=use.pk, ended_at=None).update(ended_at=now, last_at=now):
        use.ended_at = use.last_at = now
        _record(use, user, before)


def _end_previous_deployment(use: Usage, user: User | None) -> None:
    others = Usage.objects.filter(workspace=use.workspace, kind=use.kind, name=use.name, ended_at=None)
    for other in others.exclude(pk=use.pk).select_related("version__environment", "environment", "workspace"):
        end_use(other, user)


def _check(kind: str, name: str, link: str) -> None:
    if kind not in Usage.Kind.values:
        raise ServiceError("use-invalid", f"“{kind}” isn't a kind of use.", "Use run, model or deployment.")
    if not 0 < len(name) <= 255 or not name.isprintable() or name != name.strip():
        raise ServiceError(
            "use-invalid",
            "This name of a run, model or deployment isn't valid.",
            "Use up to 255 characters, without line breaks or spaces around them.",
        )
    # The page renders it as a link, so it must not be a javascript: URL.
    if link and (len(link) > 2000 or not link.isprintable() or not _is_web_url(link)):
        raise ServiceError(
            "use-invalid", "This link isn't valid.", "Use an address that starts with https://."
        )


def _is_web_url(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _record(use: Usage, user: User | None, before: dict[str, str] | None) -> None:
    record(
        "use.reported" if use.active else "use.ended",
        str(use.version),
        workspace=use.workspace,
        environment=use.environment,
        actor=user,
        before=before,
        after=_use_state(use),
        kind=use.kind,
        name=use.name,
    )


def _use_state(use: Usage) -> dict[str, str]:
    """Return the fields of a use for an event."""
    return {str(use): "active" if use.active else "ended"}


def uses_of(
    environment: Environment, user: User | AnonymousUser, *, kind: str = "", state: str = "", query: str = ""
) -> QuerySet[Usage]:
    """Return the uses of an environment in workspaces that a user sees, newest report first.

    `state` is active or ended, `query` a part of the name or the exact version; empty filters match everything.
    """
    uses = Usage.objects.filter(environment=environment, workspace__in=workspaces_of(user))
    if kind in Usage.Kind.values:
        uses = uses.filter(kind=kind)
    if state in {"active", "ended"}:
        uses = uses.filter(ended_at__isnull=state == "active")
    if query:
        uses = uses.filter(Q(name__icontains=query) | Q(version__version=query))
    return uses.select_related("version", "workspace", "reported_by").order_by("-last_at", "-pk")


def hidden_uses(environment: Environment, user: User | AnonymousUser) -> int:
    """Return the number of active uses of an environment in workspaces that a user cannot see."""
    active = Usage.objects.filter(environment=environment, ended_at=None)
    return active.exclude(workspace__in=workspaces_of(user)).count()


def check_unused(environment: Environment, user: User, version: Version | None = None) -> None:
    """Raise ConflictError, naming the uses, while an environment or this version of it is in use (rule 34)."""
    active = Usage.objects.filter(environment=environment, ended_at=None)
    if version is not None:
        active = active.filter(version=version)
    if not active.exists():
        return
    visible = active.filter(workspace__in=workspaces_of(user))
    rows = list(visible.select_related("version__environment").order_by("-last_at", "-pk")[:MAX_NAMED])
    more, hidden = visible.count() - len(rows), active.count() - visible.count()
    reasons = [f"{use} ({use.version})" for use in rows]
    reasons += [f"{more} more"] if more else []
    reasons += [f"{hidden} in workspaces that you can't see"] if hidden else []
    raise ConflictError("in-use", f"{version or environment} is in use: {', '.join(reasons)}.", HELP)
