"""The URLs of SDK v2."""

from studio.azure import addresses
from studio.azure.addresses import url
from studio.azure.v2 import environments

urlpatterns = [
    url(rf"{addresses.WORKSPACE}/environments", environments.ENVIRONMENTS),
    url(addresses.ENVIRONMENT, environments.ENVIRONMENT),
    url(rf"{addresses.ENVIRONMENT}/versions", environments.VERSIONS),
    url(addresses.VERSION, environments.VERSION),
]
