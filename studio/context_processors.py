"""Context of the base template: workspaces, the open workspace, the section, the theme."""

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from environments.access import rights_in, workspaces_of
from environments.models import Workspace
from environments.notifications.inbox import bell_for
from environments.sections import section_of
from environments.workspaces.service import may_create_workspaces
from studio.catalogue.curation import review_for

THEMES = ("system", "light", "dark")


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the context of every page; only the theme for anonymous visitors."""
    theme = request.COOKIES.get("studio_theme", "system")
    context: dict[str, Any] = {"theme": theme if theme in THEMES else "system"}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return context
    match = request.resolver_match
    requested = match.kwargs.get("workspace") if match else None
    workspaces = list(workspaces_of(user).order_by("curated", "title"))
    section = section_of(match)
    current = open_workspace(request, workspaces, requested, section)
    section = catalogue_section(request, workspaces, requested, section)
    return context | {
        "workspaces": workspaces,
        "current": current,
        "section": section,
        "studio_version": settings.VERSION,
        "may_create_workspaces": may_create_workspaces(user),
        "may": rights_in(current, user),
        # The workspace whose changes the page shows; the catalogue's pages are shown within another
        "shown_workspace": next((row for row in workspaces if row.name == requested), current),
        "live_position": getattr(request, "live_position", ""),
        # Queried by whole pages only, not by partials
        "bell": partial(bell_for, user, request.path),
        "review": SimpleLazyObject(partial(review_for, user, workspaces)),
    }


def open_workspace(
    request: HttpRequest, workspaces: list[Workspace], requested: str | None, section: str = ""
) -> Workspace | None:
    """Return the workspace that the page is shown in, and remember it in the session.

    A look into the catalogue does not leave the workspace; its review is shown as the catalogue's, but not remembered.
    """
    by_name = {workspace.name: workspace for workspace in workspaces}
    opened = by_name.get(requested or "")
    if opened is not None and opened.curated and section == "review":
        return opened
    if opened is not None and not (opened.curated and section == "environments"):
        if request.session.get("workspace") != opened.name:
            request.session["workspace"] = opened.name
        return opened
    last = by_name.get(request.session.get("workspace", ""))
    own_workspaces = [workspace for workspace in workspaces if not workspace.curated]
    return last or next(iter(own_workspaces), opened or next(iter(workspaces), None))


def catalogue_section(
    request: HttpRequest, workspaces: list[Workspace], requested: str | None, section: str
) -> str:
    """Return the entry of the navigation to mark: pages of the catalogue and proposals have entries of their own."""
    curated = any(workspace.curated for workspace in workspaces if workspace.name == requested)
    if section == "environments" and (curated or request.GET.get("tab") == "curated"):
        return "catalogue"
    if section == "review" and not curated:
        return "proposals"
    return section
