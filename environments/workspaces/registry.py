"""Where a workspace's images go, and who may pull them."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from environments.logins import url_of
from environments.models import Workspace, record
from environments.reach import AddressRefused
from environments.services import Refused


class RegistryRefused(Refused):
    """An address that no registry can have: which, and why."""

    field = "registry"

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__("registry-address", message, help)


def set_registry(workspace: Workspace, address: str, by: User | None) -> bool:
    """Have images pushed to this address too, to none where it is empty; return whether that is new.

    Raises RegistryRefused. Images that were made before stay where they are.
    """
    try:
        address = Workspace._meta.get_field("registry").clean(address.strip(), workspace)
    except ValidationError as error:
        raise RegistryRefused(" ".join(error.messages)) from error
    if address:
        try:
            settings.REACH.check_written(url_of("registry", address))
        except AddressRefused as refused:
            raise RegistryRefused(refused.message, refused.help) from refused
    return _change(workspace, by, "workspace.registry", registry=address)


def set_anonymous_pull(workspace: Workspace, allowed: bool, by: User | None) -> bool:
    """Let everybody pull a workspace's images without signing in, or its members alone; return whether that is new."""
    return _change(workspace, by, "workspace.pull", anonymous_pull=allowed)


@transaction.atomic
def _change(workspace: Workspace, by: User | None, verb: str, **value: Any) -> bool:
    ((field, now),) = value.items()
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    before = getattr(row, field)
    setattr(workspace, field, now)
    if before == now:
        return False
    workspace.save(update_fields=[field])
    record(verb, str(workspace), workspace=workspace, actor=by, before={field: before}, after={field: now})
    return True
