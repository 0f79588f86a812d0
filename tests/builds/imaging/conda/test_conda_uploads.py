"""Conda packages that were uploaded too late are not used, as rattler decides it; exceptions are by name or channel."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from rattler import Channel, Gateway, MatchSpec, solve
from rattler.platform.subdir import Subdir

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition.model import Cutoff
from tests.builds.imaging.conda.making import date_records, index, make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base

pytestmark = pytest.mark.slow

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)
OLD, RECENT = "2026-01-01T00:00:00+00:00", "2026-06-12T12:00:00+00:00"
NONE, TWO_WEEKS = Cutoff(), Cutoff(newest="14 days")


@pytest.fixture
def base() -> Base:
    return replace(empty_base(), probe=Probe(libc="glibc", libc_version="2.36"))


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A channel of which several newest versions are three days old, and some records have no time."""
    folder = tmp_path_factory.mktemp("dated")
    for name, version, needs in (
        ("tensors", "1.0", ["numbers"]),
        ("numbers", "2.5.0", []),
        ("numbers", "2.5.1", []),
        ("held", "1.0", ["numbers <2.5.1"]),
        ("brandnew", "0.1", []),
        ("strict", "1.0", ["brandnew"]),
        ("under_score", "1.0", []),
        ("under_score", "2.0", []),
        ("timeless", "0.9", []),
        ("timeless", "1.0", []),
        ("needs-timeless", "1.0", ["timeless >=1"]),
        ("antique", "0.1", []),
        ("antique", "1.0", []),
    ):
        make_package(folder, name, version, needs=needs)
    index(folder)
    late = ("numbers-2.5.1", "brandnew", "under_score-2")
    times: dict[str, str | None] = dict.fromkeys(late, RECENT)
    return date_records(folder, {**times, "timeless-1.0": None, "antique-0.1": None, "": OLD})


def limited(definition: Cutoff = TWO_WEEKS, policy: Cutoff = NONE) -> Limits:
    return Limits(definition, policy, NOW)


def solved(
    workshop: Workshop,
    base: Base,
    channels: str | list[str],
    *specs: str,
    limits: Limits | None = None,
    previous: Lock | None = None,
    reporter: Recorder | None = None,
) -> Lock:
    where = [channels] if isinstance(channels, str) else channels
    return resolve_environment(
        base,
        where,
        specs,
        (),
        workshop,
        reporter or Recorder(),
        previous,
        limits=limited() if limits is None else limits,
    )


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


def as_rattler(channel: str, folder: Path, spec: str, before: str | None) -> dict[str, str]:
    """Return the versions that rattler takes when it is called directly."""

    async def run() -> dict[str, str]:
        records = await solve(
            [Channel(channel)],
            [MatchSpec(spec)],
            gateway=Gateway(cache_dir=folder),
            platforms=[Subdir("linux-64"), Subdir("noarch")],
            exclude_newer=dt.datetime.fromisoformat(before) if before else None,
        )
        return {record.name.normalized: str(record.version) for record in records}

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("cutoff", "before"),
    [
        (NONE, None),
        (TWO_WEEKS, "2026-06-01T12:00:00+00:00"),
        (Cutoff(as_of="2026-06-11"), "2026-06-12T00:00:00+00:00"),
        (Cutoff(as_of="2026-06-12"), "2026-06-13T00:00:00+00:00"),
        (Cutoff(newest="14 days", exceptions={"other": "any"}), "2026-06-01T12:00:00+00:00"),
    ],
)
@pytest.mark.parametrize("spec", ["numbers", "tensors", "under_score"])
def test_the_versions_are_those_of_rattler_for_requested_and_for_needed_packages(
    workshop: Workshop,
    base: Base,
    channel: str,
    tmp_path: Path,
    cutoff: Cutoff,
    before: str | None,
    spec: str,
) -> None:
    lock = solved(workshop, base, channel, spec, limits=limited(cutoff))

    assert versions(lock) == as_rattler(channel, tmp_path / "direct", spec, before)


def test_an_exception_holds_for_its_package_or_channel_alone(
    workshop: Workshop, base: Base, channel: str
) -> None:
    by_name = limited(Cutoff(newest="14 days", exceptions={"numbers": "any"}))
    by_normalised = limited(Cutoff(newest="14 days", exceptions={"under-score": "any"}))
    by_channel = limited(Cutoff(newest="14 days", exceptions={channel: "1 day"}))
    specs = ("tensors", "under_score")

    assert versions(solved(workshop, base, channel, *specs, limits=by_name)) == {
        "tensors": "1.0", "numbers": "2.5.1", "under_score": "1.0",
    }  # fmt: skip
    assert versions(solved(workshop, base, channel, *specs, limits=by_normalised)) == {
        "tensors": "1.0", "numbers": "2.5.0", "under_score": "2.0",
    }  # fmt: skip
    assert versions(solved(workshop, base, channel, *specs, limits=by_channel)) == {
        "tensors": "1.0", "numbers": "2.5.1", "under_score": "2.0",
    }  # fmt: skip


def test_log_and_lock_say_what_was_skipped(workshop: Workshop, base: Base, channel: str) -> None:
    reporter = Recorder()

    lock = solved(workshop, base, channel, "tensors", reporter=reporter)

    assert lock.skipped == ("numbers 2.5.1 is 3 days old; using 2.5.0",)
    assert lock.skipped[0] in reporter.log
    assert lock.cutoff == Cutoff(as_of="2026-06-01T12:00:00Z")
    assert solved(workshop, base, channel, "held").skipped == ()
    assert solved(workshop, base, channel, "numbers <=2.5.0").skipped == ()
    assert solved(workshop, base, channel, "tensors", limits=NO_LIMITS).skipped == ()


@pytest.mark.parametrize("exceptions", [{}, {"other": "any"}])
@pytest.mark.parametrize(
    ("spec", "code", "named"),
    [
        ("brandnew", "uploaded-too-late", "brandnew 0.1 was uploaded on 2026-06-12"),
        ("strict", "uploaded-too-late", "brandnew 0.1 was uploaded on 2026-06-12"),
        ("numbers >2.5.0", "uploaded-too-late", "numbers 2.5.1 was uploaded on 2026-06-12"),
        ("timeless", "no-upload-time", "does not say when timeless 1.0 was uploaded"),
        ("needs-timeless", "no-upload-time", "does not say when timeless 1.0 was uploaded"),
        ("numbers >9", "no-matching-version", "numbers >9"),
        ("nothing-of-that-name", "package-not-found", "nothing-of-that-name"),
    ],
)
def test_errors_name_the_package_and_the_channel_or_the_limit(
    workshop: Workshop, base: Base, channel: str, spec: str, code: str, named: str, exceptions: dict[str, str]
) -> None:
    limits = limited(Cutoff(newest="14 days", exceptions=exceptions))
    with pytest.raises(ImageError) as refused:
        solved(workshop, base, channel, spec, limits=limits)

    assert refused.value.code == code
    assert named in refused.value.message
    if code == "no-upload-time":
        assert channel in refused.value.message


def test_records_without_a_time_are_used_where_allowed_and_do_not_matter_where_older(
    workshop: Workshop, base: Base, channel: str
) -> None:
    allowed = limited(Cutoff(newest="14 days", exceptions={"timeless": "any"}))

    assert versions(solved(workshop, base, channel, "timeless", limits=allowed)) == {"timeless": "1.0"}
    assert versions(solved(workshop, base, channel, "antique")) == {"antique": "1.0"}


@pytest.mark.parametrize("exceptions", [{}, {"other": "any"}])
def test_versions_of_the_image_before_are_given_up_where_they_are_too_new(
    workshop: Workshop, base: Base, channel: str, exceptions: dict[str, str]
) -> None:
    limits = limited(Cutoff(newest="14 days", exceptions=exceptions))
    before = solved(workshop, base, channel, "numbers", limits=NO_LIMITS)
    assert versions(before) == {"numbers": "2.5.1"}

    lock = solved(workshop, base, channel, "numbers", limits=limits, previous=before)
    assert versions(lock) == {"numbers": "2.5.0"}


@pytest.mark.parametrize("exceptions", [{}, {"other": "any"}])
def test_a_package_that_is_too_new_in_its_channel_does_not_come_from_a_later_channel(
    workshop: Workshop, base: Base, channel: str, tmp_path: Path, exceptions: dict[str, str]
) -> None:
    make_package(tmp_path / "later", "brandnew", "9.0")
    index(tmp_path / "later")
    later = date_records(tmp_path / "later", {"": OLD})
    limits = limited(Cutoff(newest="14 days", exceptions=exceptions))

    with pytest.raises(ImageError) as refused:
        solved(workshop, base, [channel, later], "brandnew", limits=limits)
    assert refused.value.code == "uploaded-too-late"
    lock = solved(workshop, base, [channel, later], f"{later}::brandnew", limits=limits)
    assert versions(lock) == {"brandnew": "9.0"}


def test_a_gpu_build_that_was_uploaded_too_late_is_no_way_out(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    make_package(tmp_path, "torch", "1.0", build="cpu_0")
    make_package(tmp_path, "torch", "1.0", build="cuda12_0", needs=["__cuda >=12"])
    index(tmp_path)
    channel = date_records(tmp_path, {"torch-1.0-cuda12_0": RECENT, "": OLD})

    assert solved(workshop, base, channel, "torch", limits=limited()).warnings == ()
    (warning,) = solved(workshop, base, channel, "torch", limits=NO_LIMITS).warnings
    assert "torch" in warning
