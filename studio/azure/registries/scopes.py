"""Registries: the workspaces that they are, and the ids of what is in them."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404

from environments.access import Right, get_workspace
from environments.models import Workspace
from studio.azure.addresses import IN_GROUP, Scope

CATALOGUE = "azureml"
REGISTRY = rf"mferp/managementfrontend/{IN_GROUP}/providers/Microsoft\.MachineLearningServices/registries/(?P<registry>[^/\0]+)"
_PREFIX = "AzureML-"


@dataclass(frozen=True)
class RegistryScope(Scope):
    """A registry that a URL names, with its workspace."""

    registry: str

    @property
    def id(self) -> str:
        """The beginning of its ids, which name neither subscription nor resource group."""
        return f"azureml://registries/{self.registry}"


def registry_workspace(user: Any, registry: str, right: Right = Right.SEE) -> Workspace:
    """Return the workspace that a registry is, if this user has the right in it; else raise as `get_workspace`.

    A workspace that is not opened is no registry, not even for its members.
    """
    if registry == CATALOGUE:
        name = Workspace.objects.filter(curated=True).values_list("name", flat=True).first()
    else:
        opened = Workspace.objects.filter(name=registry, opened=True, curated=False)
        name = opened.values_list("name", flat=True).first()
    if name is None:
        raise _nothing(registry)
    try:
        return get_workspace(user, name, right)
    except Http404:
        raise _nothing(registry) from None


def name_in(workspace: Workspace, name: str) -> str:
    """Return the name of an environment; those of the catalogue are also known without their prefix, as in Azure."""
    if workspace.curated and not workspace.environments.filter(name=name).exists():
        prefixed = f"{_PREFIX}{name}"
        return prefixed if workspace.environments.filter(name=prefixed).exists() else name
    return name


def _nothing(registry: str) -> Http404:
    return Http404(f"There is no registry {registry} that you can see.")
