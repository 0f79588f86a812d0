"""URLs and ids of the Azure Resource Manager, as the SDKs send them and read them back.

Subscription and resource group may be any text; the name of the workspace is the studio's.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from environments.models import Workspace

PROVIDER = "Microsoft.MachineLearningServices"
CLOUD = "SelfHosted"
# What the studio itself writes, such as in config.json; a client may send any other.
SUBSCRIPTION = "5d1c2f0a-0000-4000-8000-000000000001"
GROUP = "studio"
TENANT = "5d1c2f0a-0000-4000-8000-000000000002"
LOCATION = "studio"
_WORKSPACE_IDS = UUID("5d1c2f0a-0000-4000-8000-000000000003")


def _any_case(text: str) -> str:
    """Return a pattern of a text in any case: with an inline flag, Django could not reverse any URL."""
    return "".join(f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in text)


# Parts of URL patterns: names in any case, as the SDKs' versions differ in it.
SUBSCRIPTIONS = _any_case("subscriptions")
IN_SUBSCRIPTION = rf"{SUBSCRIPTIONS}/(?P<subscription>[^/\0]+)"
IN_GROUP = rf"{IN_SUBSCRIPTION}/{_any_case('resourceGroups')}/(?P<group>[^/\0]+)"
WORKSPACES = _any_case(r"providers/Microsoft\.MachineLearningServices/workspaces")
WORKSPACE = rf"{IN_GROUP}/{WORKSPACES}/(?P<workspace>[^/\0]+)"
ENVIRONMENT = rf"{WORKSPACE}/environments/(?P<name>[^/\0]+)"
VERSION = rf"{ENVIRONMENT}/versions/(?P<version>[^/\0]+)"


@dataclass(frozen=True)
class Scope:
    """The workspace that a URL names, with the subscription and the resource group that the client sent."""

    subscription: str
    group: str
    workspace: str

    @property
    def id(self) -> str:
        """The workspace's id: the SDKs parse it, and the case counts."""
        groups = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{groups}/providers/{PROVIDER}/workspaces/{self.workspace}"

    def environment_id(self, name: str) -> str:
        """Return the id of an environment."""
        return f"{self.id}/environments/{name}"

    def version_id(self, name: str, version: str) -> str:
        """Return the id of a version."""
        return f"{self.environment_id(name)}/versions/{version}"


def base_url(request: HttpRequest | Request) -> str:
    """Return the base of absolute URLs, without a slash at its end: STUDIO_URL, else what the client called."""
    return settings.PUBLIC_URL if settings.PUBLIC_URL_IS_SET else request.build_absolute_uri("/").rstrip("/")


def workspace_guid(workspace: Workspace) -> str:
    """Return the id that clients know a workspace by; it never changes."""
    return str(uuid5(_WORKSPACE_IDS, workspace.name))
