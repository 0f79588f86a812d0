"""Users, environments and builds for tests: real rows, created by the studio's own code.

A build is scripted: its claim, log, steps and end are real, only no image is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from builds.images.layers import save_layers
from builds.images.packages import save_packages
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Build, Image
from builds.models.steps import StepName
from builds.queue.claims import Claim
from builds.queue.requests import request_build
from builds.worker.reconciler import Reconciler
from builds.worker.reporter import BuildReporter
from environments.catalogue.loader import catalogue_workspace
from environments.definition import read
from environments.models import Member, Role, Version, Workspace
from environments.versions.service import save_reading
from tests.studio.html import collapsed


def person(name: str, **roles: Role) -> User:
    """Create a user with a role in each of these workspaces."""
    user = User.objects.create_user(name, password="a long enough password")
    for workspace, role in roles.items():
        Member.objects.create(workspace=workspace_named(workspace), user=user, role=role)
    return user


def workspace_named(name: str) -> Workspace:
    """Return the workspace of this name; `curated` is the catalogue."""
    if name == "curated":
        return catalogue_workspace()
    return Workspace.objects.get_or_create(name=name, defaults={"title": name.title()})[0]


def browser_of(user: User | None) -> Client:
    """Return a client that is signed in as this user."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def main_of(page: str) -> str:
    """Return the main part of a page, without the frame and its forms and alerts."""
    return collapsed(page.partition("<main")[2].partition("</main>")[0])


def save_text(
    text: str, *, name: str = "forecast", workspace: str = "lab", user: User | None = None, **more: object
) -> Version:
    """Save a requirements file as a version."""
    reading = read(text, "requirements.txt")
    target = workspace_named(workspace)
    return save_reading(target, name, reading, source=text, user=user, **more).version  # type: ignore[arg-type]


def queue_build(version: Version, user: User | None = None) -> Build:
    """Request a version and return its build."""
    build = request_build(version, user).build
    assert build is not None
    return build


@contextmanager
def claim_build(build: Build) -> Iterator[tuple[Claim, BuildReporter]]:
    """Claim a build as a worker; what the test does with it is written for real."""
    claim = Claim.take(build.pk, "a worker of a test")
    assert claim is not None
    # Without the heartbeat thread: its own database connection would wait for the test's.
    reporter = BuildReporter(claim)
    yield claim, reporter


def succeed_build(build: Build, *lines: str) -> Image:
    """Run a build to its success, and return its image."""
    with claim_build(build) as (claim, reporter):
        with reporter.step(StepName.BASE):
            reporter.line("Base: host")
        for line in lines:
            reporter.line(line)
        reporter.log.flush()
        image = image_for(build.version)
        claim.succeed(image, reused=False)
    return image


def fail_build(
    build: Build,
    *,
    error: str = "There is no package nunpy.",
    help: str = "Did you mean numpy?",
    code: str = "package-not-found",
) -> None:
    """Run a build that fails by its author's fault at line 2 of its log."""
    with claim_build(build) as (claim, reporter):
        with reporter.step(StepName.RESOLVE):
            reporter.line("Resolving 1 requirement")
            reporter.line(f"Error: {error}")
        reporter.log.flush()
        claim.fail(code, error, help, "author", 2)


def image_for(version: Version) -> Image:
    """Create an image with a version's content, as a build does."""
    filename = "numpy-2.1.3-cp311-cp311-manylinux_2_17_x86_64.whl"
    numpy = LockedPackage(
        ecosystem="pypi",
        name="numpy",
        version="2.1.3",
        size=16_000_000,
        url=f"https://files.example/{filename}",
        sha256="c" * 64,
        filename=filename,
        kind="wheel",
        requested=True,
    )
    image = Image.objects.create(
        workspace=version.environment.workspace,
        hash=version.hash,
        repository=f"azureml/azureml_{version.hash}",
        digest=f"sha256:{version.hash * 2}",
        size=88_400_000,
        layers=[
            {"digest": f"sha256:{'ab' * 32}", "size": 60_000_000},
            {"digest": f"sha256:{version.hash * 2}", "size": 28_400_000},
        ],
        lock=Lock(packages=(numpy,)).model_dump(mode="json"),
        packages=1,
        conflicts=[],
        base="host",
        base_digest=f"sha256:{'ab' * 32}",
        interpreter="/opt/env/bin/python",
        python="3.11.7",
    )
    save_packages(image)
    save_layers(image)
    return image


def reconcile_after(reconciler: Reconciler, seconds: float) -> None:
    """Run a reconciler so many seconds after its last run."""
    for heartbeats in (reconciler._builds, reconciler._trials):
        heartbeats._checked_at -= seconds
    reconciler.reconcile()


def expire_claims(living: Iterable[Claim] = ()) -> None:
    """Let a lease pass in which only the `living` send heartbeats, with a reconciler running."""
    alive, reconciler = list(living), Reconciler()
    reconciler.reconcile()
    for _ in range(2):
        for claim in alive:
            claim.should_stop()
        reconcile_after(reconciler, settings.LOST_AFTER_SECONDS / 2)
