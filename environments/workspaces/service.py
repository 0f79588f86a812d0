"""Creating and renaming workspaces."""

import re
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from environments.access import token_used_by
from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import CATALOGUE, Member, Role, Scope, Workspace

MAX_NAME_LENGTH = 63
MAX_TITLE_LENGTH = 120
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class WorkspaceRefused(ServiceError):
    """A workspace that cannot be created or renamed: the field, and the reason."""

    def __init__(self, field: str, code: str, message: str, help: str = "") -> None:
        super().__init__(code, message, help)
        self.field = field


class NameTaken(WorkspaceRefused):
    """Another workspace has this name."""

    status = HTTPStatus.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(
            "name",
            "name-taken",
            _("There is a workspace called %(name)s already.") % {"name": name},
            _("Take another name."),
        )


def may_create_workspaces(user: User | AnonymousUser) -> bool:
    """Return whether a user may create workspaces: admins, or everybody with STUDIO_ANYONE_CREATES_WORKSPACES.

    A token needs the scope to write, and no workspace.
    """
    token = token_used_by(user)
    if not user.is_authenticated or (
        token is not None and (token.scope < Scope.WRITE or token.workspace_id is not None)
    ):
        return False
    return user.is_superuser or settings.ANYONE_CREATES_WORKSPACES


def create_workspace(name: str, title: str, by: User) -> Workspace:
    """Create a workspace owned by a user; an empty name is derived from the title. Raises WorkspaceRefused."""
    title = _clean_title(title)
    name = _checked_name(
        name.strip() or slugify(title).replace("_", "-").strip("-")[:MAX_NAME_LENGTH].rstrip("-")
    )
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(name=name, title=title)
            Member.objects.create(workspace=workspace, user=by, role=Role.OWNER)
            record("workspace.created", name, workspace=workspace, actor=by, after={"title": title})
    except IntegrityError as error:
        # Also if the user cannot see the other workspace: names are unique, as parts of URLs.
        raise NameTaken(name) from error
    return workspace


@transaction.atomic
def rename_workspace(workspace: Workspace, title: str, by: User) -> bool:
    """Change a workspace's title; return whether that is a change. Its name stays: it is in URLs and images.

    Raises WorkspaceRefused.
    """
    title = _clean_title(title)
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    workspace.title = title
    if row.title == title:
        return False
    workspace.save(update_fields=["title"])
    before, after = {"title": row.title}, {"title": title}
    record("workspace.renamed", str(workspace), workspace=workspace, actor=by, before=before, after=after)
    return True


def _clean_title(typed: str) -> str:
    title = " ".join(typed.split())
    if not title or not title.isprintable():
        raise WorkspaceRefused("title", "title-invalid", _("Give the workspace a title, in one line."))
    if len(title) > MAX_TITLE_LENGTH:
        raise WorkspaceRefused(
            "title",
            "title-invalid",
            _("A title has up to %(number)s characters.") % {"number": MAX_TITLE_LENGTH},
        )
    return title


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise WorkspaceRefused(
            "name",
            "name-invalid",
            _("A name has up to %(number)s lower-case letters and digits, with single “-” between them.")
            % {"number": MAX_NAME_LENGTH},
            _("It is part of addresses and of the names of images, such as team-vision."),
        )
    if name == CATALOGUE:
        raise WorkspaceRefused(
            "name", "name-reserved", _("This name is that of the catalogue."), _("Take another name.")
        )
    return name
