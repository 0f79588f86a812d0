"""Fields of requests and responses about the compression of a workspace's images."""

from typing import Any

from rest_framework import serializers as s

from environments.models import Compression, Workspace
from environments.workspaces.registry import compression_of

OWN = "Empty for the studio's."


class CompressionIn(s.Serializer[Any]):
    """The compression that a workspace's new images are to have."""

    compression = s.ChoiceField(choices=Compression.values, allow_blank=True, help_text=OWN)


class CompressionOut(s.Serializer[Any]):
    """The compression of a workspace's new images."""

    compression = s.ChoiceField(choices=Compression.values, allow_blank=True, help_text=OWN)
    in_use = s.ChoiceField(choices=Compression.values, help_text="The workspace's own, else the studio's.")


def compression(row: Workspace) -> dict[str, Any]:
    """Return the compression of a workspace's new images."""
    return {"compression": row.compression, "in_use": compression_of(row)}
