"""Only what was uploaded early enough is installed, as uv decides it; what has no time is refused."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uv

from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition.model import Cutoff
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.serving import Index
from tests.services.workshops import copy_answers

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)
OLD, RECENT = "2026-01-01T00:00:00Z", "2026-06-12T12:00:00Z"
NONE, TWO_WEEKS = Cutoff(), Cutoff(newest="14 days")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index that gives upload times: of most packages, the newest version is three days old."""
    folder = tmp_path / "index"
    for version in ("2.5.0", "2.5.1"):
        make_wheel(folder, "numbers", version)
    make_wheel(folder, "tensors", "1.0", needs=["numbers"])
    make_wheel(folder, "brandnew", "0.1")
    make_wheel(folder, "strict", "1.0", needs=["brandnew"])
    served = Index(folder)
    served.uploaded = {path.name: OLD for path in folder.iterdir()}
    for name in ("numbers-2.5.1", "brandnew-0.1"):
        served.uploaded[f"{name}-py3-none-any.whl"] = RECENT
    with served.server.running():
        yield served


@pytest.fixture
def undated(tmp_path: Path) -> Iterator[Index]:
    """An index that gives no upload times, as those in HTML."""
    folder = tmp_path / "undated"
    make_wheel(folder, "houselib", "1.0", needs=["numbers"])
    make_wheel(folder, "numbers", "3.0")
    served = Index(folder, host="127.0.0.3")
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, index: Index) -> Workshop:
    return replace(workshop, index_url=index.url)


def limited(definition: Cutoff = TWO_WEEKS, policy: Cutoff = NONE) -> Limits:
    return Limits(definition, policy, NOW)


def solved(
    workshop: Workshop, *lines: str, limits: Limits | None = None, reporter: Recorder | None = None
) -> Lock:
    return resolve(
        empty_base(), lines, workshop, reporter or Recorder(), limits=limited() if limits is None else limits
    )


def refused(workshop: Workshop, *lines: str, limits: Limits | None = None) -> ImageError:
    with pytest.raises(ImageError) as result:
        solved(workshop, *lines, limits=limits)
    return result.value


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


def as_uv(index: Index, folder: Path, known: Path, *lines: str, options: tuple[str, ...]) -> dict[str, str]:
    """Return the versions that uv takes when it is called directly."""
    copy_answers(known, folder / "direct")
    (folder / "direct.in").write_text("\n".join(lines))
    command = [uv.find_uv_bin(), "pip", "compile", "--no-config", "--no-header", "--no-annotate", "--quiet"]
    command += ["--python-version", "3.11", "--cache-dir", str(folder / "direct/uv")]
    command += ["--python", sys.executable, "--default-index", index.url, *options]
    done = subprocess.run([*command, str(folder / "direct.in")], capture_output=True, text=True, check=True)
    return dict(line.split("==") for line in done.stdout.split())


EVERYTHING = (TWO_WEEKS, ("--exclude-newer", "2026-06-01T12:00:00Z"))
WITH_EXCEPTION = (
    Cutoff(newest="14 days", exceptions={"numbers": "any"}),
    ("--exclude-newer", "2026-06-01T12:00:00Z", "--exclude-newer-package", "numbers=false"),
)
EXCEPTION = (
    Cutoff(exceptions={"numbers": "2026-05-01"}),
    ("--exclude-newer-package", "numbers=2026-05-02T00:00:00Z"),
)


@pytest.mark.parametrize(
    ("wanted", "cutoff", "options"),
    [
        ("numbers", Cutoff(), ()),
        ("numbers", *EVERYTHING),
        ("numbers", Cutoff(as_of="2026-06-11"), ("--exclude-newer", "2026-06-12T00:00:00Z")),
        ("numbers", Cutoff(as_of="2026-06-12"), ("--exclude-newer", "2026-06-13T00:00:00Z")),
        ("numbers", Cutoff(as_of=RECENT), ("--exclude-newer", RECENT)),
        ("numbers", *WITH_EXCEPTION),
        ("numbers", *EXCEPTION),
        ("tensors", *EVERYTHING),
        ("tensors", *WITH_EXCEPTION),
        ("tensors", *EXCEPTION),
    ],
)
def test_the_versions_are_those_of_uv_for_requested_and_for_needed_packages(
    shopping: Workshop,
    index: Index,
    tmp_path: Path,
    known_python: Path,
    wanted: str,
    cutoff: Cutoff,
    options: tuple[str, ...],
) -> None:
    lock = solved(shopping, wanted, limits=limited(cutoff))

    assert versions(lock) == as_uv(index, tmp_path, known_python, wanted, options=options)


def test_log_and_lock_say_what_was_skipped_and_keep_the_limit_as_a_time(shopping: Workshop) -> None:
    reporter = Recorder()

    lock = solved(shopping, "tensors", reporter=reporter)

    assert lock.skipped == ("numbers 2.5.1 is 3 days old; using 2.5.0",)
    assert "numbers 2.5.1 is 3 days old; using 2.5.0" in reporter.log
    assert lock.cutoff == Cutoff(as_of="2026-06-01T12:00:00Z")
    assert Lock.from_json(lock.to_json()) == lock
    dated = solved(shopping, "tensors", limits=limited(Cutoff(as_of="2026-06-01")))
    assert dated.skipped == ("numbers 2.5.1 was uploaded on 2026-06-12; using 2.5.0",)
    assert solved(shopping, "numbers<=2.5.0").skipped == ()
    assert solved(shopping, "tensors", limits=NO_LIMITS).skipped == ()


def test_what_others_hold_back_is_not_reported_as_skipped(shopping: Workshop, index: Index) -> None:
    index.uploaded[make_wheel(index.folder, "numbers", "1.0").name] = OLD
    index.uploaded[make_wheel(index.folder, "legacy", "1.0", needs=["numbers<2"]).name] = OLD

    lock = solved(shopping, "legacy")

    assert versions(lock) == {"legacy": "1.0", "numbers": "1.0"}
    assert lock.skipped == ()


@pytest.mark.parametrize("lines", [("brandnew",), ("strict",), ("numbers>2.5.0",), ("numbers==2.5.1",)])
def test_where_nothing_is_old_enough_the_error_names_package_version_and_limit(
    shopping: Workshop, lines: tuple[str, ...]
) -> None:
    error = refused(shopping, *lines)

    assert error.code == "uploaded-too-late"
    name, version = ("numbers", "2.5.1") if "numbers" in lines[0] else ("brandnew", "0.1")
    assert f"{name} {version} was uploaded on 2026-06-12" in error.message
    assert "the definition takes only what was uploaded before 2026-06-01 12:00 UTC" in error.message
    assert f"`{name}: any`" in error.help


def test_a_conflict_that_has_nothing_to_do_with_uploads_stays_a_conflict(shopping: Workshop) -> None:
    assert refused(shopping, "numbers==2.5.0", "numbers<2").code == "conflict"
    assert refused(shopping, "nothing-of-that-name").code == "package-not-found"
    assert refused(shopping, "numbers==7").code == "no-matching-distribution"


def test_the_stricter_of_definition_and_policy_counts_for_each_package(shopping: Workshop) -> None:
    lenient = Cutoff(newest="1 day", exceptions={"brandnew": "any"})

    assert versions(solved(shopping, "numbers", limits=limited(lenient, TWO_WEEKS))) == {"numbers": "2.5.0"}
    assert versions(solved(shopping, "numbers", limits=limited(TWO_WEEKS, lenient))) == {"numbers": "2.5.0"}
    error = refused(shopping, "brandnew", limits=limited(lenient, TWO_WEEKS))
    assert "the workspace's policy takes only" in error.message
    assert "Settings → Uploads" in error.help
    both = limited(lenient, Cutoff(newest="14 days", exceptions={"brandnew": "any"}))
    assert versions(solved(shopping, "brandnew", limits=both)) == {"brandnew": "0.1"}


def test_versions_of_the_image_before_are_given_up_where_they_are_too_new(shopping: Workshop) -> None:
    before = solved(shopping, "numbers", limits=NO_LIMITS)
    assert versions(before) == {"numbers": "2.5.1"}

    lock = resolve(empty_base(), ["numbers"], shopping, Recorder(), before, limits=limited())

    assert versions(lock) == {"numbers": "2.5.0"}


def test_a_source_is_held_to_its_upload_time_too(shopping: Workshop, index: Index) -> None:
    for version, time in (("1.0", OLD), ("2.0", RECENT)):
        index.uploaded[make_sdist(index.folder, "source", version).name] = time
    index.uploaded[make_sdist(index.folder, "late", "1.0").name] = RECENT
    index.uploaded[make_sdist(index.folder, "numbers", "2.5.2").name] = RECENT

    lock = solved(shopping, "source", "numbers")

    assert versions(lock) == {"source": "1.0", "numbers": "2.5.0"}
    assert lock.skipped == (
        "numbers 2.5.2 is 3 days old; using 2.5.0",
        "source 2.0 is 3 days old; using 1.0",
    )
    assert refused(shopping, "late").code == "uploaded-too-late"


@pytest.mark.parametrize("lines", [("houselib",), ("numbers",), ("houselib==1.0", "numbers>2")])
def test_an_index_without_upload_times_is_named_with_the_package(
    shopping: Workshop, undated: Index, lines: tuple[str, ...]
) -> None:
    """Passing over it in silence would install another package than is meant."""
    error = refused(shopping, f"--extra-index-url {undated.url}", *lines)

    assert error.code == "no-upload-time"
    name = lines[0].partition("=")[0]
    assert undated.server.address in error.message
    assert f"when {name}" in error.message
    assert f"`{name}: any`" in error.help


def test_an_index_without_upload_times_may_be_allowed_by_package_or_by_its_address(
    shopping: Workshop, undated: Index
) -> None:
    lines = (f"--extra-index-url {undated.url}", "houselib")
    by_name = Cutoff(newest="14 days", exceptions={"houselib": "any", "numbers": "any"})
    by_address = Cutoff(newest="14 days", exceptions={undated.url: "any"})

    assert versions(solved(shopping, *lines, limits=limited(by_name))) == {
        "houselib": "1.0",
        "numbers": "3.0",
    }
    assert versions(solved(shopping, *lines, limits=limited(by_address))) == {
        "houselib": "1.0",
        "numbers": "3.0",
    }
    assert refused(shopping, *lines, limits=limited(by_address, TWO_WEEKS)).code == "no-upload-time"


def test_older_files_without_a_time_do_not_matter(shopping: Workshop, index: Index) -> None:
    make_wheel(index.folder, "numbers", "1.0")

    assert versions(solved(shopping, "numbers")) == {"numbers": "2.5.0"}


@pytest.mark.parametrize("how", ["page", "address"])
def test_a_page_of_links_and_an_address_have_no_upload_time(
    shopping: Workshop, undated: Index, how: str
) -> None:
    page = f"{undated.url}/houselib/"
    wheel = f"{undated.server.url}/files/houselib-1.0-py3-none-any.whl"
    lines = (f"--find-links {page}", "houselib") if how == "page" else (f"houselib @ {wheel}",)

    error = refused(shopping, *lines)
    assert (error.code, undated.server.address in error.message) == ("no-upload-time", True)
    allowed = limited(Cutoff(newest="14 days", exceptions={"houselib": "any"}))
    assert versions(solved(shopping, *lines, limits=allowed)) == {"houselib": "1.0", "numbers": "2.5.0"}
    served = limited(Cutoff(newest="14 days", exceptions={undated.server.url: "any"}))
    assert versions(solved(shopping, *lines, limits=served))["houselib"] == "1.0"
