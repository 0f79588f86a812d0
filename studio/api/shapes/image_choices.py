"""Fields of requests and responses about how a workspace's new images are made: their compression, bytecode and import test."""

from typing import Any

from rest_framework import serializers as s

from environments.models import Bytecode, Compression, ImportTest, Workspace
from environments.workspaces.registry import bytecode_of, compression_of, import_test_of

COMPRESSION = "Empty for the studio's."
BYTECODE = "The modules that imports reach from the requested packages, all modules, or none. Empty for the studio's."
IMPORT_TEST = (
    "Whether builds start their image once and import the requested packages. Empty for the studio's."
)
IN_USE = "The workspace's own choice, else the studio's."


class CompressionIn(s.Serializer[Any]):
    """The compression that a workspace's new images are to have."""

    compression = s.ChoiceField(choices=Compression.values, allow_blank=True, help_text=COMPRESSION)


class CompressionOut(CompressionIn):
    """The compression of a workspace's new images."""

    in_use = s.ChoiceField(choices=Compression.values, help_text=IN_USE)


class BytecodeIn(s.Serializer[Any]):
    """The modules that are to be compiled for a workspace's new images."""

    bytecode = s.ChoiceField(choices=Bytecode.values, allow_blank=True, help_text=BYTECODE)


class BytecodeOut(BytecodeIn):
    """The modules that are compiled for a workspace's new images."""

    in_use = s.ChoiceField(choices=Bytecode.values, help_text=IN_USE)


class ImportTestIn(s.Serializer[Any]):
    """Whether a workspace's builds are to import the packages of their images."""

    import_test = s.ChoiceField(choices=ImportTest.values, allow_blank=True, help_text=IMPORT_TEST)


class ImportTestOut(ImportTestIn):
    """Whether a workspace's builds import the packages of their images."""

    in_use = s.ChoiceField(choices=ImportTest.values, help_text=IN_USE)


def import_test(row: Workspace) -> dict[str, Any]:
    """Return whether a workspace's builds import the packages of their images."""
    return {"import_test": row.import_test, "in_use": import_test_of(row)}


def compression(row: Workspace) -> dict[str, Any]:
    """Return the compression of a workspace's new images."""
    return {"compression": row.compression, "in_use": compression_of(row)}


def bytecode(row: Workspace) -> dict[str, Any]:
    """Return which modules are compiled for a workspace's new images."""
    return {"bytecode": row.bytecode, "in_use": bytecode_of(row)}
