"""A workspace's registry, the compression, bytecode and import test of its images, and whether they can be pulled without signing in."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import Bytecode, Compression, ImportTest, Workspace
from environments.network.credentials import url_of
from environments.network.policy import AddressRefused
from environments.network.urls import UnreadableUrl


class RegistryRefused(ServiceError):
    """An address that no registry can have, with the reason."""

    field = "registry"

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__("registry-address", message, help)


def set_registry(workspace: Workspace, address: str, by: User | None) -> bool:
    """Push future images to this address too, to none if it is empty; return whether that is a change.

    Raises RegistryRefused. Images in a registry stay there.
    """
    try:
        address = Workspace._meta.get_field("registry").clean(address.strip(), workspace)
    except ValidationError as error:
        raise RegistryRefused(" ".join(error.messages)) from error
    if address:
        try:
            settings.EGRESS_POLICY.check_literal(url_of("registry", address))
        except AddressRefused as refused:
            raise RegistryRefused(refused.message, refused.help) from refused
        except UnreadableUrl as error:
            raise RegistryRefused(str(error)) from error
    return _change(workspace, by, "workspace.registry", registry=address)


def set_anonymous_pull(workspace: Workspace, allowed: bool, by: User | None) -> bool:
    """Allow everybody to pull a workspace's images, or its members alone; return whether that is a change."""
    return _change(workspace, by, "workspace.pull", anonymous_pull=allowed)


class ChoiceRefused(ServiceError):
    """A value that is none of a setting's choices."""

    def __init__(self, field: str, value: str, choices: Sequence[str]) -> None:
        super().__init__(
            f"bad-{field}",
            f"“{value[:80]}” is no choice for {field}.",
            f"Choose one of {', '.join(choices)}.",
        )
        self.field = field


def compression_of(workspace: Workspace) -> str:
    """Return the compression of a workspace's new images: its own, else the studio's."""
    return workspace.compression or str(settings.COMPRESSION)


def set_compression(workspace: Workspace, compression: str, by: User | None) -> bool:
    """Compress the layers of future images so, as the studio does if it is empty; return whether that is a change.

    Raises ChoiceRefused. Images that exist stay as they are.
    """
    _check_choice("compression", compression, Compression.values)
    return _change(workspace, by, "workspace.compression", compression=compression)


def bytecode_of(workspace: Workspace) -> str:
    """Return which modules are compiled for a workspace's new images: its own choice, else the studio's."""
    return workspace.bytecode or str(settings.BYTECODE)


def set_bytecode(workspace: Workspace, bytecode: str, by: User | None) -> bool:
    """Compile these modules for future images, as the studio does if it is empty; return whether that is a change.

    Raises ChoiceRefused. Images that exist stay as they are.
    """
    _check_choice("bytecode", bytecode, Bytecode.values)
    return _change(workspace, by, "workspace.bytecode", bytecode=bytecode)


def import_test_of(workspace: Workspace) -> str:
    """Return when the packages of a workspace's images are imported: its own choice, else the studio's."""
    return workspace.import_test or str(settings.IMPORT_TEST)


def set_import_test(workspace: Workspace, choice: str, by: User | None) -> bool:
    """Switch the import test of builds on or off, as the studio does if it is empty; return whether that is a change.

    Raises ChoiceRefused.
    """
    _check_choice("import-test", choice, ImportTest.values)
    return _change(workspace, by, "workspace.import_test", import_test=choice)


def _check_choice(field: str, value: str, choices: Sequence[str]) -> None:
    if value and value not in choices:
        raise ChoiceRefused(field, value, choices)


@transaction.atomic
def _change(workspace: Workspace, by: User | None, verb: str, **value: Any) -> bool:
    ((field, after),) = value.items()
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    before = getattr(row, field)
    setattr(workspace, field, after)
    if before == after:
        return False
    workspace.save(update_fields=[field])
    record(verb, str(workspace), workspace=workspace, actor=by, before={field: before}, after={field: after})
    return True
