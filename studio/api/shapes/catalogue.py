"""Request and response fields of proposals and deprecations."""

from typing import Any

from rest_framework import serializers as s

from builds.models.trial import TrialState
from builds.review.evidence import CONFIRMATIONS
from environments.catalogue.proposals import MAX_COMMENT_LENGTH
from environments.models import catalogue
from studio.api.shapes.bodies import NoNul
from studio.api.shapes.policy import PolicyHit
from studio.api.shapes.responses import Deprecation, Difference, Finding, ResolvedDifference

# Requests


class CommentIn(s.Serializer[Any]):
    """A comment on the decision; required to request changes and to reject."""

    comment = NoNul(max_length=MAX_COMMENT_LENGTH, required=False, allow_blank=True, default="")


class ApprovalIn(CommentIn):
    """A comment, and what is confirmed."""

    confirm = s.ListField(
        child=s.ChoiceField(choices=list(CONFIRMATIONS)),
        required=False,
        default=list,
        max_length=len(CONFIRMATIONS),
        help_text="Needed where `confirmations` of the proposal names it; else 409 `confirm-…`.",
    )


class ProposalIn(s.Serializer[Any]):
    """A version's name in the catalogue and the reason; if its environment is proposed already, only the reason."""

    description = NoNul(
        max_length=MAX_COMMENT_LENGTH,
        required=False,
        allow_blank=True,
        help_text="Of the curated environment, in Markdown. Left out: the version's own, which must not be empty.",
    )
    tags = s.DictField(
        child=NoNul(max_length=400, allow_blank=True),
        required=False,
        help_text="Of the curated environment. Left out: the version's own.",
    )

    name = NoNul(
        max_length=255, required=False, allow_blank=True, default="", help_text="Of the curated environment."
    )
    new = s.BooleanField(default=False, help_text="There is no curated environment of that name yet.")
    reason = NoNul(max_length=MAX_COMMENT_LENGTH)


class RetireIn(s.Serializer[Any]):
    """The version or environment to retire."""

    version = NoNul(
        max_length=64, required=False, allow_blank=True, default="", help_text="Left out: all of it."
    )


class DeprecationIn(RetireIn):
    """The day, the reason and the successor."""

    on = s.DateField(help_text="The day from which it may be retired.")
    reason = NoNul(max_length=MAX_COMMENT_LENGTH)
    successor = NoNul(
        max_length=255,
        required=False,
        allow_blank=True,
        default="",
        help_text="The name of a curated environment.",
    )


# Responses


class Proposal(s.Serializer[Any]):
    """A version that is proposed for the catalogue."""

    id = s.IntegerField()
    version = s.CharField(help_text="workspace/name:version")
    name = s.CharField(help_text="Of the curated environment.")
    new = s.BooleanField()
    stage = s.ChoiceField(choices=catalogue.Stage.values)
    proposed_by = s.CharField(allow_null=True)
    proposed_at = s.DateTimeField()
    changed_at = s.DateTimeField()
    published = s.CharField(allow_null=True, help_text="What it has become: workspace/name:version")
    description = s.CharField(allow_blank=True, help_text="Of the curated environment.")
    tags = s.DictField(child=s.CharField(allow_blank=True), help_text="Of the curated environment.")


class ProposalStep(s.Serializer[Any]):
    """A step of a proposal, with its comment."""

    what = s.ChoiceField(choices=catalogue.ProposalStep.Action.values)
    by = s.CharField(allow_null=True)
    at = s.DateTimeField()
    version = s.CharField(allow_null=True, help_text="The version proposed at that time.")
    comment = s.CharField(allow_blank=True)


class TrialProblem(s.Serializer[Any]):
    """A module that could not be imported, and why."""

    package = s.CharField(allow_blank=True, help_text="Empty: Python itself did not start.")
    module = s.CharField(allow_blank=True)
    error = s.CharField()


class Trial(s.Serializer[Any]):
    """The result of starting the image without network and importing the requested packages."""

    state = s.CharField(
        help_text=f"{', '.join(TrialState.values)}; if the trial could not run, `reason` says why."
    )
    reason = s.CharField(allow_blank=True)
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
    policy = PolicyHit(many=True, help_text="What breaks the catalogue's rules.")
    confirmations = s.ListField(
        child=s.CharField(), help_text=f"What an approval has to confirm now: {', '.join(CONFIRMATIONS)}."
    )
    before = s.CharField(allow_null=True, help_text="The catalogue's version that it is compared with.")
    difference = Difference(allow_null=True)
    resolved = ResolvedDifference(allow_null=True)
    steps = ProposalStep(many=True)


class Deprecated(Deprecation):
    """A deprecation in the catalogue."""

    environment = s.CharField()
    version = s.CharField(allow_null=True, help_text="Null: all of it.")
