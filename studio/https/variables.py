"""The environment variables with which clients trust this studio and send to it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


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
