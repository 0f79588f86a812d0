"""Proposals for the catalogue: what people do about them, and when they may not."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from environments.catalogue import catalogue_workspace
from environments.catalogue_models import OPEN, Proposal, Stage
from environments.definition.naming import name_problem
from environments.given import remarks
from environments.models import Environment, Version, Workspace
from environments.proposal_moves import Overtaken, Seen, What, authors_of, move, note
from environments.services import Refused, save_version

MOST_WORDS = 5000


def propose(version: Version, by: User, *, name: str, as_new: bool, words: str) -> Proposal:
    """Propose a version for the catalogue, as a new environment there or as the next version of one. Raises Refused."""
    words = _needed(words, "reason-missing", "Say why it belongs into the catalogue, and what for.")
    _check_proposable(version)
    _check_target(version, name, as_new=as_new)
    environment = version.environment
    try:
        with transaction.atomic():
            made = Proposal.objects.create(
                environment=environment,
                version=version,
                name=name,
                as_new=as_new,
                warnings=_warnings(version),
                proposed_by=by,
                changed_at=timezone.now(),
            )
            note(made, What.PROPOSED, by, words)
    except IntegrityError:
        if open_proposal_of(environment) is None:
            raise
        raise Refused(
            "already-proposed",
            f"{environment} is proposed already.",
            "Withdraw that proposal, or propose this version in its place.",
        ) from None
    return made


def answer(proposal: Proposal, version: Version, by: User, words: str) -> None:
    """Propose a newer version of the same environment in the place of the one proposed before."""
    words = _needed(words, "words-missing", "Say what is different now.")
    if version.environment_id != proposal.environment_id or version.number <= proposal.version.number:
        raise Refused(
            "not-newer",
            f"{version} is not newer than {proposal.version}, which is proposed.",
            "Save what was asked for as the next version, and propose that one.",
        )
    _check_proposable(version)
    with transaction.atomic():
        move(proposal, What.ANSWERED, by, words, version=version, warnings=_warnings(version))
        _check_target(version, proposal.name, as_new=proposal.as_new)


def withdraw(proposal: Proposal, by: User, words: str = "") -> None:
    """Take a proposal back."""
    with transaction.atomic():
        move(proposal, What.WITHDRAWN, by, _bounded(words))


def ask_for_changes(proposal: Proposal, by: User, words: str, seen: Seen | None = None) -> None:
    """Send a proposal back to its people, who answer with a newer version."""
    words = _needed(words, "words-missing", "Say what has to be different.")
    _check_not_own(proposal, by)
    with transaction.atomic():
        move(proposal, What.CHANGES, by, words, seen=seen)


def refuse(proposal: Proposal, by: User, words: str, seen: Seen | None = None) -> None:
    """End a proposal without publishing it."""
    words = _needed(words, "words-missing", "Say why: whoever proposed it reads this.")
    _check_not_own(proposal, by)
    with transaction.atomic():
        move(proposal, What.REFUSED, by, words, seen=seen)


@transaction.atomic
def publish(proposal: Proposal, by: User, words: str, seen: Seen) -> Version:
    """Make what is proposed the next version of its curated environment, and return that version.

    Of two who publish at once one wins, the other gets Overtaken; so does whoever had compared it with another
    version of the catalogue than is the latest now. Raises Refused.
    """
    _check_not_own(proposal, by)
    move(proposal, What.PUBLISHED, by, _bounded(words), seen=seen)
    version = proposal.version
    catalogue = catalogue_workspace()
    # Another proposal for the same name is published before this one, or after it.
    Environment.objects.select_for_update().filter(workspace=catalogue, name=proposal.name).first()
    before = latest_of(proposal.name)
    if before is not None and before.pk != seen.before:
        raise Overtaken(f"{before} has come into the catalogue in the meantime.")
    _check_target(version, proposal.name, as_new=proposal.as_new)
    saved = save_version(
        catalogue,
        proposal.name,
        version.definition,
        user=by,
        description=version.description,
        tags=version.tags,
        source=version.source,
        source_format=version.source_format,
        only_new=proposal.as_new,
    )
    proposal.before, proposal.published = before, saved.version
    proposal.save(update_fields=["before", "published"])
    return saved.version


def latest_of(name: str) -> Version | None:
    """Return the latest version of the curated environment of this name, if there is one."""
    found = Environment.objects.filter(workspace__curated=True, name=name).first()
    return found.latest() if found else None


def seen_from(place: Workspace) -> QuerySet[Proposal]:
    """Return the proposals that are seen from a workspace: in the catalogue all of them."""
    found = Proposal.objects.all()
    return found if place.curated else found.filter(environment__workspace=place)


def open_proposal_of(environment: Environment) -> Proposal | None:
    """Return the proposal of an environment that is not decided yet."""
    found = Proposal.objects.filter(environment=environment, stage__in=OPEN)
    return found.select_related("version__environment__workspace").first()


def next_to_review(proposal: Proposal, user: User) -> Proposal | None:
    """Return what a reviewer looks at after this one: of the others' that wait, the one that came next, else the oldest."""
    waiting = Proposal.objects.filter(stage=Stage.WAITING).exclude(pk=proposal.pk)
    waiting = waiting.exclude(proposed_by=user).exclude(version__created_by=user).order_by("changed_at", "pk")
    return waiting.filter(changed_at__gt=proposal.changed_at).first() or waiting.first()


def is_own(proposal: Proposal, user: User) -> bool:
    """Tell whether somebody proposed it, or made what is proposed: they do not decide about it."""
    return user.pk in authors_of(proposal)


def _check_not_own(proposal: Proposal, by: User) -> None:
    if is_own(proposal, by):
        raise Refused(
            "own-proposal",
            "You proposed this, or made what is proposed.",
            "Another curator decides about it; you may withdraw it.",
        )


def _check_proposable(version: Version) -> None:
    environment = version.environment
    if environment.workspace.curated:
        raise Refused("curated-already", f"{version} is in the catalogue already.")
    if environment.anonymous:
        raise Refused("anonymous", f"{version} has no name of its own.", "Save it under a name first.")
    if version.archived_at is not None:
        raise Refused("version-archived", f"{version} is archived.", "Restore it, or propose another one.")


def _check_target(version: Version, name: str, *, as_new: bool) -> None:
    """Raise where the catalogue cannot have this under that name, as a new environment or as a next version."""
    problem = name_problem(name, curated=True)
    if problem is not None:
        raise Refused(problem.code, problem.message, problem.help)
    target = Environment.objects.filter(workspace__curated=True, name=name).first()
    if as_new:
        if target is not None:
            raise Refused(
                "name-taken",
                f"The catalogue has {name} already.",
                "Choose another name, or propose it as the next version of that one.",
            )
        return
    if target is None:
        raise Refused(
            "no-such-environment", f"The catalogue has no {name}.", "Propose it as a new environment."
        )
    if target.archived_at is not None:
        raise Refused(
            "environment-archived",
            f"{name} is archived in the catalogue: nothing new comes into it.",
            "Propose a new environment.",
        )
    latest = target.latest()
    if latest is not None and latest.definition == version.definition:
        raise Refused("same-content", f"{latest} of the catalogue holds exactly this already.")


def _needed(words: str, code: str, message: str) -> str:
    if not words.strip():
        raise Refused(code, message)
    return _bounded(words)


def _bounded(words: str) -> str:
    words = words.strip()
    if len(words) > MOST_WORDS:
        raise Refused("words-too-long", f"These are {len(words):,} characters; {MOST_WORDS:,} is the most.")
    return words


def _warnings(version: Version) -> int:
    return sum(finding.severity != "note" for finding in remarks(version))
