"""The URLs of registries."""

from studio.azure.addresses import url
from studio.azure.registries import views
from studio.azure.registries.scopes import REGISTRY

IN = rf"{REGISTRY}/environments"
NAME, VERSION = r"(?P<name>[^/\0]+)", r"(?P<version>[^/\0]+)"
urlpatterns = [
    # /registrymanagement/v1.0/registries/<registry>/discovery
    url(r"registrymanagement/v1\.0/registries/(?P<registry>[^/\0]+)/discovery", views.DISCOVERY),
    # /mferp/managementfrontend/subscriptions/…/registries/<registry>/environments/<name>/versions/<version>
    url(IN, views.ENVIRONMENTS),
    url(f"{IN}/{NAME}", views.ENVIRONMENT),
    url(f"{IN}/{NAME}/versions", views.VERSIONS),
    url(f"{IN}/{NAME}/versions/{VERSION}", views.VERSION),
    url(f"{REGISTRY}/tempdatarefs/{NAME}/versions/{VERSION}", views.TEMPORARY_REFERENCE),
    url(f"{REGISTRY}/import", views.IMPORT),
]
