"""A proposal's steps: each by one conditional UPDATE whose row count is the answer, noted and told in one transaction."""

import re
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from environments.catalogue import catalogue_workspace
from environments.catalogue_models import Proposal, ProposalStep, Stage
from environments.models import Role, Version, record
from environments.notices import tell
from environments.outbox import NoticeKind
from environments.services import Refused

What = ProposalStep.What
# What may be done where a proposal is, and where it is then. What is not here ends everything.
MOVES: dict[What, tuple[list[Stage], Stage]] = {
    What.ANSWERED: ([Stage.WAITING, Stage.CHANGES], Stage.WAITING),
    What.CHANGES: ([Stage.WAITING], Stage.CHANGES),
    What.PUBLISHED: ([Stage.WAITING], Stage.PUBLISHED),
    What.REFUSED: ([Stage.WAITING, Stage.CHANGES], Stage.REFUSED),
    What.WITHDRAWN: ([Stage.WAITING, Stage.CHANGES], Stage.WITHDRAWN),
}
DONE = {
    What.PROPOSED: "has proposed {version} as {name}",
    What.ANSWERED: "has proposed {version} in place of the one before",
    What.CHANGES: "has asked for changes of {name}",
    What.PUBLISHED: "has approved and published {name}",
    What.REFUSED: "has refused {name}",
    What.WITHDRAWN: "has withdrawn {name}",
}
NOT_NOW = {
    Stage.WAITING: "It waits for its review.",
    Stage.CHANGES: "Changes were asked for; whoever proposed it has to answer first.",
    Stage.PUBLISHED: "It is published already.",
    Stage.REFUSED: "It was refused.",
    Stage.WITHDRAWN: "It was withdrawn.",
}


class Overtaken(Refused):
    """Somebody else was faster: what is decided about is no longer what was looked at."""

    def __init__(self, message: str) -> None:
        super().__init__("overtaken", message, "Look at it again before you decide.")


@dataclass(frozen=True)
class Seen:
    """What somebody had before their eyes: the proposal's turn, the catalogue's version, the image's digest."""

    turn: int
    before: int | None = None
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.turn}.{self.before or 0}.{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "Seen":
        """Return what `str` wrote; something that nobody can have seen where it is anything else."""
        turn, _, rest = text.partition(".")
        before, _, digest = rest.partition(".")
        if not (re.fullmatch(r"[0-9]{1,9}", turn) and re.fullmatch(r"[0-9]{1,18}", before)):
            return cls(0)
        return cls(int(turn), int(before) or None, digest)


def move(
    proposal: Proposal,
    what: What,
    by: User,
    words: str,
    *,
    seen: Seen | None = None,
    version: Version | None = None,
    **more: int,
) -> None:
    """Move a proposal on from the turn that was seen. Whoever comes second changes nothing, and is told."""
    before, after = MOVES[what]
    turn = seen.turn if seen else proposal.turn
    stage = proposal.stage
    there = Proposal.objects.filter(pk=proposal.pk, turn=turn, stage__in=before)
    changes = {"version": version or proposal.version, **more}
    if not there.update(stage=after, turn=F("turn") + 1, changed_at=timezone.now(), **changes):
        proposal.refresh_from_db(fields=["stage", "turn", "version"])
        raise _why_not(proposal, turn)
    proposal.refresh_from_db(fields=["stage", "turn", "version", "changed_at", "warnings"])
    note(proposal, what, by, words, before={"stage": stage})


def authors_of(proposal: Proposal) -> set[int]:
    """Return who proposed it, who answered, and who made the version that is proposed."""
    proposers = proposal.steps.filter(what__in=[What.PROPOSED, What.ANSWERED]).values_list("by", flat=True)
    found = {*proposers, proposal.proposed_by_id, proposal.version.created_by_id}
    return {pk for pk in found if pk is not None}


def _why_not(proposal: Proposal, turn: int) -> Refused:
    if proposal.turn == turn:
        return Refused("not-possible-now", NOT_NOW[Stage(proposal.stage)])
    last = proposal.steps.select_related("by", "version__environment").last()
    if last is None:
        return Overtaken("This is not what is proposed now.")
    return Overtaken(f"{last.by or 'Somebody'} {_done(What(last.what), proposal)} in the meantime.")


def _done(what: What, proposal: Proposal) -> str:
    return DONE[what].format(version=proposal.version, name=proposal.name)


def note(proposal: Proposal, what: What, by: User, words: str, before: dict[str, str] | None = None) -> None:
    """Keep a step, for its people and reviewers and for the workspace's activity, and tell of it."""
    version = proposal.version
    ProposalStep.objects.create(proposal=proposal, what=what, version=version, words=words, by=by)
    record(
        f"proposal.{what}",
        str(version),
        workspace=version.environment.workspace,
        environment=version.environment,
        actor=by,
        before=before,
        after={"stage": proposal.stage},
        proposal=proposal.pk,
        name=proposal.name,
        reason=words,
    )
    _tell(proposal, what, by, words)


def _tell(proposal: Proposal, what: What, by: User, words: str) -> None:
    """Tell the curators of what waits for them, and its people of what was decided."""
    authors = authors_of(proposal)
    if what in (What.PROPOSED, What.ANSWERED):
        place = catalogue_workspace()
        people = User.objects.filter(memberships__workspace=place, memberships__role__gte=Role.CONTRIBUTOR)
        people = people.exclude(pk__in=authors)
        subject = f"{proposal.version} is proposed for the catalogue, as {proposal.name}"
    elif what == What.WITHDRAWN:
        return
    else:
        place = proposal.environment.workspace
        people = User.objects.filter(pk__in=authors)
        subject = f"{by} {_done(what, proposal)}"
    address = reverse("proposal", args=[place.name, proposal.pk])
    tell(people, NoticeKind.PROPOSAL, subject, words, address=address)
