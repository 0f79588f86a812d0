"""Signatures for those who may upload to a workspace."""

from datetime import timedelta
from typing import Any

from environments.access import token_used_by
from environments.models import Workspace
from studio.azure.blobs import signatures
from studio.azure.blobs.containers import container_of


def signature_for(user: Any, workspace: Workspace, hours: int = 1) -> str:
    """Return a signature for a workspace's container; its rights are looked up again with each request."""
    token = token_used_by(user)
    assert token is not None  # noqa: S101 (these addresses accept nothing else)
    holder = signatures.Holder(token.pk, workspace.pk)
    rights = signatures.READ + signatures.CREATE + signatures.WRITE
    return signatures.sign(container_of(workspace), rights, holder, lasting=timedelta(hours=hours))
