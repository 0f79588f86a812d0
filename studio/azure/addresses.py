"""URLs and ids of the Azure Resource Manager, as the SDKs send them and read them back.

Subscription and resource group may be any text; the name of the workspace is the studio's.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.urls.resolvers import RegexPattern, URLPattern

from environments.models import Workspace
from environments.public_url import base_url as base_url

PROVIDER = "Microsoft.MachineLearningServices"
CLOUD = "SelfHosted"
# The studio writes these, such as in config.json; a client may send any others.
SUBSCRIPTION = "5d1c2f0a-0000-4000-8000-000000000001"
GROUP = "studio"
TENANT = "5d1c2f0a-0000-4000-8000-000000000002"
LOCATION = "studio"
_WORKSPACE_IDS = UUID("5d1c2f0a-0000-4000-8000-000000000003")

# Parts of patterns for `url`.
IN_SUBSCRIPTION = r"subscriptions/(?P<subscription>[^/\0]+)"
IN_GROUP = rf"{IN_SUBSCRIPTION}/resourceGroups/(?P<group>[^/\0]+)"
WORKSPACES = r"providers/Microsoft\.MachineLearningServices/workspaces"
WORKSPACE = rf"{IN_GROUP}/{WORKSPACES}/(?P<workspace>[^/\0]+)"
ENVIRONMENT = rf"{WORKSPACE}/environments/(?P<name>[^/\0]+)"
VERSION = rf"{ENVIRONMENT}/versions/(?P<version>[^/\0]+)"


class AnyCasePattern(RegexPattern):
    """A pattern that ignores case, in which the versions of the SDKs differ: `resourcegroups`."""

    def __init__(self, regex: str) -> None:
        super().__init__(regex, is_endpoint=True)
        self.regex = re.compile(regex, re.IGNORECASE)


def url(pattern: str, view: Any) -> URLPattern:
    """Return the URLs that a regular expression matches as a whole, in any case."""
    return URLPattern(AnyCasePattern(f"^{pattern}$"), view)


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


def workspace_guid(workspace: Workspace) -> str:
    """Return the id that clients know a workspace by; it never changes."""
    return str(uuid5(_WORKSPACE_IDS, workspace.name))
