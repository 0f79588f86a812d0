"""Advisories about packages, the packages that they affect, and the packages of bases and of images that are gone."""

from typing import ClassVar

from django.db import models

from builds.models.images import Package
from environments.models import Workspace


class Severity(models.TextChoices):
    """The severity of an advisory, by the bands of CVSS; those with no score that can be read are unknown."""

    UNKNOWN = "unknown"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


SEVERITIES = list(Severity.values)
"""The severities, least first."""


class Advisory(models.Model):
    """A vulnerability: all records that are aliases of each other. `builds.advisories` writes it from them."""

    key = models.CharField(
        max_length=100, unique=True, help_text="The name shown: CVE before GHSA before others."
    )
    summary = models.CharField(max_length=300, blank=True)
    details = models.TextField(blank=True)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.UNKNOWN)
    score = models.FloatField(null=True, help_text="CVSS, 0 to 10.")
    published_at = models.DateTimeField(null=True, db_index=True)
    modified_at = models.DateTimeField(null=True)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "advisories"

    def __str__(self) -> str:
        return self.key


class AdvisoryName(models.Model):
    """A name of an advisory, in upper case: its CVE, GHSA, PYSEC and other ids."""

    advisory = models.ForeignKey(Advisory, on_delete=models.CASCADE, related_name="names")
    name = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.name


class AdvisorySource(models.Model):
    """A URL that advisories are imported from on a schedule, with the outcome of its last check.

    The row without a URL is for what is imported by hand; who writes advisories or matches holds its lock.
    """

    url = models.CharField(max_length=500, unique=True, blank=True)
    etag = models.CharField(max_length=200, blank=True, help_text="Of what was imported last.")
    checked_at = models.DateTimeField(null=True)
    imported_at = models.DateTimeField(null=True)
    records = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=400, blank=True)

    def __str__(self) -> str:
        return self.url


class AdvisoryRecord(models.Model):
    """A record in OSV's format as imported last: a changed digest means that it is read again."""

    name = models.CharField(max_length=100, unique=True)
    advisory = models.ForeignKey(Advisory, on_delete=models.CASCADE, related_name="records")
    source = models.ForeignKey(AdvisorySource, null=True, on_delete=models.SET_NULL, related_name="imported")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was read of it.")
    aliases = models.JSONField(default=list)
    # Its advisory takes these from the best of its records.
    summary = models.CharField(max_length=300, blank=True)
    details = models.TextField(blank=True)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.UNKNOWN)
    score = models.FloatField(null=True)
    published_at = models.DateTimeField(null=True)
    modified_at = models.DateTimeField(null=True)
    url = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.name


class AffectedPackage(models.Model):
    """A package that a record affects: in these ranges, or in these versions."""

    record = models.ForeignKey(AdvisoryRecord, on_delete=models.CASCADE, related_name="affected")
    ecosystem = models.CharField(max_length=10)  # pypi, conda, debian
    release = models.CharField(max_length=30, blank=True, help_text="Of a distribution: debian:12.")
    name = models.CharField(max_length=200)  # normalised
    ranges = models.JSONField(
        default=list,
        help_text="Events of each range, as [kind, version]; introduced, fixed, last_affected, limit.",
    )
    versions = models.JSONField(default=list)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["name", "ecosystem"], name="affected_name_idx")]

    def __str__(self) -> str:
        return f"{self.name} ({self.ecosystem})"


class PackageAdvisory(models.Model):
    """A version of a package that an advisory affects: every match known, kept up to date by `builds.advisories`."""

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="advisories")
    advisory = models.ForeignKey(Advisory, on_delete=models.CASCADE, related_name="packages", db_index=False)
    fixed_in = models.JSONField(default=list, help_text="Versions that fix it, smallest first.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["advisory", "package"], name="packageadvisory_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.advisory_id} in {self.package_id}"


class PackageDistribution(models.Model):
    """A Python distribution in the files of a conda package, by its own metadata: what advisories of PyPI affect."""

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="distributions")
    name = models.CharField(max_length=200, db_index=True)  # normalised
    version = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["package", "name", "version"], name="packagedistribution_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class BasePackage(models.Model):
    """A package that a base brings, of its distribution, a Python or conda: once for all images on the base."""

    FOLDER_CHARACTERS: ClassVar = 100

    base_digest = models.CharField(
        max_length=71, help_text="Or the key of a part of it: `base_contents` of images."
    )
    folder = models.CharField(
        max_length=FOLDER_CHARACTERS,
        blank=True,
        help_text="Within the folder of environments, which images hide or write to; empty for all others.",
    )
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="base_rows", db_index=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["base_digest", "package"], name="basepackage_uniq")
        ]
        indexes: ClassVar = [models.Index(fields=["package", "base_digest"], name="basepackage_package_idx")]

    def __str__(self) -> str:
        return f"{self.package_id} in {self.base_digest}"


class BaseContents(models.Model):
    """The contents of a base's layers: its distribution, also where nothing is installed."""

    base_digest = models.CharField(max_length=71, unique=True)
    release = models.CharField(
        max_length=30, blank=True, help_text="debian:12; empty for none that is known."
    )
    packages = models.PositiveIntegerField(default=0)
    hides = models.BooleanField(
        default=False, help_text="Environments that are put on it hide what it has in their folder."
    )
    format = models.PositiveSmallIntegerField(
        default=1, help_text="What was read: 1 the distribution, 2 Python's and conda's packages too."
    )
    read_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "contents of bases"

    def __str__(self) -> str:
        return f"{self.base_digest}: {self.release or 'unknown'}"


class PastImage(models.Model):
    """An image that was deleted: what remains to say since when and until when its version was exposed."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="past_images")
    hash = models.CharField(max_length=32)
    digest = models.CharField(max_length=71)
    base_digest = models.CharField(max_length=71, blank=True, help_text="What it had of its base.")
    built_at = models.DateTimeField()
    until = models.DateTimeField(help_text="The time it was deleted, or replaced before that.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["workspace", "hash"], name="pastimage_hash_idx"),
            models.Index(fields=["base_digest"], name="pastimage_base_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.digest}, deleted"


class PastPackage(models.Model):
    """A package of an image that was deleted."""

    image = models.ForeignKey(PastImage, on_delete=models.CASCADE, related_name="package_rows")
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="past_rows", db_index=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["package", "image"], name="pastpackage_package_idx")]

    def __str__(self) -> str:
        return f"{self.package_id} in {self.image_id}"
