"""What the frame around every page shows: the workspaces, the one that is open, the section, the theme."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from builds.news import news_for
from environments.access import rights_in, workspaces_of
from environments.models import Workspace
from environments.workspaces import may_create_workspaces
from studio.views.curation import review_for

THEMES = ("system", "light", "dark")
SECTIONS = {
    "environments": "environments",
    "environment": "environments",
    "version": "environments",
    "new": "environments",
    "edit": "environments",
    "compare": "environments",
    "propose": "environments",
    "deprecate": "environments",
    "proposals": "review",
    "proposal": "review",
    "decide": "review",
    "withdraw": "review",
    "rebuild": "environments",
    "builds": "builds",
    "build": "builds",
    "figures": "builds",
    "stop": "builds",
    "images": "images",
    "clean-up": "images",
    "activity": "activity",
    "everywhere": "activity",
    "settings": "settings",
    "add_connection": "settings",
    "replace_connection": "settings",
    "keep_member": "settings",
    "remove_member": "settings",
    "change_registry": "settings",
    "change_limits": "settings",
    "rename_workspace": "settings",
    "add_webhook": "settings",
    "change_webhook": "settings",
    "renew_webhook": "settings",
}


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return what every page needs; a page without a person in it gets its theme only."""
    theme = request.COOKIES.get("studio_theme", "system")
    shown: dict[str, Any] = {"theme": theme if theme in THEMES else "system"}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return shown
    match = request.resolver_match
    view = match.url_name or "" if match else ""
    asked = match.kwargs.get("workspace") if match else None
    workspaces = list(workspaces_of(user).order_by("curated", "title"))
    section = SECTIONS.get(view, "")
    current = open_workspace(request, workspaces, asked, section)
    return shown | {
        "workspaces": workspaces,
        "current": current,
        "section": section,
        "may_create_workspaces": may_create_workspaces(user),
        "may": rights_in(current, user),
        # Looked up by whole pages only, not by their parts
        "news": partial(news_for, user, workspaces),
        "review": SimpleLazyObject(partial(review_for, user, workspaces)),
    }


def open_workspace(
    request: HttpRequest, workspaces: list[Workspace], asked: str | None, section: str = ""
) -> Workspace | None:
    """Return the workspace whose frame is shown, and remember it.

    A look at the catalogue does not take people out of the workspace they work in.
    """
    by_name = {workspace.name: workspace for workspace in workspaces}
    named = by_name.get(asked or "")
    if named is not None and not (named.curated and section in ("environments", "review")):
        if request.session.get("workspace") != named.name:
            request.session["workspace"] = named.name
        return named
    last = by_name.get(request.session.get("workspace", ""))
    own = [workspace for workspace in workspaces if not workspace.curated]
    return last or next(iter(own), named or next(iter(workspaces), None))
