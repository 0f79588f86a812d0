"""The pages and commands that the palette offers, each only to people who may use it."""

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext as _

from environments.access import Right, rights_in, workspaces_of
from environments.models import Workspace
from environments.workspaces.service import may_create_workspaces
from environments.workspaces.tabs import settings_tabs
from studio.search.results import Result


def commands_for(workspace: Workspace, user: User) -> list[Result]:
    """Return the pages and commands of a person in a workspace, the most used first."""
    rights = rights_in(workspace, user)
    name = workspace.name
    environments = reverse("environments", args=[name])
    results = []
    if rights["define"] and not workspace.curated:
        new = reverse("new", args=[name])
        results = [
            Result(_("New environment"), new, "plus"),
            Result(_("New environment from packages"), f"{new}?source=packages", "plus"),
        ]
    results += [
        Result(_("Environments"), environments, "stack-2"),
        Result(_("My environments"), f"{environments}?q=is:mine", "user"),
        Result(_("Pinned environments"), f"{environments}?q=is:pinned", "stack-2"),
        Result(_("Failed environments"), f"{environments}?q=state:failed", "circle-x"),
        Result(_("Curated environments"), f"{environments}?tab=curated", "layers-intersect"),
        Result(_("Compare versions"), reverse("compare", args=[name]), "git-compare"),
        Result(_("Packages"), reverse("packages", args=[name]), "packages"),
        Result(_("Builds"), reverse("builds:builds", args=[name]), "hammer"),
        Result(_("Images"), reverse("builds:images", args=[name]), "box"),
        Result(_("Activity"), reverse("environments:activity", args=[name]), "activity"),
    ]
    if rights["propose" if not workspace.curated else "review"]:
        results.append(Result(_("Proposals"), reverse("proposals", args=[name]), "layers-intersect"))
    settings = reverse("environments:settings", args=[name])
    if rights["see_settings"]:
        results += [
            Result(tab.label, f"{settings}?tab={tab.name}", "settings", _("Settings"))
            for tab in settings_tabs()
            if rights[tab.right.name.lower()]
        ]
    return [*results, *_of_the_person(workspace, user)]


def _of_the_person(workspace: Workspace, user: User) -> list[Result]:
    theme = reverse("theme")
    results = [
        Result(_("Light theme"), theme, "sun", sends=("theme", "light")),
        Result(_("Dark theme"), theme, "moon", sends=("theme", "dark")),
        Result(_("System theme"), theme, "device-desktop", sends=("theme", "system")),
        Result(_("Access tokens"), reverse("tokens"), "lock", _("Your account")),
        Result(_("Notifications"), reverse("notifications"), "info-circle", _("Your account")),
        Result(_("Change password"), reverse("password"), "lock", _("Your account")),
    ]
    for other in workspaces_of(user, Right.SEE).exclude(pk=workspace.pk).order_by("curated", "title")[:50]:
        url = reverse("environments", args=[other.name])
        results.append(
            Result(_("Switch to %(workspace)s") % {"workspace": other.title}, url, "users", _("Workspace"))
        )
    if may_create_workspaces(user):
        results.append(Result(_("New workspace"), reverse("new_workspace"), "plus"))
    results.append(Result(_("Sign out"), reverse("logout"), "logout", sends=("next", "/login/")))
    return results
