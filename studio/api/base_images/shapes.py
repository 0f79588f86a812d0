"""The shapes of base images in use, and of rebases."""

from typing import Any

from rest_framework import serializers as s

from builds.models import RebasedImage, RebaseState


class BaseOut(s.Serializer[Any]):
    """A digest of a base image, on which current images of a workspace are."""

    workspace = s.CharField()
    base = s.CharField()
    platforms = s.ListField(child=s.CharField())
    digest = s.CharField()
    owner = s.CharField(help_text="Who brings it: its registry and namespace; `host` for this machine.")
    created_at = s.DateTimeField(allow_null=True)
    images = s.IntegerField()
    moved = s.BooleanField(help_text="Its tag means another digest now.")
    digest_now = s.CharField(allow_blank=True)
    newer = s.CharField(allow_blank=True, help_text="A reference with a newer patch tag.")
    old = s.BooleanField(help_text="It was created more than STUDIO_BASE_DAYS ago.")
    checked_at = s.DateTimeField(allow_null=True)
    problem = s.CharField(allow_blank=True)


class OutdatedOut(s.Serializer[Any]):
    """The images of a workspace, and those with an outdated base."""

    workspace = s.CharField()
    images = s.IntegerField()
    outdated = s.IntegerField()
    moved = s.IntegerField(help_text="The base's tag means another digest now.")
    old = s.IntegerField(help_text="The base is too old.")


class BasesOut(s.Serializer[Any]):
    """The bases in use, and how many images have an outdated one."""

    bases = BaseOut(many=True)
    outdated = OutdatedOut(many=True)


class RebaseIn(s.Serializer[Any]):
    """A rebase to preview, or to start at once."""

    base = s.CharField(max_length=400)
    to = s.CharField(max_length=400, required=False, help_text="Another base; else its own tag.")
    digest = s.RegexField(r"^sha256:[0-9a-f]{64}\Z", required=False, help_text="Only images on this digest.")
    rebuild = s.BooleanField(default=False, help_text="Build the images that can't be rebased.")
    dry_run = s.BooleanField(default=True, help_text="`false` starts it as soon as it is planned.")


class RebaseOut(s.Serializer[Any]):
    """A rebase and its counts. Its images are at `images/`."""

    id = s.IntegerField()
    state = s.ChoiceField(choices=RebaseState.values)
    base = s.CharField()
    target = s.CharField()
    problem = s.CharField(allow_blank=True)
    requested_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)
    images = s.DictField(child=s.IntegerField(), help_text="How many of each fate.")


class RebasedImageOut(s.ModelSerializer[Any]):
    """An image in a rebase."""

    class Meta:
        model = RebasedImage
        fields = (
            "hash",
            "fate",
            "reason_code",
            "reason",
            "digest_before",
            "digest_after",
            "base_before",
            "base_digest_before",
            "base_after",
            "base_digest_after",
            "at",
        )


class Requested(s.Serializer[Any]):
    """The number of base images that a worker checks now."""

    requested = s.IntegerField()
