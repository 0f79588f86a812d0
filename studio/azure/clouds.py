"""The studio as a cloud: its metadata document, its subscription, and the discovery of its services."""

from typing import Any
from urllib.parse import urlsplit

from rest_framework.request import Request
from rest_framework.response import Response

from studio.azure.addresses import CLOUD, SUBSCRIPTION, TENANT, base_url
from studio.azure.protocol import route

STORAGE_SUFFIX = "core.windows.net"
# The SDK wants a URL for each service; the studio has environments.
SERVICES = (
    "api",
    "experimentation",
    "history",
    "hyperdrive",
    "modelmanagement",
    "studio",
    "pipelines",
    "artifacts",
)


def metadata(request: Request) -> Response:
    """Give the only cloud that a client may use here: the studio."""
    base = base_url(request)
    host = urlsplit(base).netloc
    return Response(
        [
            {
                "name": CLOUD,
                "portal": base,
                "resourceManager": base,
                "sqlManagement": base,
                "batch": base,
                "gallery": base,
                "graph": base,
                "graphAudience": base,
                "media": base,
                "vmImageAliasDoc": base,
                "activeDirectoryDataLake": base,
                "microsoftGraphResourceId": base,
                "authentication": {
                    "loginEndpoint": base,
                    "audiences": [base],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "suffixes": {
                    "storage": STORAGE_SUFFIX,
                    "keyVaultDns": host,
                    "sqlServerHostname": host,
                    "acrLoginServer": host,
                    "azureDataLakeStoreFileSystem": host,
                    "azureDataLakeAnalyticsCatalogAndJob": host,
                },
            }
        ]
    )


def subscriptions(request: Request) -> Response:
    """Give the studio's subscription, the only one."""
    return Response({"value": [_subscription(SUBSCRIPTION)]})


def subscription(request: Request, subscription: str) -> Response:
    """Give a subscription; each is the studio."""
    return Response(_subscription(subscription))


def _subscription(subscription: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "displayName": "Environment studio",
        "state": "Enabled",
        "tenantId": TENANT,
    }


def discovery(request: Request, **path: str) -> Response:
    """Give the base URL of each service."""
    return Response(dict.fromkeys(SERVICES, base_url(request)))


METADATA = route(GET=metadata, public=True)
SUBSCRIPTIONS = route(GET=subscriptions)
ONE_SUBSCRIPTION = route(GET=subscription)
DISCOVERY = route(GET=discovery, public=True)
