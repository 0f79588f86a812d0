"""Fields of requests and responses about the bytecode of a workspace's images."""

from typing import Any

from rest_framework import serializers as s

from environments.models import Bytecode, Workspace
from environments.workspaces.registry import bytecode_of

OWN = "Empty for the studio's."
MODULES = "The modules that imports reach from the requested packages, all modules, or none."


class BytecodeIn(s.Serializer[Any]):
    """The modules that are to be compiled for a workspace's new images."""

    bytecode = s.ChoiceField(choices=Bytecode.values, allow_blank=True, help_text=f"{MODULES} {OWN}")


class BytecodeOut(s.Serializer[Any]):
    """The modules that are compiled for a workspace's new images."""

    bytecode = s.ChoiceField(choices=Bytecode.values, allow_blank=True, help_text=f"{MODULES} {OWN}")
    in_use = s.ChoiceField(
        choices=Bytecode.values, help_text="The workspace's own choice, else the studio's."
    )


def bytecode(row: Workspace) -> dict[str, Any]:
    """Return which modules are compiled for a workspace's new images."""
    return {"bytecode": row.bytecode, "in_use": bytecode_of(row)}
