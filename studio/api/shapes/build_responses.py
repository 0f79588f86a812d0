"""Response fields of the API about builds."""

from typing import Any

from rest_framework import serializers as s

from studio.api.shapes.images import Image


class ConflictSide(s.Serializer[Any]):
    """A requested version, and the package that requests it; `who` is empty for the definition itself."""

    who = s.CharField(allow_blank=True)
    what = s.CharField()


class Failure(s.Serializer[Any]):
    """Why a build failed."""

    code = s.CharField()
    message = s.CharField()
    help = s.CharField(allow_blank=True)
    fault = s.CharField(allow_blank=True, help_text="author, outside or studio")
    line = s.IntegerField(allow_null=True, help_text="Of the log.")
    raw = s.CharField(allow_blank=True, help_text="The text of the tool or library that failed.")
    conflict = ConflictSide(many=True, help_text="The sides of a conflict between packages.")
    definition_line = s.IntegerField(allow_null=True, help_text="Of the definition's text.")


class Step(s.Serializer[Any]):
    """A step of a build."""

    name = s.CharField()
    started_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)
    state = s.ChoiceField(
        choices=["running", "succeeded", "failed", "stopped"],
        help_text="stopped: it was running when the build was cancelled.",
    )
    cached = s.BooleanField()
    failed = s.BooleanField()
    first_line = s.IntegerField()
    done = s.IntegerField()
    total = s.IntegerField()
    unit = s.CharField(allow_blank=True)


class Build(s.Serializer[Any]):
    """A build."""

    id = s.UUIDField()
    workspace = s.CharField()
    environment = s.CharField()
    version = s.CharField()
    hash = s.CharField()
    state = s.ChoiceField(choices=["queued", "running", "succeeded", "failed", "cancelled"])
    rebuild = s.BooleanField()
    reused = s.BooleanField()
    queued_at = s.DateTimeField()
    started_at = s.DateTimeField(allow_null=True)
    ended_at = s.DateTimeField(allow_null=True)
    digest = s.CharField(allow_null=True, help_text="Of the image that it made.")
    log_lines = s.IntegerField()
    failure = Failure(allow_null=True)


class Estimate(s.Serializer[Any]):
    """When a queued build is expected to start, or a running one to end, from the durations of similar builds."""

    starts_at = s.DateTimeField(allow_null=True, help_text="Of a queued build, while other builds run.")
    ends_at = s.DateTimeField(
        allow_null=True, help_text="Of a running build. In the past: longer than usual."
    )
    seconds_left = s.FloatField(
        allow_null=True, help_text="Until it ends; 0 once it takes longer than usual."
    )
    usual_seconds = s.FloatField(allow_null=True, help_text="The median of the builds it is based on.")
    based_on = s.ChoiceField(
        choices=["definition", "environment", "dockerfile", "conda", "pip", "curated"],
        allow_blank=True,
        help_text="Builds of the same definition, environment or kind of source.",
    )
    builds = s.IntegerField(help_text="The number of builds it is based on.")


class WholeBuild(Build):
    """A build with its steps."""

    steps = Step(many=True)
    queue_position = s.IntegerField(help_text="1 for the next one; 0 when it does not wait.")
    estimate = Estimate(allow_null=True, help_text="Null without enough history, and after the end.")
    stopped_by = s.CharField(allow_null=True, help_text="The user who stopped it for everyone.")


class BuildRequest(s.Serializer[Any]):
    """The result of a request for an image: the image, or the build that will make it."""

    reused = s.BooleanField(help_text="There was an image: nothing is built.")
    joined = s.BooleanField(help_text="The same content was being built already.")
    build = Build(allow_null=True)
    image = Image(allow_null=True)
