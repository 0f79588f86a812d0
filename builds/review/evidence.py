"""Review of proposals for the catalogue: the evidence on a proposed version, and its approval."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from builds.images.copying import copy_image
from builds.images.diff import ResolvedDifference, diff_images
from builds.imaging.bytecode.interpreters import absence
from builds.models import Build, BuildRequest, Image
from builds.models.trial import Trial, TrialState
from builds.policies.evaluate import Hit, blocking_hit
from builds.policies.subjects import hits_of_proposal
from builds.queue.requests import base_has_moved, request_build
from builds.queue.trials import request_trial, trial_of
from environments.catalogue import proposals
from environments.catalogue.loader import catalogue_workspace
from environments.catalogue.transitions import STAGE_SENTENCES, ReviewedState, StaleReview
from environments.definition import Difference, Finding, diff
from environments.definition.model import HOST
from environments.errors import ConflictError
from environments.models import ListEntry, Version
from environments.models.catalogue import Proposal, Stage
from environments.versions.input import version_findings

CONFIRMATIONS = {
    "host-base": "Its base is “host”, the Python of the studio's machine, which is for trying out.",
    "trial": "Its import test hasn't finished.",
    "trial-failed": "Its import test failed: not everything can be imported.",
}
"""Facts that a reviewer confirms to approve a proposal in spite of them, by their codes."""


@dataclass(frozen=True)
class Evidence:
    """The evidence on a proposed version. None: not built, or no earlier version."""

    findings: tuple[Finding, ...]
    image: Image | None
    trial: Trial | None  # of that image
    tried: TrialState | None  # the state of the trial; waiting, if no worker has recorded it yet
    build: Build | None  # the last build, if there is no image
    base_moved: bool
    before: Version | None
    before_image: Image | None
    difference: Difference | None
    resolved: ResolvedDifference | None
    seen: ReviewedState
    policy: tuple[Hit, ...] = ()  # what breaks the catalogue's rules
    on_host: bool = False  # its base is the Python of the studio's machine, which is for trying out

    @property
    def confirmations(self) -> list[str]:
        """The keys of CONFIRMATIONS that an approval has to name."""
        needed = ["host-base"] if self.on_host else []
        if self.testing:
            needed.append("trial")
        elif self.tried == TrialState.FAILED:
            needed.append("trial-failed")
        return needed if self.image else []

    @property
    def testing(self) -> bool:
        """Whether the trial has not ended yet."""
        return self.tried in (TrialState.WAITING, TrialState.RUNNING)

    @property
    def state(self) -> str:
        """The state of its image: ready, none, or the last build's state."""
        return "ready" if self.image else self.build.state if self.build else "none"

    @property
    def conflicts(self) -> list[str] | None:
        """The broken requirements in the image; None if unknown."""
        return self.image.conflicts if self.image else None

    @property
    def warnings(self) -> list[str]:
        """Packages in other versions or builds than expected, and an image without bytecode, as sentences."""
        lock = (self.image.lock or {}) if self.image else {}
        bytecode = (self.image.bytecode or {}) if self.image else {}
        absent = [absence(bytecode["python"])] if bytecode.get("provider") == "none" else []
        return [*lock.get("warnings", ()), *lock.get("skipped", ()), *absent]

    @property
    def changes(self) -> int:
        """The number of differences to the earlier definition."""
        return len(self.difference.packages) + len(self.difference.other) if self.difference else 0

    @property
    def grown(self) -> int | None:
        """The growth of the image over the earlier image, in bytes."""
        if self.image is None or self.before_image is None:
            return None
        return self.image.size - self.before_image.size


def gather(proposal: Proposal) -> Evidence:
    """Return the current evidence on the proposed version."""
    version = proposal.version
    before = proposals.latest_curated(proposal.name) if proposal.open else proposal.before
    image = image_to_serve(version)
    before_image = image_to_serve(before) if before else None
    trial = trial_of(image) if image else None
    not_yet = TrialState.WAITING if proposal.open else TrialState.UNTRIED
    return Evidence(
        findings=version_findings(version),
        image=image,
        trial=trial,
        tried=TrialState(trial.state) if trial else not_yet if image else None,
        build=None if image else _last_builds([version]).get(_key(version)),
        base_moved=image is not None and base_has_moved(version, image),
        before=before,
        before_image=before_image,
        difference=diff(before.definition, version.definition) if before else None,
        resolved=diff_images(before_image, image) if before_image and image else None,
        policy=tuple(_policy_hits(proposal, image)) if image else (),
        on_host=version.definition.image == HOST,
        seen=ReviewedState(proposal.revision, before.pk if before else None, image.digest if image else ""),
    )


def _policy_hits(proposal: Proposal, image: Image) -> list[Hit]:
    return hits_of_proposal(catalogue_workspace(), image, proposal.name) if proposal.open else []


def image_to_serve(version: Version) -> Image | None:
    """Return the image that the catalogue would serve for a version: its own, if it has one."""
    images = Image.objects.filter(hash=version.hash, current=True).select_related("workspace")
    own = Q(workspace=version.environment.workspace) | Q(workspace__curated=True)
    return images.filter(own).order_by("-workspace__curated").first()


@transaction.atomic
def approve(
    proposal: Proposal,
    by: User,
    comment: str,
    seen: ReviewedState,
    *,
    confirmed: Collection[str] = tuple(CONFIRMATIONS),
) -> Version:
    """Publish the proposed version with its existing image; nothing is built. Raises ServiceError and StaleReview.

    A version without an image cannot be approved, nor an image that was rebuilt since it was reviewed. `confirmed`
    is what the reviewer confirms of CONFIRMATIONS.
    """
    evidence = gather(proposal)
    needed, policy = evidence.confirmations, evidence.policy
    version = proposals.publish(proposal, by, comment, seen)
    image = image_to_serve(proposal.version)
    if image is None:
        raise ConflictError(
            "not-built",
            f"{proposal.version} has no image, so it isn't known to work.",
            "Build it first.",
        )
    if image.digest != seen.digest:
        raise StaleReview(f"The image of {proposal.version} was rebuilt in the meantime.")
    blocking = blocking_hit(policy)
    if blocking is not None:
        raise ConflictError(
            "policy",
            f"The catalogue's policy stops it: {blocking.message}",
            "An admin can make an exception.",
        )
    for code in needed:
        if code not in confirmed:
            raise ConflictError(f"confirm-{code}", CONFIRMATIONS[code], "Confirm it to approve.")
    copy_image(image, catalogue_workspace())
    return version


def build_proposed(proposal: Proposal, by: User) -> BuildRequest:
    """Request the image of the proposed version in its own workspace: a proposal permits that."""
    return request_build(proposal.version, by)


def try_proposed(proposal: Proposal, by: User) -> bool:
    """Request a trial of the proposed image; return False if a trial is pending. Raises ServiceError."""
    image = image_to_serve(proposal.version)
    if not proposal.open:
        raise ConflictError("not-possible-now", STAGE_SENTENCES[Stage(proposal.stage)])
    if image is None:
        raise ConflictError("not-built", f"{proposal.version} has no image to try.", "Build it first.")
    return request_trial(proposal, image, by)


@dataclass(frozen=True)
class ProposalSummary:
    """A proposal in a list: the state of its image, and its changes."""

    proposal: Proposal
    state: str
    conflicts: list[str] | None
    change: str


def summarize_proposals(shown: Iterable[Proposal]) -> list[ProposalSummary]:
    """Summarize each proposal for a list, in a constant number of queries."""
    rows = list(shown)
    images = _images([row.version for row in rows])
    builds = _last_builds([row.version for row in rows])
    names = {row.name for row in rows if row.open}
    listed = ListEntry.objects.filter(workspace__curated=True, environment__name__in=names, archived=False)
    before = {
        entry.environment.name: entry.version for entry in listed.select_related("environment", "version")
    }
    summaries = []
    for row in rows:
        version = row.version
        image, build = images.get(_key(version)), builds.get(_key(version))
        old = before.get(row.name)
        change = diff(old.definition, version.definition).summary if old and row.open else ""
        state = "ready" if image else build.state if build else "none"
        summaries.append(ProposalSummary(row, state, image.conflicts if image else None, change))
    return summaries


def _key(version: Version) -> tuple[int, str]:
    return version.environment.workspace_id, version.hash


def _images(versions: list[Version]) -> dict[tuple[int, str], Image]:
    hashes = {version.hash for version in versions}
    workspaces = {version.environment.workspace_id for version in versions}
    images = Image.objects.filter(
        Q(workspace__in=workspaces) | Q(workspace__curated=True), hash__in=hashes, current=True
    )
    by_key = {
        (image.workspace_id, image.hash): image
        for image in images.defer("lock", "layers").select_related("workspace")
    }
    everybodys = {image.hash: image for image in by_key.values() if image.workspace.curated}
    each = {_key(version): everybodys.get(version.hash) or by_key.get(_key(version)) for version in versions}
    return {key: image for key, image in each.items() if image is not None}


def _last_builds(versions: list[Version]) -> dict[tuple[int, str], Build]:
    """Return the last build of each version's content in its own workspace."""
    workspaces = {version.environment.workspace_id for version in versions}
    newest = Build.objects.filter(workspace=OuterRef("workspace"), hash=OuterRef("hash"))
    last = Subquery(newest.order_by("-queued_at", "-pk").values("pk")[:1])
    builds = Build.objects.filter(workspace__in=workspaces, hash__in={version.hash for version in versions})
    return {(build.workspace_id, build.hash): build for build in builds.filter(pk=last)}
