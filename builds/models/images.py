"""Images, their tags in registries, their layers and packages, the bases they start from, and the last sweep of the store."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from environments.definition import Definition, ImageReference
from environments.models import Environment, Version, Workspace

DEFAULT_PLATFORMS = "linux/amd64"

if TYPE_CHECKING:
    _Text = models.CharField[str, str]
else:
    _Text = models.CharField


class _BaseContentsField(_Text):
    """The key of what an image has of its base: all of it, unless something else is set."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Take the base's digest where nothing is set."""
        value = getattr(model_instance, self.attname) or getattr(model_instance, "base_digest", "")
        setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        """Return what migrations see: text as any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class Image(models.Model):
    """The image built from a definition's hash. One is current; older images stay addressable by digest."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="images")
    hash = models.CharField(max_length=32, db_index=True)
    repository = models.CharField(max_length=200)  # azureml/azureml_<hash>
    digest = models.CharField(max_length=71, db_index=True)  # of the manifest
    size = models.BigIntegerField(help_text="Bytes of all layers, compressed.")
    layers = models.JSONField(
        default=list
    )  # [{digest, size, variant}]; `variant` where the first manifest has it not
    pushed_to = models.CharField(
        max_length=420, blank=True, help_text="Its name in the workspace's registry, if it was pushed there."
    )
    lock = models.JSONField(null=True)
    packages = models.PositiveIntegerField(default=0)
    conflicts = models.JSONField(
        null=True, help_text="Broken requirements as `pip check` reports them; null if not checked."
    )
    base = models.CharField(max_length=400)
    base_digest = models.CharField(max_length=71)
    base_contents = _BaseContentsField(
        max_length=71,
        blank=True,
        help_text="The packages that it has of its base: the base's digest, or the key of a part of it.",
    )
    base_created_at = models.DateTimeField(
        null=True, help_text="The creation time of the base, if it records one."
    )
    floating = models.BooleanField(default=False, help_text="The tag of the base moves (rule 18).")
    interpreter = models.CharField(max_length=400, blank=True)
    python = models.CharField(max_length=20, blank=True)
    bytecode = models.JSONField(
        null=True,
        help_text="Who compiled its modules: provider (machine, uv, base, none), python, identity; null if none.",
    )
    platforms = models.CharField(
        max_length=100, default=DEFAULT_PLATFORMS, help_text="By name, with commas; several are an index."
    )
    policy_facts = models.JSONField(
        null=True,
        help_text="What policies check and no row holds: origins, built, as_of, exceptions; null if unknown.",
    )
    current = models.BooleanField(default=True)
    built_at = models.DateTimeField(auto_now_add=True)
    made_at = models.DateTimeField(
        auto_now_add=True, help_text="Of its first build; `built_at` is that of the last with the same bytes."
    )
    used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-built_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "hash"], condition=Q(current=True), name="image_current_uniq"
            ),
            models.UniqueConstraint(fields=["workspace", "hash", "digest"], name="image_digest_uniq"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "repository"], name="image_repository_idx"),
            models.Index(fields=["workspace", "built_at", "id"], name="image_built_at_idx"),
            models.Index(fields=["workspace", "used_at", "id"], name="image_used_at_idx"),
            models.Index(fields=["workspace", "size", "id"], name="image_size_idx"),
            models.Index(fields=["base_digest"], name="image_base_digest_idx"),
            # All that lists of exposed images read of each: the lock before most columns makes rows slow to read.
            models.Index(fields=["base_contents"], name="image_contents_idx"),
            models.Index(
                fields=["workspace", "base_contents", "current", "id"], name="image_workspace_contents_idx"
            ),
            models.Index(
                fields=["hash", "workspace", "current", "base_contents", "made_at", "id"],
                name="image_hash_contents_idx",
            ),
            models.Index(fields=["made_at"], condition=Q(current=False), name="image_replaced_idx"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The image's full name in this studio: workspace/azureml/azureml_<hash>."""
        return f"{self.workspace.name}/{self.repository}"

    @property
    def pulled_layers(self) -> list[dict[str, Any]]:
        """The layers of its first manifest; the others of an index are for other platforms or engines."""
        return [layer for layer in self.layers if not layer.get("variant")]

    def use(self) -> bool:
        """Record a use, which keeps the image from the next clean-up; return False if it was just deleted."""
        return bool(Image.objects.filter(pk=self.pk).update(used_at=timezone.now()))


class PushedTag(models.Model):
    """A version's tag in its workspace's registry; with no version, its environment's tag of a label or `latest`."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="pushed_tags")
    version = models.ForeignKey(Version, null=True, on_delete=models.CASCADE, related_name="pushed_tags")
    label = models.CharField(max_length=64, blank=True, help_text="Empty for versions and `latest`.")
    registry = models.CharField(
        max_length=200, blank=True, help_text="Where it was pushed; empty before that."
    )
    digest = models.CharField(max_length=71, blank=True, help_text="The image that it was last pushed for.")
    next_at = models.DateTimeField(null=True, help_text="No worker pushes it before then.")
    attempts = models.PositiveIntegerField(default=0, help_text="Failed attempts since the last success.")
    problem = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version"], condition=Q(version__isnull=False), name="pushedtag_version_uniq"
            ),
            models.UniqueConstraint(
                fields=["environment", "label"],
                condition=Q(version__isnull=True),
                name="pushedtag_label_uniq",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.registry}/{self.environment.repository}: {self.version or self.label or 'latest'}"


class ImagePlatform(models.Model):
    """One platform of an image that is an index of several. `builds.images.platforms` writes it with the image."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="platform_rows")
    platform = models.CharField(max_length=40)
    digest = models.CharField(max_length=71)  # of its manifest
    size = models.BigIntegerField(help_text="Bytes of its layers, compressed.")
    base_digest = models.CharField(max_length=71)
    python = models.CharField(max_length=20, blank=True)
    packages = models.PositiveIntegerField(default=0)
    lock = models.JSONField(null=True)

    class Meta:
        ordering = ["platform"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["image", "platform"], name="imageplatform_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.platform} of {self.image_id}"


class ImageLayer(models.Model):
    """A layer of an image, indexed to find the images that share it. `builds.images.layers` writes it with the image."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="layer_rows")
    digest = models.CharField(max_length=71)
    size = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["digest", "image"], name="imagelayer_digest_idx")]

    def __str__(self) -> str:
        return f"{self.digest} in {self.image_id}"


class Package(models.Model):
    """A version of a package, shared by all images: a name has few rows, so versions can be compared in Python."""

    ecosystem = models.CharField(max_length=10)  # pypi, conda, debian; python for the interpreter itself
    name = models.CharField(max_length=200)  # normalised
    version = models.CharField(max_length=200)
    release = models.CharField(
        max_length=30, blank=True, help_text="The distribution of a debian package, by its source: debian:12."
    )
    license = models.CharField(
        max_length=400, blank=True, help_text="Its licence as an SPDX expression; empty for unknown."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name", "ecosystem", "version", "release"], name="package_version_uniq"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class ImagePackage(models.Model):
    """A package in an image. `builds.images.packages` writes it from the lock, with the image."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="package_rows")
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="image_rows", db_index=False)
    size = models.BigIntegerField(default=0)
    requested = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["package", "image"], name="imagepackage_package_idx")]

    def __str__(self) -> str:
        return f"{self.package} in {self.image_id}"


class BaseImage(models.Model):
    """The digest of a floating base at its last look-up (rule 18): an image by its reference, or a Dockerfile."""

    reference = models.CharField(max_length=500, unique=True)
    digest = models.CharField(max_length=71)
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.reference}@{self.digest}"

    @staticmethod
    def reference_of(definition: Definition) -> str:
        """Return the key of a definition's base: the full reference with its platforms, or the Dockerfile's hash."""
        if definition.image is None:
            return f"Dockerfile {definition.hash}"
        return BaseImage.key_of(str(ImageReference.parse(definition.image)), ",".join(definition.platforms))

    @staticmethod
    def key_of(reference: str, platforms: str) -> str:
        """Return the key of a full reference: it means another digest on each platform, and that of an index for several."""
        return reference if platforms == DEFAULT_PLATFORMS else f"{reference} {platforms}"


class LastSweep(models.Model):
    """The start of the last scheduled sweep of the store: a single row. The worker that updates it sweeps."""

    started_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"swept at {self.started_at}"
