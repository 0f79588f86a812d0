"""The URLs of SDK v2."""

from django.urls import re_path

from studio.azure import addresses
from studio.azure.v2 import environments

urlpatterns = [
    re_path(rf"^{addresses.WORKSPACE}/environments$", environments.ENVIRONMENTS),
    re_path(rf"^{addresses.ENVIRONMENT}$", environments.ENVIRONMENT),
    re_path(rf"^{addresses.ENVIRONMENT}/versions$", environments.VERSIONS),
    re_path(rf"^{addresses.VERSION}$", environments.VERSION),
]
