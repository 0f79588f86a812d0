"""Transitions of a proposal: a conditional UPDATE each, recorded and announced in the same transaction."""

import re
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from environments.audit.record import record
from environments.catalogue.loader import catalogue_workspace
from environments.errors import ConflictError, ServiceError
from environments.models import Role, Version
from environments.models.catalogue import Proposal, ProposalStep, Stage
from environments.models.notifications import NoticeKind
from environments.notifications.notices import notify

Action = ProposalStep.Action
# The stages in which each step is possible, and the stage after it.
TRANSITIONS: dict[Action, tuple[list[Stage], Stage]] = {
    Action.ANSWERED: ([Stage.WAITING, Stage.CHANGES], Stage.WAITING),
    Action.CHANGES: ([Stage.WAITING], Stage.CHANGES),
    Action.PUBLISHED: ([Stage.WAITING], Stage.PUBLISHED),
    Action.REFUSED: ([Stage.WAITING, Stage.CHANGES], Stage.REFUSED),
    Action.WITHDRAWN: ([Stage.WAITING, Stage.CHANGES], Stage.WITHDRAWN),
}
STEP_SENTENCES = {
    Action.PROPOSED: "proposed {version} as {name}",
    Action.ANSWERED: "proposed {version} instead of the version before",
    Action.CHANGES: "requested changes to {name}",
    Action.PUBLISHED: "approved and published {name}",
    Action.REFUSED: "rejected {name}",
    Action.WITHDRAWN: "withdrew {name}",
}
STAGE_SENTENCES = {
    Stage.WAITING: "It is waiting for review.",
    Stage.CHANGES: "Changes were requested. Its author has to propose a newer version first.",
    Stage.PUBLISHED: "It is published already.",
    Stage.REFUSED: "It was rejected.",
    Stage.WITHDRAWN: "It was withdrawn.",
}


class StaleReview(ConflictError):
    """The proposal has changed since it was reviewed."""

    def __init__(self, message: str) -> None:
        super().__init__("overtaken", message, "Review it again before you decide.")


@dataclass(frozen=True)
class ReviewedState:
    """The state that a reviewer saw: the proposal's revision, the catalogue's version, the image's digest."""

    revision: int
    before: int | None = None
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.revision}.{self.before or 0}.{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "ReviewedState":
        """Parse the form that `str` writes; any other text gives a state that no proposal has."""
        revision, _, rest = text.partition(".")
        before, _, digest = rest.partition(".")
        if not (re.fullmatch(r"[0-9]{1,9}", revision) and re.fullmatch(r"[0-9]{1,18}", before)):
            return cls(0)
        return cls(int(revision), int(before) or None, digest)


def transition(
    proposal: Proposal,
    action: Action,
    by: User,
    comment: str,
    *,
    seen: ReviewedState | None = None,
    version: Version | None = None,
    **more: int,
) -> None:
    """Take a step from the revision that was seen. Raises StaleReview if another step was taken before."""
    before, after = TRANSITIONS[action]
    revision = seen.revision if seen else proposal.revision
    stage = proposal.stage
    current = Proposal.objects.filter(pk=proposal.pk, revision=revision, stage__in=before)
    changes = {"version": version or proposal.version, **more}
    if not current.update(stage=after, revision=F("revision") + 1, changed_at=timezone.now(), **changes):
        proposal.refresh_from_db(fields=["stage", "revision", "version"])
        raise _transition_error(proposal, revision)
    proposal.refresh_from_db(fields=["stage", "revision", "version", "changed_at", "warnings"])
    record_step(proposal, action, by, comment, before={"stage": stage})


def authors_of(proposal: Proposal) -> set[int]:
    """Return the users who proposed, answered, or made the proposed version."""
    proposers = proposal.steps.filter(action__in=[Action.PROPOSED, Action.ANSWERED]).values_list(
        "by", flat=True
    )
    authors = {*proposers, proposal.proposed_by_id, proposal.version.created_by_id}
    return {pk for pk in authors if pk is not None}


def _transition_error(proposal: Proposal, revision: int) -> ServiceError:
    if proposal.revision == revision:
        return ConflictError("not-possible-now", STAGE_SENTENCES[Stage(proposal.stage)])
    last = proposal.steps.select_related("by", "version__environment").last()
    if last is None:
        return StaleReview("A newer version is proposed now.")
    return StaleReview(
        f"{last.by or 'Someone'} {_step_sentence(Action(last.action), proposal)} in the meantime."
    )


def _step_sentence(action: Action, proposal: Proposal) -> str:
    return STEP_SENTENCES[action].format(version=proposal.version, name=proposal.name)


def record_step(
    proposal: Proposal, action: Action, by: User, comment: str, before: dict[str, str] | None = None
) -> None:
    """Save a step, record it in the workspace's activity, and notify authors or reviewers."""
    version = proposal.version
    ProposalStep.objects.create(proposal=proposal, action=action, version=version, comment=comment, by=by)
    record(
        f"proposal.{action}",
        str(version),
        workspace=version.environment.workspace,
        environment=version.environment,
        actor=by,
        before=before,
        after={"stage": proposal.stage},
        proposal=proposal.pk,
        name=proposal.name,
        reason=comment,
    )
    _notify_people(proposal, action, by, comment)


def _notify_people(proposal: Proposal, action: Action, by: User, comment: str) -> None:
    """Notify the curators of a proposal, or its authors of what others did with it."""
    authors = authors_of(proposal)
    to_reviewers = action in (Action.PROPOSED, Action.ANSWERED)
    if to_reviewers:
        workspace = catalogue_workspace()
        people = User.objects.filter(
            memberships__workspace=workspace, memberships__role__gte=Role.CONTRIBUTOR
        )
        people = people.exclude(pk__in=authors)
        subject = f"{proposal.version} is proposed for the catalogue, as {proposal.name}"
    else:
        workspace = proposal.environment.workspace
        people = User.objects.filter(pk__in=authors).exclude(pk=by.pk)
        subject = f"{by} {_step_sentence(action, proposal)}"
    address = reverse("proposal", args=[workspace.name, proposal.pk])
    notify(people, NoticeKind.PROPOSAL, subject, comment, address=address, own=not to_reviewers)
