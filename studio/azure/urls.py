"""The URLs that the Azure ML SDKs call. They are not below a prefix: the SDKs put their paths after the studio's base."""

from django.urls import include, path

from studio.azure import addresses, clouds, signin, workspaces
from studio.azure.addresses import url
from studio.azure.blobs import views as blobs
from studio.azure.blobs.containers import ACCOUNT, CONTAINER
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
    url(r"subscriptions", clouds.SUBSCRIPTIONS),
    # /subscriptions/<subscription>
    url(addresses.IN_SUBSCRIPTION, clouds.ONE_SUBSCRIPTION),
    # Workspaces
    url(ALL_WORKSPACES, workspaces.WORKSPACES),
    url(GROUPS_WORKSPACES, workspaces.WORKSPACES),
    url(addresses.WORKSPACE, workspaces.WORKSPACE),
    url(rf"{addresses.WORKSPACE}/datastores", workspaces.DATASTORES),
    url(rf"{addresses.WORKSPACE}/datastores/(?P<datastore>[^/\0]+)", workspaces.DATASTORE_VIEW),
    url(rf"{addresses.WORKSPACE}/datastores/(?P<datastore>[^/\0]+)/listSecrets", workspaces.SECRETS),
    # Uploads
    # /blobstore/<account>.blob.<suffix>/<container>/<name>?<signature>
    url(rf"blobstore/{ACCOUNT}/{CONTAINER}/(?P<name>[\s\S]*)", blobs.blob),
    # /blobstore/<container>/<name>?<signature>
    url(rf"blobstore/{CONTAINER}/(?P<name>[\s\S]*)", blobs.blob),
    # Environments
    path("", include("studio.azure.v1.urls")),
    path("", include("studio.azure.v2.urls")),
    # Registries
    path("", include("studio.azure.registries.urls")),
    # Everything else of the Resource Manager: jobs, models, data
    url(r"subscriptions/(?P<path>[\s\S]*)", NOWHERE),
    # and of registries
    url(r"mferp/(?P<path>[\s\S]*)", NOWHERE),
]
