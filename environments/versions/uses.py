"""What uses environments: runs, models and deployments report which version they use (rule 34)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from environments.access import workspaces_of
from environments.models import Environment, Use, Version, Workspace, record
from environments.refused import Refused

NAMED = 3  # of those in the way of an archiving; the others are counted
HELP = "Report that it has ended, or end it under “Used by”; what has ended does not hold a version."


@dataclass(frozen=True)
class Reported:
    """The use, and whether it was reported for the first time (`created`)."""

    use: Use
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
) -> Reported:
    """Keep that a run, model or deployment of a workspace uses a version, or has ended.

    The same report again changes nothing but the time. A link that is left out stays as it was. A deployment
    stands on one version at a time: reported on another one, it has left the one before. Raises Refused.
    """
    _check(kind, name, link or "")
    # Who archives this environment at the same moment waits here, and then sees the use; or it is archived first.
    Environment.objects.select_for_update().get(pk=version.environment_id)
    now = timezone.now()
    use, created = Use.objects.get_or_create(
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
    was_active, before = use.active and not created, _said(use)
    if not created:
        use.last_at = now
        use.link = use.link if link is None else link
        use.ended_at = None if active else use.ended_at or now
        use.reported_by = user
        use.save(update_fields=["last_at", "link", "ended_at", "reported_by"])
    if active and kind == Use.Kind.DEPLOYMENT:
        _leave_the_one_before(use, user)
    if created or was_active != active:
        _record(use, user, None if created else before)
    return Reported(use, created)


@transaction.atomic
def end_use(use: Use, user: User | None) -> None:
    """Note that a use has ended, for what ended without a report; one that has ended stays as it is."""
    now, before = timezone.now(), _said(use)
    if Use.objects.filter(pk=use.pk, ended_at=None).update(ended_at=now, last_at=now):
        use.ended_at = use.last_at = now
        _record(use, user, before)


def _leave_the_one_before(use: Use, user: User | None) -> None:
    others = Use.objects.filter(workspace=use.workspace, kind=use.kind, name=use.name, ended_at=None)
    for other in others.exclude(pk=use.pk).select_related("version__environment", "environment", "workspace"):
        end_use(other, user)


def _check(kind: str, name: str, link: str) -> None:
    if kind not in Use.Kind.values:
        raise Refused(
            "use-invalid", f"“{kind}” is nothing that uses a version.", "Say run, model or deployment."
        )
    if not 0 < len(name) <= 255 or not name.isprintable() or name != name.strip():
        raise Refused(
            "use-invalid",
            "That cannot be the name of a run, model or deployment.",
            "Give up to 255 characters, without line breaks or spaces around it.",
        )
    # The page makes it a link: it must lead to a page, and not run something.
    if link and (len(link) > 2000 or not link.isprintable() or not _leads_to_a_page(link)):
        raise Refused(
            "use-invalid", "That is no link to a page.", "Give an address that begins with https://."
        )


def _leads_to_a_page(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _record(use: Use, user: User | None, before: dict[str, str] | None) -> None:
    record(
        "use.reported" if use.active else "use.ended",
        str(use.version),
        workspace=use.workspace,
        environment=use.environment,
        actor=user,
        before=before,
        after=_said(use),
        kind=use.kind,
        name=use.name,
    )


def _said(use: Use) -> dict[str, str]:
    """Return what an event says of a use."""
    return {str(use): "active" if use.active else "ended"}


def uses_of(
    environment: Environment, user: User | AnonymousUser, *, kind: str = "", state: str = "", words: str = ""
) -> QuerySet[Use]:
    """Return what uses an environment, newest report first, as far as this person sees where it belongs.

    `state` is active or ended, `words` a part of the name or the exact version; what is empty filters nothing.
    """
    found = Use.objects.filter(environment=environment, workspace__in=workspaces_of(user))
    if kind in Use.Kind.values:
        found = found.filter(kind=kind)
    if state in {"active", "ended"}:
        found = found.filter(ended_at__isnull=state == "active")
    if words:
        found = found.filter(Q(name__icontains=words) | Q(version__version=words))
    return found.select_related("version", "workspace", "reported_by").order_by("-last_at", "-pk")


def hidden_uses(environment: Environment, user: User | AnonymousUser) -> int:
    """Return how many active uses of an environment belong to workspaces that this person cannot see."""
    active = Use.objects.filter(environment=environment, ended_at=None)
    return active.exclude(workspace__in=workspaces_of(user)).count()


def refuse_while_used(environment: Environment, user: User, version: Version | None = None) -> None:
    """Raise Refused while something uses an environment, or this version of it, and say what does (rule 34)."""
    active = Use.objects.filter(environment=environment, ended_at=None)
    if version is not None:
        active = active.filter(version=version)
    if not active.exists():
        return
    seen = active.filter(workspace__in=workspaces_of(user))
    rows = list(seen.select_related("version__environment").order_by("-last_at", "-pk")[:NAMED])
    more, unseen = seen.count() - len(rows), active.count() - seen.count()
    said = [f"{use} ({use.version})" for use in rows]
    said += [f"{more} more"] if more else []
    said += [f"{unseen} in workspaces that you cannot see"] if unseen else []
    raise Refused("in-use", f"{version or environment} is in use: {', '.join(said)}.", HELP)
