"""Response fields of images: their layers, and with whose Python they were compiled."""

from typing import Any

from rest_framework import serializers as s


class Layer(s.Serializer[Any]):
    """A layer of an image."""

    digest = s.CharField()
    size = s.IntegerField()
    what = s.CharField(allow_blank=True)


class Bytecode(s.Serializer[Any]):
    """The interpreter that compiled an image's modules."""

    provider = s.ChoiceField(
        choices=["machine", "uv", "base", "none"],
        help_text="`machine`: one of the worker's machine. `uv`: one that uv installed there. `base`: the base's own,"
        " in a container. `none`: the image has no bytecode, and its imports take longer.",
    )
    python = s.CharField(help_text="Its version; for `none` the minor version that was missing.")
    identity = s.CharField(
        allow_blank=True, help_text="Equal for interpreters whose bytecode is shared between images."
    )


class Image(s.Serializer[Any]):
    """An image."""

    workspace = s.CharField()
    name = s.CharField()
    hash = s.CharField()
    digest = s.CharField()
    size = s.IntegerField(help_text="Bytes, compressed.")
    packages = s.IntegerField()
    base = s.CharField()
    base_digest = s.CharField()
    python = s.CharField(allow_blank=True)
    interpreter = s.CharField(allow_blank=True)
    bytecode = Bytecode(allow_null=True, help_text="null where there was nothing to compile.")
    current = s.BooleanField()
    built_at = s.DateTimeField()
    used_at = s.DateTimeField()
    pull = s.CharField(help_text="The command that fetches it.")


class WholeImage(Image):
    """An image with its layers and the versions that share it."""

    layers = Layer(many=True)
    shared_by = s.ListField(child=s.CharField(), help_text="workspace/name:version")
