"""Reviewing what is proposed for the catalogue: what there is to see of it, and what approving it does."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from builds.comparing import ResolvedDifference, diff_images
from builds.layers import keep_layers
from builds.models import Build, Image, Request
from builds.packages import keep_packages
from builds.services import base_has_moved, request_build
from builds.trial_models import Trial, TrialState
from builds.trials import ask_for_trial, trial_of
from environments import proposals
from environments.catalogue import catalogue_workspace
from environments.catalogue_models import Proposal, Stage
from environments.definition import Difference, Finding, diff
from environments.given import remarks
from environments.models import Listing, Version, Workspace
from environments.proposal_moves import NOT_NOW, Overtaken, Seen
from environments.services import Refused


@dataclass(frozen=True)
class Evidence:
    """All that there is to know of a proposed version. What is None is missing: not built, or nothing before it."""

    findings: tuple[Finding, ...]
    image: Image | None
    trial: Trial | None  # of that image
    tried: TrialState | None  # how that stands; what no worker has noted yet waits
    build: Build | None  # the last one, where there is no image
    base_moved: bool
    before: Version | None
    before_image: Image | None
    difference: Difference | None
    resolved: ResolvedDifference | None
    seen: Seen

    @property
    def state(self) -> str:
        """How its image stands, in one word: ready, none, or the last build's state."""
        return "ready" if self.image else self.build.state if self.build else "none"

    @property
    def misfits(self) -> list[str] | None:
        """What does not fit together in the image; None where that is not known."""
        return self.image.misfits if self.image else None

    @property
    def changes(self) -> int:
        """How much differs from the definition before."""
        return len(self.difference.packages) + len(self.difference.other) if self.difference else 0

    @property
    def grown(self) -> int | None:
        """How many bytes the image has more than the one before."""
        if self.image is None or self.before_image is None:
            return None
        return self.image.size - self.before_image.size


def gather(proposal: Proposal) -> Evidence:
    """Return the evidence on the very version that is proposed, as it is now."""
    version = proposal.version
    before = proposals.latest_of(proposal.name) if proposal.open else proposal.before
    image = image_to_serve(version)
    before_image = image_to_serve(before) if before else None
    trial = trial_of(image) if image else None
    not_yet = TrialState.WAITING if proposal.open else TrialState.UNTRIED
    return Evidence(
        findings=remarks(version),
        image=image,
        trial=trial,
        tried=TrialState(trial.state) if trial else not_yet if image else None,
        build=None if image else _last_builds([version]).get(_key(version)),
        base_moved=image is not None and base_has_moved(version, image),
        before=before,
        before_image=before_image,
        difference=diff(before.definition, version.definition) if before else None,
        resolved=diff_images(before_image, image) if before_image and image else None,
        seen=Seen(proposal.turn, before.pk if before else None, image.digest if image else ""),
    )


def image_to_serve(version: Version) -> Image | None:
    """Return the image that everybody would get of a version in the catalogue: the catalogue's own, if it has one."""
    images = Image.objects.filter(hash=version.hash, current=True).select_related("workspace")
    own = Q(workspace=version.environment.workspace) | Q(workspace__curated=True)
    return images.filter(own).order_by("-workspace__curated").first()


@transaction.atomic
def approve(proposal: Proposal, by: User, words: str, seen: Seen) -> Version:
    """Publish what is proposed with the image that it has: nothing is built. Raises Refused, and Overtaken.

    Nobody approves what was not seen built, nor an image that was made anew since it was looked at.
    """
    version = proposals.publish(proposal, by, words, seen)
    image = image_to_serve(proposal.version)
    if image is None:
        raise Refused(
            "not-built",
            f"{proposal.version} has no image, so nobody has seen that it works.",
            "Have it built first.",
        )
    if image.digest != seen.digest:
        raise Overtaken(f"The image of {proposal.version} was made anew in the meantime.")
    take_over(image, catalogue_workspace())
    return version


def take_over(image: Image, workspace: Workspace) -> Image:
    """Return the workspace's own row of an image that another one has: the same bytes, under its name too."""
    same = ("repository", "size", "layers", "lock", "packages", "base", "base_digest", "floating", "interpreter", "python", "misfits")  # fmt: skip
    taken, made = Image.objects.get_or_create(
        workspace=workspace,
        hash=image.hash,
        current=True,
        defaults={"digest": image.digest} | {name: getattr(image, name) for name in same},
    )
    if made:
        keep_packages(taken)
        keep_layers(taken)
    return taken


def build_proposed(proposal: Proposal, by: User) -> Request:
    """Ask for the image of what is proposed, in its own workspace: who proposes something lets it be built."""
    return request_build(proposal.version, by)


def try_proposed(proposal: Proposal, by: User) -> bool:
    """Have the image of what is proposed tried, also again; False where that is under way. Raises Refused."""
    image = image_to_serve(proposal.version)
    if not proposal.open:
        raise Refused("not-possible-now", NOT_NOW[Stage(proposal.stage)])
    if image is None:
        raise Refused("not-built", f"{proposal.version} has no image to try.", "Have it built first.")
    return ask_for_trial(proposal, image, by)


@dataclass(frozen=True)
class Glance:
    """A proposal in a list: how its image stands, and what it changes."""

    proposal: Proposal
    state: str
    misfits: list[str] | None
    change: str


def glances(shown: Iterable[Proposal]) -> list[Glance]:
    """Return what a list shows of each proposal, in a constant number of queries."""
    rows = list(shown)
    images = _images([row.version for row in rows])
    builds = _last_builds([row.version for row in rows])
    names = {row.name for row in rows if row.open}
    listed = Listing.objects.filter(workspace__curated=True, environment__name__in=names, archived=False)
    before = {one.environment.name: one.version for one in listed.select_related("environment", "version")}
    found = []
    for row in rows:
        version = row.version
        image, build = images.get(_key(version)), builds.get(_key(version))
        old = before.get(row.name)
        change = diff(old.definition, version.definition).summary if old and row.open else ""
        state = "ready" if image else build.state if build else "none"
        found.append(Glance(row, state, image.misfits if image else None, change))
    return found


def _key(version: Version) -> tuple[int, str]:
    return version.environment.workspace_id, version.hash


def _images(versions: list[Version]) -> dict[tuple[int, str], Image]:
    hashes = {version.hash for version in versions}
    places = {version.environment.workspace_id for version in versions}
    images = Image.objects.filter(
        Q(workspace__in=places) | Q(workspace__curated=True), hash__in=hashes, current=True
    )
    found = {
        (image.workspace_id, image.hash): image
        for image in images.defer("lock", "layers").select_related("workspace")
    }
    everybodys = {image.hash: image for image in found.values() if image.workspace.curated}
    each = {_key(one): everybodys.get(one.hash) or found.get(_key(one)) for one in versions}
    return {key: image for key, image in each.items() if image is not None}


def _last_builds(versions: list[Version]) -> dict[tuple[int, str], Build]:
    """Return the last build of each version's content in its own workspace."""
    places = {version.environment.workspace_id for version in versions}
    newest = Build.objects.filter(workspace=OuterRef("workspace"), hash=OuterRef("hash"))
    last = Subquery(newest.order_by("-queued_at", "-pk").values("pk")[:1])
    builds = Build.objects.filter(workspace__in=places, hash__in={version.hash for version in versions})
    return {(one.workspace_id, one.hash): one for one in builds.filter(pk=last)}
