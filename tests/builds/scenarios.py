"""People, environments and builds for the tests of the pages: real rows, made by the code that makes them.

A build is played by a script: the claim, the log, the steps and the end are real, only no image is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from builds.claims import Claim
from builds.images import Lock, LockedPackage
from builds.layers import keep_layers
from builds.models import Build, Image
from builds.packages import keep_packages
from builds.reconcile import Reconciler
from builds.reporting import BuildReporter
from builds.services import request_build
from environments.catalogue import catalogue_workspace
from environments.definition import read
from environments.models import Member, Role, Version, Workspace
from environments.services import save_reading


def person(name: str, **roles: Role) -> User:
    """Return a person with a role in each of these workspaces."""
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
    """Return a client that is signed in as this person."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def main_of(page: str) -> str:
    """Return a page without its frame, which has forms and a place for alerts of its own."""
    return page.partition("<main")[2].partition("</main>")[0]


def saved(
    text: str, *, name: str = "forecast", workspace: str = "lab", user: User | None = None, **more: object
) -> Version:
    """Save a requirements file as a version."""
    reading = read(text, "requirements.txt")
    place = workspace_named(workspace)
    return save_reading(place, name, reading, source=text, user=user, **more).version  # type: ignore[arg-type]


def asked(version: Version, user: User | None = None) -> Build:
    """Ask for a build, and return it."""
    build = request_build(version, user).build
    assert build is not None
    return build


@contextmanager
def played(build: Build) -> Iterator[tuple[Claim, BuildReporter]]:
    """Take a build as a worker does; what the test does with it in between is written for real."""
    claim = Claim.take(build.pk, "a worker of a test")
    assert claim is not None
    # Without its pulse: that thread has a database connection of its own, which would wait for the test's.
    reporter = BuildReporter(claim)
    yield claim, reporter


def succeeded(build: Build, *lines: str) -> Image:
    """Play a build that ends well, and return its image."""
    with played(build) as (claim, reporter):
        with reporter.step(1, "base"):
            reporter.line("Base: host")
        for line in lines:
            reporter.line(line)
        reporter.log.flush()
        image = image_for(build.version)
        claim.succeed(image, reused=False)
    return image


def failed(
    build: Build,
    *,
    error: str = "There is no package nunpy.",
    help: str = "Did you mean numpy?",
    code: str = "package-not-found",
) -> None:
    """Play a build that fails by its author's fault at line 2 of its log."""
    with played(build) as (claim, reporter):
        with reporter.step(1, "resolve"):
            reporter.line("Resolving 1 requirement")
            reporter.line(f"Error: {error}")
        reporter.log.flush()
        claim.fail(code, error, help, "author", 2)


def image_for(version: Version) -> Image:
    """Return an image for a version's content, as a build leaves it."""
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
        misfits=[],
        base="host",
        base_digest=f"sha256:{'ab' * 32}",
        interpreter="/opt/env/bin/python",
        python="3.11.7",
    )
    keep_packages(image)
    keep_layers(image)
    return image


def look_after(reconciler: Reconciler, seconds: float) -> None:
    """Let a reconciler look, so long after its last look."""
    for heartbeats in (reconciler._builds, reconciler._trials):
        heartbeats._looked_at -= seconds
    reconciler.look()


def take_from_silent(living: Iterable[Claim] = ()) -> None:
    """Let a lease pass in which none but these say that they live, and a reconciler look meanwhile."""
    alive, reconciler = list(living), Reconciler()
    reconciler.look()
    for _ in range(2):
        for claim in alive:
            claim.should_stop()
        look_after(reconciler, settings.LOST_AFTER_SECONDS / 2)
