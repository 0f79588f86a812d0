"""Proposals for the catalogue: propose, answer, withdraw, request changes, refuse, publish."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from environments.catalogue.loader import catalogue_workspace
from environments.catalogue.transitions import (
    Action,
    ReviewedState,
    StaleReview,
    authors_of,
    record_step,
    transition,
)
from environments.definition.findings.naming import name_problem
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, Version, Workspace
from environments.models.catalogue import OPEN, Proposal, Stage
from environments.versions.copies import copy_version
from environments.versions.input import version_findings
from environments.versions.service import check_named

MAX_COMMENT_LENGTH = 5000


def propose(
    version: Version,
    by: User,
    *,
    name: str,
    as_new: bool,
    comment: str,
    description: str | None = None,
    tags: dict[str, str] | None = None,
) -> Proposal:
    """Propose a version for the catalogue, as a new environment or as the next version. Raises ServiceError.

    Description and tags of the curated environment are the version's own unless they are given.
    """
    described = _described(version, description, tags)
    comment = _required_comment(comment, "reason-missing", "Explain why it should be in the catalogue.")
    _check_proposable(version)
    _check_target(version, name, as_new=as_new)
    environment = version.environment
    try:
        with transaction.atomic():
            proposal = Proposal.objects.create(
                environment=environment,
                version=version,
                name=name,
                as_new=as_new,
                description=described[0],
                tags=described[1],
                warnings=_warnings(version),
                proposed_by=by,
                changed_at=timezone.now(),
            )
            record_step(proposal, Action.PROPOSED, by, comment)
    except IntegrityError:
        if open_proposal_of(environment) is None:
            raise
        raise ConflictError(
            "already-proposed",
            f"{environment} is proposed already.",
            "Withdraw that proposal, or propose this version in its place.",
        ) from None
    return proposal


def answer(
    proposal: Proposal,
    version: Version,
    by: User,
    comment: str,
    *,
    description: str | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Replace the proposed version with a newer version of the same environment."""
    described = _described(
        version,
        proposal.description or None if description is None else description,
        proposal.tags if tags is None else tags,
    )
    comment = _required_comment(comment, "words-missing", "Say what has changed.")
    if version.environment_id != proposal.environment_id or version.number <= proposal.version.number:
        raise ServiceError(
            "not-newer",
            f"{version} is not newer than {proposal.version}, which is proposed.",
            "Save the requested changes as the next version, and propose that one.",
        )
    _check_proposable(version)
    with transaction.atomic():
        transition(proposal, Action.ANSWERED, by, comment, version=version, warnings=_warnings(version))
        proposal.description, proposal.tags = described
        proposal.save(update_fields=["description", "tags"])
        _check_target(version, proposal.name, as_new=proposal.as_new)


def withdraw(proposal: Proposal, by: User, comment: str = "") -> None:
    """Withdraw a proposal."""
    with transaction.atomic():
        transition(proposal, Action.WITHDRAWN, by, _checked_comment(comment))


def ask_for_changes(proposal: Proposal, by: User, comment: str, seen: ReviewedState | None = None) -> None:
    """Return a proposal to its authors, who answer with a newer version."""
    comment = _required_comment(comment, "words-missing", "Say what has to change.")
    _check_not_own(proposal, by)
    with transaction.atomic():
        transition(proposal, Action.CHANGES, by, comment, seen=seen)


def refuse(proposal: Proposal, by: User, comment: str, seen: ReviewedState | None = None) -> None:
    """Reject a proposal: it ends without being published."""
    comment = _required_comment(comment, "words-missing", "Say why: its author reads this.")
    _check_not_own(proposal, by)
    with transaction.atomic():
        transition(proposal, Action.REFUSED, by, comment, seen=seen)


@transaction.atomic
def publish(proposal: Proposal, by: User, comment: str, seen: ReviewedState) -> Version:
    """Save the proposed version as the next version of its curated environment, and return it.

    Raises StaleReview if another curator has decided, or if the catalogue's latest version is not the reviewed one;
    ServiceError if it cannot be published.
    """
    _check_not_own(proposal, by)
    transition(proposal, Action.PUBLISHED, by, _checked_comment(comment), seen=seen)
    version = proposal.version
    catalogue = catalogue_workspace()
    # Proposals for the same name are published one after the other.
    Environment.objects.select_for_update().filter(workspace=catalogue, name=proposal.name).first()
    before = latest_curated(proposal.name)
    if before is not None and before.pk != seen.before:
        raise StaleReview(f"{before} was published in the meantime.")
    _check_target(version, proposal.name, as_new=proposal.as_new)
    saved = copy_version(
        version,
        catalogue,
        proposal.name,
        user=by,
        description=proposal.description or None,
        tags=proposal.tags or None,
        only_new=proposal.as_new,
        based_on=False,
    )
    proposal.before, proposal.published = before, saved.version
    proposal.save(update_fields=["before", "published"])
    return saved.version


def latest_curated(name: str) -> Version | None:
    """Return the latest version of a curated environment, if there is any."""
    environment = Environment.objects.filter(workspace__curated=True, name=name).first()
    return environment.latest() if environment else None


def visible_proposals(workspace: Workspace) -> QuerySet[Proposal]:
    """Return the proposals of a workspace; for the catalogue, all proposals."""
    proposals = Proposal.objects.all()
    return proposals if workspace.curated else proposals.filter(environment__workspace=workspace)


def open_proposal_of(environment: Environment) -> Proposal | None:
    """Return the open proposal of an environment."""
    proposals = Proposal.objects.filter(environment=environment, stage__in=OPEN)
    return proposals.select_related("version__environment__workspace").first()


def next_to_review(proposal: Proposal, user: User) -> Proposal | None:
    """Return the next proposal for a reviewer: the next in time that waits and is not their own, else the oldest."""
    waiting = Proposal.objects.filter(stage=Stage.WAITING).exclude(pk=proposal.pk)
    waiting = waiting.exclude(proposed_by=user).exclude(version__created_by=user).order_by("changed_at", "pk")
    return waiting.filter(changed_at__gt=proposal.changed_at).first() or waiting.first()


def is_own(proposal: Proposal, user: User) -> bool:
    """Return whether a user proposed it or made the version: they may not decide about it."""
    return user.pk in authors_of(proposal)


def _check_not_own(proposal: Proposal, by: User) -> None:
    if is_own(proposal, by):
        raise ConflictError(
            "own-proposal",
            "You proposed this, or created this version.",
            "Another curator decides about it. You can withdraw it.",
        )


def _check_proposable(version: Version) -> None:
    environment = version.environment
    if environment.workspace.curated:
        raise ServiceError("curated-already", f"{version} is in the catalogue already.")
    check_named(version)
    if version.archived_at is not None:
        raise ConflictError(
            "version-archived", f"{version} is archived.", "Restore it, or propose another one."
        )


def _check_target(version: Version, name: str, *, as_new: bool) -> None:
    """Raise ServiceError if the catalogue cannot have the version under a name."""
    problem = name_problem(name, curated=True)
    if problem is not None:
        raise ServiceError(problem.code, problem.message, problem.help)
    target = Environment.objects.filter(workspace__curated=True, name=name).first()
    if as_new:
        if target is not None:
            raise ConflictError(
                "name-taken",
                f"The catalogue has {name} already.",
                "Choose another name, or propose it as the next version of that one.",
            )
        return
    if target is None:
        raise ServiceError(
            "no-such-environment", f"The catalogue has no {name}.", "Propose it as a new environment."
        )
    if target.archived_at is not None:
        raise ConflictError(
            "environment-archived",
            f"{name} is archived in the catalogue, and gets no new versions.",
            "Propose a new environment.",
        )
    latest = target.latest()
    if latest is not None and latest.definition == version.definition:
        raise ConflictError("same-content", f"{latest} of the catalogue has exactly this content already.")


def _required_comment(comment: str, code: str, message: str) -> str:
    if not comment.strip():
        raise ServiceError(code, message)
    return _checked_comment(comment)


def _checked_comment(comment: str) -> str:
    comment = comment.strip()
    if len(comment) > MAX_COMMENT_LENGTH:
        raise ServiceError(
            "words-too-long",
            f"This comment has {len(comment):,} characters; the limit is {MAX_COMMENT_LENGTH:,}.",
        )
    return comment


def _described(
    version: Version, description: str | None, tags: dict[str, str] | None
) -> tuple[str, dict[str, str]]:
    """Return the description and tags of the curated environment; a given description must say something."""
    tags = version.tags if tags is None else tags
    if description is None:
        return version.description, tags
    if not description.strip():
        raise ServiceError(
            "description-missing",
            "Describe it: what it is for, and for whom.",
            "People see this in the catalogue.",
        )
    if len(description) > MAX_COMMENT_LENGTH:
        raise ServiceError(
            "description-too-long",
            f"This description has {len(description):,} characters; the limit is {MAX_COMMENT_LENGTH:,}.",
        )
    return description.strip(), tags


def _warnings(version: Version) -> int:
    return sum(finding.severity != "note" for finding in version_findings(version))
