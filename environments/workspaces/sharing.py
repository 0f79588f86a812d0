"""Settings of a workspace: whether it is open as a registry, whether it receives shares, and its protected labels."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from environments.audit.record import record
from environments.definition.syntax.registry_names import LATEST
from environments.errors import ServiceError
from environments.models import Workspace
from environments.versions.labels import LABEL, LABEL_INVALID, MAX_LABELS


@transaction.atomic
def set_opened(workspace: Workspace, opened: bool, by: User | None) -> bool:
    """Let Azure's clients use the workspace as the registry of its name, or not; return whether that is a change.

    The rights stay: members find in it what they see in the workspace.
    """
    return _change(workspace, "workspace.opened", "opened", opened, by)


@transaction.atomic
def set_receives_shares(workspace: Workspace, receives: bool, by: User | None) -> bool:
    """Let versions that others share wait for the workspace's owners, or not; return whether that is a change.

    A sender sees no difference: what is sent to a workspace that receives nothing stays undecided.
    """
    return _change(workspace, "workspace.receiving", "receives_shares", receives, by)


@transaction.atomic
def set_protected_labels(workspace: Workspace, names: Iterable[str], by: User | None) -> bool:
    """Let only owners set, move and remove these labels; return whether that is a change. Raises ServiceError."""
    labels = sorted({name.strip() for name in names if name.strip()})
    for name in labels:
        if not LABEL.fullmatch(name) or name == LATEST:
            raise ServiceError("label-invalid", f"“{name[:80]}” can't be a label.", LABEL_INVALID[1])
    if len(labels) > MAX_LABELS:
        raise ServiceError("too-many-labels", f"Up to {MAX_LABELS} labels can be protected.", "Remove some.")
    return _change(workspace, "workspace.labels", "protected_labels", labels, by)


def _change(workspace: Workspace, verb: str, field: str, after: object, by: User | None) -> bool:
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    before = getattr(row, field)
    setattr(workspace, field, after)
    if before == after:
        return False
    workspace.save(update_fields=[field])
    record(verb, str(workspace), workspace=workspace, actor=by, before={field: before}, after={field: after})
    return True
