"""Workspaces: who makes one, what it may be called, and its title."""

import re

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from environments.access import token_behind
from environments.models import CATALOGUE, Member, Role, Scope, Workspace, record
from environments.services import Refused

LONGEST_NAME = 63
LONGEST_TITLE = 120
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class WorkspaceRefused(Refused):
    """A workspace that cannot be made or called so: which field, and why."""

    def __init__(self, field: str, code: str, message: str, help: str = "") -> None:
        super().__init__(code, message, help)
        self.field = field


def may_create_workspaces(user: User | AnonymousUser) -> bool:
    """Tell whether a person makes workspaces: admins, and everybody where STUDIO_ANYONE_CREATES_WORKSPACES is on.

    A token that only reads, or that is for one workspace, makes none.
    """
    token = token_behind(user)
    if not user.is_authenticated or (
        token is not None and (token.scope < Scope.WRITE or token.workspace_id is not None)
    ):
        return False
    return user.is_superuser or settings.ANYONE_CREATES_WORKSPACES


def create_workspace(name: str, title: str, by: User) -> Workspace:
    """Make a workspace that this person owns; a name that is left out is made of the title. Raises WorkspaceRefused."""
    title = _title(title)
    name = _name(name.strip() or slugify(title).replace("_", "-").strip("-")[:LONGEST_NAME].rstrip("-"))
    try:
        with transaction.atomic():
            made = Workspace.objects.create(name=name, title=title)
            Member.objects.create(workspace=made, user=by, role=Role.OWNER)
            record("workspace.created", name, workspace=made, actor=by, after={"title": title})
    except IntegrityError as error:
        # Also where they may not see it: names are parts of addresses, and there is one of each.
        raise WorkspaceRefused(
            "name",
            "name-taken",
            _("There is a workspace called %(name)s already.") % {"name": name},
            _("Take another name."),
        ) from error
    return made


@transaction.atomic
def rename_workspace(workspace: Workspace, title: str, by: User) -> bool:
    """Give a workspace another title; return whether that is new. Its name stays: it is in addresses and images.

    Raises WorkspaceRefused.
    """
    title = _title(title)
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    workspace.title = title
    if row.title == title:
        return False
    workspace.save(update_fields=["title"])
    before, after = {"title": row.title}, {"title": title}
    record("workspace.renamed", str(workspace), workspace=workspace, actor=by, before=before, after=after)
    return True


def _title(typed: str) -> str:
    title = " ".join(typed.replace("\0", "").split())
    if not title or not title.isprintable():
        raise WorkspaceRefused("title", "title-invalid", _("Give the workspace a title, in one line."))
    if len(title) > LONGEST_TITLE:
        raise WorkspaceRefused(
            "title",
            "title-invalid",
            _("A title has up to %(number)s characters.") % {"number": LONGEST_TITLE},
        )
    return title


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise WorkspaceRefused(
            "name",
            "name-invalid",
            _("A name has up to %(number)s lower-case letters and digits, with single “-” between them.")
            % {"number": LONGEST_NAME},
            _("It is part of addresses and of the names of images, such as team-vision."),
        )
    if name == CATALOGUE:
        raise WorkspaceRefused(
            "name", "name-reserved", _("This name is that of the catalogue."), _("Take another name.")
        )
    return name
