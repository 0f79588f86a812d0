"""Exposure of random images: what the quick queries answer is what a direct look at every row answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builds.exposure import images, overview, promise, scopes, subjects
from builds.exposure.search import search
from builds.exposure.settled import settled_on
from builds.models import (
    Advisory,
    AdvisoryName,
    BasePackage,
    Image,
    ImagePackage,
    Package,
    PackageAdvisory,
    Severity,
    Triage,
    TriageState,
)
from environments.models import Environment, Version, VersionEntry, Workspace
from tests.examples import examples

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

SEVERITIES = [Severity.LOW, Severity.HIGH]


class Studio:
    """Random images of three workspaces, one of them the catalogue, and advisories about their packages."""

    def __init__(self, seed: int) -> None:
        chooser = random.Random(seed)  # noqa: S311
        self.spaces = [
            Workspace.objects.create(name=f"random-{n}", title="", curated=n == 0) for n in range(3)
        ]
        packages = [
            Package.objects.create(
                name=f"lib-{n // 2}", ecosystem="debian" if n > 7 else "pypi", version=str(n % 2)
            )
            for n in range(11)
        ]
        # A base may bring packages that images bring too.
        self.bases = {f"sha256:{n}": set(chooser.sample(packages[5:], n)) for n in range(4)}
        for digest, held in self.bases.items():
            BasePackage.objects.bulk_create(
                BasePackage(base_digest=digest, package=package) for package in held
            )
        self.hits: dict[Advisory, set[Package]] = {}
        for n in range(6):
            advisory = Advisory.objects.create(
                key=f"CVE-2026-{n:04}",
                severity=chooser.choice(SEVERITIES),
                published_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n),
            )
            AdvisoryName.objects.create(advisory=advisory, name=advisory.key)
            self.hits[advisory] = set(chooser.sample(packages, chooser.randrange(4)))
            for package in self.hits[advisory]:
                PackageAdvisory.objects.create(advisory=advisory, package=package, fixed_in=[f"{n}.9"])
        self.own: dict[Image, set[Package]] = {}
        self.held: dict[Image, set[Package]] = {}
        self.used: set[int] = set()
        for number in range(chooser.randrange(16)):
            self._add(number, packages[:8], chooser)

    def _add(self, number: int, packages: list[Package], chooser: random.Random) -> None:
        image = Image.objects.create(
            workspace=chooser.choice(self.spaces),
            hash=f"{number:032}",
            digest=f"sha256:{number}",
            repository="r",
            size=1,
            base="b",
            base_digest=chooser.choice(list(self.bases)),
            current=chooser.random() < 0.8,
        )
        own = chooser.sample(packages, chooser.randrange(4))
        ImagePackage.objects.bulk_create(ImagePackage(image=image, package=package) for package in own)
        self.own[image] = set(own)
        self.held[image] = {*own, *self.bases[image.base_digest]}
        workspace = chooser.choice(self.spaces) if image.workspace.curated else image.workspace
        entry = self.add_version(image, workspace, f"env-{number}", latest=chooser.random() < 0.7)
        if entry.latest and image.current:
            self.used.add(image.pk)

    def add_version(self, image: Image, workspace: Workspace, name: str, *, latest: bool) -> VersionEntry:
        """Add an environment with a version that has an image."""
        environment = Environment.objects.create(workspace=workspace, name=name, repository=name)
        version = Version.objects.create(
            environment=environment, version="1", number=1, hash=image.hash, data={}, source="", kind="", base=""
        )  # fmt: skip
        return VersionEntry.objects.create(
            version=version,
            environment=environment,
            workspace=workspace,
            number=1,
            latest=latest,
            hash=image.hash,
            kind="",
            search_text="",
        )

    def decide(self, chooser: random.Random) -> None:
        """Let several versions share images, and record decisions for the studio, environments and versions."""
        for number, image in enumerate(self.held):
            if chooser.random() < 0.5:
                self.add_version(image, chooser.choice(self.spaces), f"shared-{number}", latest=True)
        entries = [None, *VersionEntry.objects.all()]
        for advisory in self.hits:
            for entry in chooser.sample(entries, min(len(entries), chooser.randrange(4))):
                Triage.objects.create(
                    advisory=advisory,
                    environment=entry.environment if entry else None,
                    version=entry.version if entry and chooser.random() < 0.5 else None,
                    state=chooser.choice([TriageState.ACCEPTED, TriageState.ACCEPTED, TriageState.PENDING]),
                    reason="",
                )

    def scopes(self) -> list[list[int] | None]:
        """Return what a question may cover."""
        return [None, [self.spaces[1].pk], [space.pk for space in self.spaces]]

    def current(self, scope: list[int] | None) -> list[Image]:
        """Return the current images of some workspaces."""
        return [image for image in self.held if image.current and (not scope or image.workspace_id in scope)]


@contextmanager
def thrown_away(seed: int) -> Iterator[Studio]:
    with transaction.atomic():
        yield Studio(seed)
        transaction.set_rollback(True)


seeds = settings(
    max_examples=examples(4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("few", [0, 2_000])
@seeds
@given(seed=st.integers(0, 10**6))
def test_the_page_of_advisories_counts_what_every_row_says(few: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch, thrown_away(seed) as studio:
        patch.setattr(scopes, "FEW", few)
        patch.setattr(overview, "MOST_COUNTED", 2)
        for scope in studio.scopes():
            rows, more = overview.advisories_in(scope)
            shown = {row.advisory: row for row in rows}
            expected = {}
            for advisory, packages in studio.hits.items():
                direct = {i for i in studio.current(scope) if studio.own[i] & packages}
                on_base = {i for i in studio.current(scope) if studio.bases[i.base_digest] & packages}
                if direct or on_base:
                    only = direct if len(direct) > 2 else direct - on_base
                    expected[advisory] = min(len(only), 3) + min(len(on_base), 3)
            assert {advisory: row.images for advisory, row in shown.items()} == expected
            assert not more
            for advisory, row in shown.items():
                ever = [i for i in studio.held if not scope or i.workspace_id in scope]
                seen = {p.name for i in ever for p in studio.held[i] & studio.hits[advisory]}
                if scope is None:
                    seen = {p.name for p in studio.hits[advisory]}
                assert set(row.packages) <= seen
                assert len(row.packages) == min(len(seen), overview.MOST_NAMED)


@pytest.mark.parametrize("few", [0, 2_000])
@seeds
@given(seed=st.integers(0, 10**6))
def test_an_advisory_leads_to_every_image_in_use_that_it_affects(few: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch, thrown_away(seed) as studio:
        patch.setattr(subjects, "FEW", few - 1)
        patch.setattr(images, "FIRST", few + 1)
        for advisory, packages in studio.hits.items():
            exposed = {image.pk for image, held in studio.held.items() if held & packages}
            answer = search(advisory.key, scope=None)
            assert answer is not None
            assert {row.image.pk for row in answer.images} == exposed & studio.used


@seeds
@given(seed=st.integers(0, 10**6))
def test_the_promise_knows_the_oldest_vulnerability_of_each_image(seed: int) -> None:
    with thrown_away(seed) as studio:
        expected = {}
        for image, held in studio.held.items():
            known = [
                row.published_at for row, hits in studio.hits.items() if hits & held and row.published_at
            ]
            if known and image.pk in studio.used:
                expected[image.pk] = min(known)
        figures, late = promise.promise_and_late()
        assert {row.image.pk: row.known_since for row in late} == expected
        assert (figures.used, figures.vulnerable) == (len(studio.used), len(expected))


def settles(advisory: Advisory, entry: VersionEntry | None) -> bool:
    """Return whether the narrowest decision about a version settles an advisory; without a version, the studio's."""
    rows = {(row.environment_id, row.version_id): row.state for row in advisory.triages.all()}
    keys: list[tuple[int | None, int | None]] = [(None, None)]
    if entry:
        keys = [(entry.environment_id, entry.version_id), (entry.environment_id, None), (None, None)]
    return next((rows[key] for key in keys if key in rows), TriageState.PENDING) != TriageState.PENDING


@seeds
@given(seed=st.integers(0, 10**6))
def test_an_advisory_is_settled_on_an_image_once_it_is_for_each_version_of_it(seed: int) -> None:
    with thrown_away(seed) as studio:
        studio.decide(random.Random(seed))  # noqa: S311
        for scope in studio.scopes():
            expected = set()
            for image in studio.held:
                sharing: list[VersionEntry | None] = [
                    entry
                    for entry in VersionEntry.objects.filter(hash=image.hash)
                    if (image.workspace.curated or entry.workspace_id == image.workspace_id)
                    and (scope is None or entry.workspace_id in scope)
                ]
                expected |= {
                    (image.pk, advisory.pk)
                    for advisory in studio.hits
                    if all(settles(advisory, entry) for entry in sharing or [None])
                }
            keys = [image.pk for image in studio.held]
            assert settled_on(keys, [advisory.pk for advisory in studio.hits], scope) == expected
