"""Response fields of images and their packages."""

from typing import Any

from rest_framework import serializers as s

from studio.api.shapes.policy import PolicyHit


class Layer(s.Serializer[Any]):
    """A layer of an image."""

    digest = s.CharField()
    size = s.IntegerField()
    what = s.CharField(
        allow_blank=True, help_text="What is in it, from the image's history; empty if unknown."
    )
    others = s.IntegerField(help_text="The other images of this studio that share it.")
    variant = s.CharField(allow_blank=True, help_text="Of an index: zstd, linux/arm64; empty: the first")


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
    modules = s.ChoiceField(
        choices=["imported", "all", "none"],
        help_text="Those that imports reach from the requested packages, or all.",
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
    platforms = s.ListField(
        child=s.CharField(), help_text="By name; several are an index, whose first all other fields describe."
    )
    python = s.CharField(allow_blank=True)
    interpreter = s.CharField(allow_blank=True)
    bytecode = Bytecode(allow_null=True, help_text="null where nothing was to be compiled.")
    current = s.BooleanField()
    built_at = s.DateTimeField()
    used_at = s.DateTimeField()
    pull = s.CharField(help_text="The command that pulls it, by a version's name if it has one.")
    pull_by_hash = s.CharField(help_text="After a rebuild: the new image.")
    pull_by_digest = s.CharField(help_text="Always this image.")


class ImageManifest(s.Serializer[Any]):
    """One platform of an image that is an index of several."""

    platform = s.CharField()
    digest = s.CharField(help_text="Of its manifest.")
    size = s.IntegerField(help_text="Bytes, compressed.")
    packages = s.IntegerField()
    python = s.CharField(allow_blank=True)
    base_digest = s.CharField()


class Deviation(s.Serializer[Any]):
    """A package whose version on a platform is not that of the first; empty where it is not installed."""

    platform = s.CharField()
    name = s.CharField()
    version = s.CharField(allow_blank=True)
    first = s.CharField(allow_blank=True, help_text="Its version on the first platform.")


class SigningKey(s.Serializer[Any]):
    """A public key that the studio has signed with."""

    key_id = s.CharField(help_text="As signatures name it: `keyid`.")
    public_pem = s.CharField()
    created_at = s.DateTimeField()
    revoked_at = s.DateTimeField(allow_null=True)


class FailedImport(s.Serializer[Any]):
    """A module that could not be imported, and why."""

    package = s.CharField(allow_blank=True, help_text="Empty: Python itself did not start.")
    module = s.CharField(allow_blank=True)
    error = s.CharField()


class ImportTest(s.Serializer[Any]):
    """The result of starting the image without network and importing the requested packages."""

    state = s.CharField(
        help_text="passed, failed, or untried: `reason` says why. waiting or running for proposals."
    )
    reason = s.CharField(allow_blank=True)
    python = s.CharField(allow_blank=True)
    imported = s.IntegerField(help_text="Modules.")
    problems = FailedImport(many=True)
    skipped = s.ListField(child=s.CharField(), help_text="Packages that have nothing to import.")


class SmokeTest(s.Serializer[Any]):
    """The result of the command `smoke_test` of the definition that names the image."""

    state = s.CharField(help_text="passed, failed, or untried: `ending` says why.")
    ending = s.CharField(allow_blank=True)
    output = s.CharField(allow_blank=True, help_text="Its end.")
    seconds = s.FloatField()


class Referrer(s.Serializer[Any]):
    """A document that is attached to an image: a bill of materials, or its signed provenance."""

    subject = s.CharField(help_text="The digest of the image, or of one of its manifests.")
    digest = s.CharField(help_text="Of its own manifest.")
    artifact_type = s.CharField()
    content = s.CharField(help_text="The digest of the document.")
    annotations = s.DictField(child=s.CharField())


class WholeImage(Image):
    """An image with its layers and the versions that share it."""

    import_test = ImportTest(allow_null=True, help_text="null where it was not tested.")
    smoke_test = SmokeTest(
        allow_null=True, help_text="null where the definition has none, or it was not run."
    )
    referrers = Referrer(many=True, help_text="What is attached to it and to its manifests.")

    layers = Layer(many=True)
    manifests = ImageManifest(many=True, help_text="Of each platform, if there are several.")
    deviations = Deviation(many=True, help_text="The packages that differ between the platforms.")
    policy = PolicyHit(many=True, help_text="What breaks the workspace's rules today.")
    shared_by = s.ListField(child=s.CharField(), help_text="workspace/name:version")


class Package(s.Serializer[Any]):
    """A package in an image."""

    name = s.CharField()
    version = s.CharField()
    ecosystem = s.ChoiceField(choices=["pypi", "conda"])
    size = s.IntegerField()
    requested = s.BooleanField()
    needed_by = s.ListField(child=s.CharField())
    url = s.CharField()
    sha256 = s.CharField(allow_blank=True)
    license = s.CharField(allow_blank=True, help_text="As an SPDX expression; empty for unknown.")
