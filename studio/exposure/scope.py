"""The workspaces that an answer about exposure covers: what its reader may see, and nothing else."""

from __future__ import annotations

from typing import Any

from environments.access import workspaces_of
from environments.models import Workspace

ALL = "all"


def scope_of(user: Any, workspace: Workspace | None = None) -> list[int] | None:
    """Return the keys of the workspaces: the given workspace, or all that the user sees; None for every workspace."""
    if workspace is not None:
        return [workspace.pk]
    visible = workspaces_of(user)
    if visible.count() == Workspace.objects.count():
        return None
    return list(visible.values_list("pk", flat=True))


def sees_everything(user: Any) -> bool:
    """Whether a user sees every workspace: admins do, without a token that is for one."""
    return bool(user.is_superuser) and scope_of(user) is None
