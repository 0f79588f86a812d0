"""The URLs that the Azure ML SDKs call. They are not below a prefix: the SDKs put their paths after the studio's base."""

from django.urls import include, path, re_path

from studio.azure import addresses, clouds, signin, workspaces
from studio.azure.protocol import nowhere, route

app_name = "azure"
GROUPS_WORKSPACES = rf"{addresses.IN_GROUP}/{addresses.WORKSPACES}"
ALL_WORKSPACES = rf"{addresses.IN_SUBSCRIPTION}/{addresses.WORKSPACES}"
NOWHERE = route(GET=nowhere, POST=nowhere, PUT=nowhere, PATCH=nowhere, DELETE=nowhere, public=True)
urlpatterns = [
    # Sign-in
    # /<tenant>/v2.0/.well-known/openid-configuration
    path("<word:tenant>/v2.0/.well-known/openid-configuration", signin.CONFIGURATION),
    # /adfs/.well-known/openid-configuration
    path("<word:tenant>/.well-known/openid-configuration", signin.CONFIGURATION),
    # /<tenant>/oauth2/v2.0/token
    path("<word:tenant>/oauth2/v2.0/token", signin.TOKEN),
    # /<tenant>/discovery/v2.0/keys
    path("<word:tenant>/discovery/v2.0/keys", signin.KEYS),
    # The cloud
    # /metadata/endpoints?api-version=2019-05-01
    path("metadata/endpoints", clouds.METADATA),
    # /discovery
    path("discovery", clouds.DISCOVERY),
    # /subscriptions?api-version=2022-12-01
    re_path(r"^(?i:subscriptions)$", clouds.SUBSCRIPTIONS),
    # /subscriptions/<subscription>
    re_path(rf"^{addresses.IN_SUBSCRIPTION}$", clouds.ONE_SUBSCRIPTION),
    # Workspaces
    re_path(rf"^{ALL_WORKSPACES}$", workspaces.WORKSPACES),
    re_path(rf"^{GROUPS_WORKSPACES}$", workspaces.WORKSPACES),
    re_path(rf"^{addresses.WORKSPACE}$", workspaces.WORKSPACE),
    re_path(rf"^{addresses.WORKSPACE}/datastores$", workspaces.DATASTORES),
    re_path(rf"^{addresses.WORKSPACE}/datastores/(?P<datastore>[^/\0]+)$", workspaces.DATASTORE_VIEW),
    # Environments
    path("", include("studio.azure.v2.urls")),
    # Everything else of the Resource Manager: jobs, models, data
    re_path(r"^(?i:subscriptions)/(?P<path>[\s\S]*)$", NOWHERE),
]
