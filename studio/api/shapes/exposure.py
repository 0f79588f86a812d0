"""Advisories and exposed images, as the API describes them."""

from typing import Any

from rest_framework import serializers as s

from builds.exposure.search import SHOWN
from builds.models import SEVERITIES


class Advisory(s.Serializer[Any]):
    """A vulnerability, with the most severe score of its records."""

    name = s.CharField(help_text="Its CVE, or else the id of its record.")
    summary = s.CharField(allow_blank=True)
    severity = s.ChoiceField(choices=SEVERITIES)
    score = s.FloatField(allow_null=True, help_text="CVSS.")
    published_at = s.DateTimeField(allow_null=True)
    modified_at = s.DateTimeField(allow_null=True)
    url = s.CharField(allow_blank=True)


class AffectingAdvisory(Advisory):
    """An advisory that affects images."""

    packages = s.ListField(child=s.CharField(), help_text="Up to three.")
    fixed_in = s.ListField(child=s.CharField(), help_text="Up to three.")
    images = s.IntegerField(help_text="Current images; 51 for more than 50.")


class Advisories(s.Serializer[Any]):
    """A page of advisories."""

    page = s.IntegerField()
    more = s.BooleanField()
    advisories = AffectingAdvisory(many=True)


class PackageHit(s.Serializer[Any]):
    """An advisory that affects a package."""

    name = s.CharField()
    severity = s.ChoiceField(choices=SEVERITIES)
    fixed_in = s.ListField(child=s.CharField(), help_text="Smallest first.")


class AffectedPackage(s.Serializer[Any]):
    """A package that is affected, and the reason it is in the image."""

    name = s.CharField()
    version = s.CharField()
    ecosystem = s.ChoiceField(choices=["pypi", "conda", "debian", "python"])
    direct = s.BooleanField(help_text="Requested by the definition.")
    path = s.ListField(child=s.CharField(), help_text="From a requested package to this.")
    of_base = s.BooleanField(help_text="It is in the base image: a rebase fixes it, and no other version.")
    rebase = s.CharField(
        allow_blank=True, help_text="The command that previews the rebase; empty if none fixes it."
    )
    advisories = PackageHit(many=True)


class ExposedUse(s.Serializer[Any]):
    """An active use of a version."""

    kind = s.CharField()
    name = s.CharField()
    workspace = s.CharField()


class ExposedVersion(s.Serializer[Any]):
    """A version whose image is exposed."""

    version = s.CharField(help_text="name:version")
    workspace = s.CharField()
    latest = s.BooleanField()
    archived = s.BooleanField()
    labels = s.ListField(child=s.CharField())
    uses = ExposedUse(many=True)
    exposed_from = s.DateTimeField(allow_null=True, help_text="Of the environment, over all its versions.")
    exposed_until = s.DateTimeField(allow_null=True, help_text="Null as long as a version in use is exposed.")


class ExposedImage(s.Serializer[Any]):
    """An image that is exposed."""

    workspace = s.CharField()
    digest = s.CharField()
    hash = s.CharField()
    base = s.CharField()
    current = s.BooleanField()
    built_at = s.DateTimeField()
    packages = AffectedPackage(many=True)
    versions = ExposedVersion(many=True)


class DeletedImage(s.Serializer[Any]):
    """An image that was exposed, and was deleted since."""

    workspace = s.CharField()
    digest = s.CharField()
    hash = s.CharField()
    exposed_from = s.DateTimeField()
    exposed_until = s.DateTimeField()


class Answer(s.Serializer[Any]):
    """A page of the images that are exposed."""

    subject = s.CharField()
    advisories = Advisory(many=True)
    show = s.ChoiceField(choices=list(SHOWN))
    count = s.IntegerField(help_text="1001 for more than 1,000.")
    page = s.IntegerField()
    more = s.BooleanField()
    exposed_since = s.DateTimeField(
        allow_null=True, help_text="The build of the first image, of all ever made."
    )
    images = ExposedImage(many=True)
    deleted = DeletedImage(many=True, help_text="With `show=past`.")


class LateImage(s.Serializer[Any]):
    """An image in use with a vulnerability known for too long."""

    workspace = s.CharField()
    digest = s.CharField()
    version = s.CharField(help_text="One of the versions that it is the image of.")
    known_since = s.DateTimeField()


class PatchStatus(s.Serializer[Any]):
    """The figures of the promise: no vulnerability known for more than 30 days."""

    days = s.IntegerField()
    images_used = s.IntegerField(help_text="Current images of latest, labelled and used versions.")
    images_vulnerable = s.IntegerField()
    by_workspace = s.DictField(child=s.IntegerField())
    images = LateImage(many=True, help_text="Up to 500, the longest known first.")
    images_outdated_base = s.DictField(
        child=s.IntegerField(), help_text="Images whose base is outdated, by workspace."
    )
