"""The environment variables with which clients trust this studio and send to it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings


@dataclass(frozen=True)
class Variable:
    """A variable of the environment, and the clients that read it."""

    name: str
    value: str
    clients: str

    @property
    def command(self) -> str:
        """The command that sets it in a shell."""
        return f"export {self.name}={shlex.quote(self.value)}"


def own_authority_at(base: str) -> bool:
    """Return whether a base URL is served with the studio's own certificate, which clients don't trust by themselves."""
    url = urlsplit(base)
    own = settings.SERVES_HTTPS and not settings.CERTIFICATE
    return own and url.scheme == "https" and url.port == settings.HTTPS_PORT


def trust_variables(file: str) -> list[Variable]:
    """Return the variables that have clients trust the authorities in a file, and no others."""
    return [
        Variable("REQUESTS_CA_BUNDLE", file, "requests: both Azure ML SDKs, Azure CLI"),
        Variable("SSL_CERT_FILE", file, "OpenSSL, httpx, urllib: Azure ML SDK v1"),
    ]


def sdk_v2_variables(base: str) -> list[Variable]:
    """Return the variables that have azure-ai-ml send to the studio."""
    return [Variable("AZUREML_DEV_URL_MFE", base, "Azure ML SDK v2")]


def sdk_v1_variables(base: str) -> list[Variable]:
    """Return the variables that have azureml-core send to the studio."""
    return [Variable("ARM_CLOUD_METADATA_URL", f"{base}/metadata/endpoints", "Azure ML SDK v1")]
