"""What the API takes and gives of proposals and deprecations, field by field."""

from typing import Any

from rest_framework import serializers as s

from builds.trial_models import TrialState
from environments import catalogue_models
from environments.proposals import MOST_WORDS
from studio.api.bodies import NoNul
from studio.api.shapes import Deprecation, Difference, Finding, ResolvedDifference

# What comes


class WordsIn(s.Serializer[Any]):
    """What to say about it; needed to ask for changes and to refuse."""

    words = NoNul(max_length=MOST_WORDS, required=False, allow_blank=True, default="")


class ProposalIn(s.Serializer[Any]):
    """What a version is to be in the catalogue, and why. Where one of its environment is proposed, only why."""

    name = NoNul(
        max_length=255, required=False, allow_blank=True, default="", help_text="Of the curated environment."
    )
    new = s.BooleanField(default=False, help_text="There is no curated environment of that name yet.")
    reason = NoNul(max_length=MOST_WORDS)


class RetireIn(s.Serializer[Any]):
    """What to retire."""

    version = NoNul(
        max_length=64, required=False, allow_blank=True, default="", help_text="Left out: all of it."
    )


class DeprecationIn(RetireIn):
    """From when on, why, and what to use instead."""

    on = s.DateField(help_text="The day from which it may be retired.")
    reason = NoNul(max_length=MOST_WORDS)
    successor = NoNul(
        max_length=255,
        required=False,
        allow_blank=True,
        default="",
        help_text="The name of a curated environment.",
    )


# What goes


class Proposal(s.Serializer[Any]):
    """A version that is proposed for the catalogue."""

    id = s.IntegerField()
    version = s.CharField(help_text="workspace/name:version")
    name = s.CharField(help_text="Of the curated environment.")
    new = s.BooleanField()
    stage = s.ChoiceField(choices=catalogue_models.Stage.values)
    proposed_by = s.CharField(allow_null=True)
    proposed_at = s.DateTimeField()
    changed_at = s.DateTimeField()
    published = s.CharField(allow_null=True, help_text="What it has become: workspace/name:version")


class ProposalStep(s.Serializer[Any]):
    """What somebody did about a proposal, and said."""

    what = s.ChoiceField(choices=catalogue_models.ProposalStep.What.values)
    by = s.CharField(allow_null=True)
    at = s.DateTimeField()
    version = s.CharField(allow_null=True, help_text="That was proposed then.")
    words = s.CharField(allow_blank=True)


class TrialProblem(s.Serializer[Any]):
    """What could not be imported, and why."""

    package = s.CharField(allow_blank=True, help_text="Empty: Python itself did not start.")
    module = s.CharField(allow_blank=True)
    words = s.CharField()


class Trial(s.Serializer[Any]):
    """What came of starting the image once, without network, and importing what was asked for."""

    state = s.CharField(
        help_text=f"{', '.join(TrialState.values)}: then there was nothing to try it with, and words say what."
    )
    words = s.CharField(allow_blank=True)
    python = s.CharField(allow_blank=True)
    imported = s.IntegerField(help_text="Modules.")
    problems = TrialProblem(many=True)
    skipped = s.ListField(child=s.CharField(), help_text="Packages that have nothing to import.")
    ended_at = s.DateTimeField(allow_null=True)


class WholeProposal(Proposal):
    """A proposal with the evidence on it; null is what is not known, as long as it is not built."""

    hash = s.CharField()
    definition = s.DictField()
    findings = Finding(many=True)
    image_state = s.ChoiceField(
        choices=["ready", "none", "queued", "running", "succeeded", "failed", "cancelled"],
        help_text="Whether there is an image, else how its last build stands.",
    )
    digest = s.CharField(allow_null=True)
    size = s.IntegerField(allow_null=True, help_text="Bytes, compressed.")
    grown = s.IntegerField(allow_null=True, help_text="Bytes more than the version before.")
    misfits = s.ListField(child=s.CharField(), allow_null=True, help_text="What `pip check` would say.")
    trial = Trial(allow_null=True)
    before = s.CharField(allow_null=True, help_text="The catalogue's version that it is compared with.")
    difference = Difference(allow_null=True)
    resolved = ResolvedDifference(allow_null=True)
    steps = ProposalStep(many=True)


class Deprecated(Deprecation):
    """What is deprecated in the catalogue."""

    environment = s.CharField()
    version = s.CharField(allow_null=True, help_text="Null: all of it.")
