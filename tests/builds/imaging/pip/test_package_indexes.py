"""A package with an index of its own comes from there only, and nothing else does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition.model import Cutoff
from environments.network.credentials import Login, Logins
from environments.network.policy import EgressPolicy
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.serving import Index

LOGIN = "robot:s3cret"


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Index]:
    """A public index, where anybody has put packages of private names in high versions."""
    folder = tmp_path / "public"
    for name in ("houselib", "housebase"):
        make_wheel(folder, name, "99.0")
    make_wheel(folder, "numbers", "1.0")
    make_wheel(folder, "app", "1.0", needs=["houselib"])
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Index]:
    """The house's index, which also has a newer version of a public package."""
    folder = tmp_path / "house"
    make_wheel(folder, "houselib", "1.0", needs=["numbers", "housebase"])
    make_wheel(folder, "housebase", "1.0")
    make_wheel(folder, "numbers", "7.0")
    served = Index(folder, host="127.0.0.4")
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, public: Index) -> Workshop:
    return replace(workshop, index_url=public.url)


def solved(
    workshop: Workshop,
    own: dict[str, str],
    *lines: str,
    limits: Limits = NO_LIMITS,
    previous: Lock | None = None,
) -> Lock:
    return resolve(empty_base(), lines, workshop, Recorder(), previous, limits=limits, package_indexes=own)


def origins(lock: Lock, **indexes: Index) -> dict[str, tuple[str, str]]:
    return {
        package.name: (
            package.version,
            next(name for name, index in indexes.items() if package.url.startswith(index.server.url)),
        )
        for package in lock.packages
    }


@pytest.mark.parametrize(
    "lines",
    [
        ("houselib",),
        ("HouseLib[extra]>=0.5 ; python_version >= '3'",),
        ("app",),
        ("app", "houselib"),
        ("houselib", "--extra-index-url {public}"),
    ],
)
def test_a_hostile_package_of_the_same_name_is_not_taken(
    shopping: Workshop, public: Index, house: Index, lines: tuple[str, ...]
) -> None:
    """Also where only others need it; and the house's index is not used for what is not named."""
    own = {"houselib": house.url, "housebase": house.url}

    lock = solved(shopping, own, *(line.format(public=public.url) for line in lines))

    got = origins(lock, public=public, house=house)
    assert got.pop("app", None) in (None, ("1.0", "public"))
    assert got == {
        "houselib": ("1.0", "house"),
        "housebase": ("1.0", "house"),
        "numbers": ("1.0", "public"),
    }
    needed_by = {package.name: (package.requested, package.needed_by) for package in lock.packages}
    assert needed_by["housebase"] == (False, ("houselib",))
    assert needed_by["houselib"][0] == any(line.lower().startswith("houselib") for line in lines)


def test_a_version_that_only_others_have_is_not_looked_for_there(shopping: Workshop, house: Index) -> None:
    with pytest.raises(ImageError) as refused:
        solved(shopping, {"houselib": house.url}, "houselib>2")
    assert refused.value.code == "conflict"
    assert "only houselib==1.0 is available and you require houselib>2" in refused.value.message


def test_a_package_that_its_own_index_lacks_is_missing(shopping: Workshop, house: Index) -> None:
    with pytest.raises(ImageError) as refused:
        solved(shopping, {"app": house.url}, "app")
    assert refused.value.code == "package-not-found"


def test_an_index_of_a_package_that_nobody_needs_is_not_asked(shopping: Workshop, house: Index) -> None:
    lock = solved(shopping, {"houselib": house.url}, "numbers")

    assert [package.name for package in lock.packages] == ["numbers"]
    assert house.server.requests == []


def test_what_was_needed_only_by_a_hostile_version_is_not_installed(
    shopping: Workshop, public: Index, house: Index
) -> None:
    """The first solve sees it before its own index is known to matter."""
    make_wheel(public.folder, "houselib", "100.0", needs=["hostile"])
    make_sdist(public.folder, "houselib", "101.0")
    make_wheel(public.folder, "hostile", "1.0", needs=["housebase"])
    make_wheel(house.folder, "houselib", "2.0")

    lock = solved(shopping, {"houselib": house.url, "housebase": house.url}, "app")

    assert origins(lock, public=public, house=house) == {
        "app": ("1.0", "public"),
        "houselib": ("2.0", "house"),
    }


def test_what_conda_installed_already_stays_and_is_not_taken_from_its_index(
    shopping: Workshop, public: Index, house: Index
) -> None:
    lock = resolve(
        empty_base(),
        ["app"],
        shopping,
        Recorder(),
        present={"houselib": "5.0"},
        package_indexes={"houselib": house.url},
    )

    assert origins(lock, public=public, house=house) == {"app": ("1.0", "public")}


def test_a_source_of_its_own_index_is_taken_and_no_newer_one_of_another(
    shopping: Workshop, public: Index, house: Index
) -> None:
    make_sdist(house.folder, "sourced", "1.0", says=["numbers"])
    make_sdist(public.folder, "sourced", "9.0")

    lock = solved(shopping, {"sourced": house.url}, "sourced")

    assert origins(lock, public=public, house=house) == {
        "sourced": ("1.0", "house"),
        "numbers": ("1.0", "public"),
    }


def test_its_login_is_the_connection_of_the_workspace(
    shopping: Workshop, public: Index, tmp_path: Path
) -> None:
    folder = tmp_path / "closed"
    make_wheel(folder, "houselib", "1.0")
    closed = Index(folder, LOGIN, host="127.0.0.5")
    user, password = LOGIN.split(":")
    with closed.server.running():
        with pytest.raises(ImageError) as refused:
            solved(shopping, {"houselib": closed.url}, "houselib")
        assert refused.value.code == "index-refused"
        logins = Logins([Login("index", closed.server.url, user, password)], "lab")
        connected = replace(shopping, logins=logins)
        lock = solved(connected, {"houselib": closed.url}, "houselib")
        fetched = fetch(lock, connected, Recorder())

    assert [wheel.name for wheel in fetched.wheels] == ["houselib"]
    assert LOGIN not in lock.to_json()
    assert not any("authorization" in headers for _, headers in public.server.requests)


def test_an_address_that_members_may_not_reach_is_refused(shopping: Workshop) -> None:
    guarded = replace(shopping, reach=EgressPolicy(), index_url="https://index.example/simple")
    with pytest.raises(ImageError) as refused:
        solved(guarded, {"houselib": "http://169.254.169.254/simple"}, "houselib")
    assert "169.254.169.254" in refused.value.message


def test_versions_and_upload_times_are_those_of_its_own_index(
    shopping: Workshop, public: Index, house: Index
) -> None:
    make_wheel(house.folder, "houselib", "1.5")
    house.uploaded = {path.name: "2026-01-01T00:00:00Z" for path in house.folder.iterdir()}
    house.uploaded["houselib-1.5-py3-none-any.whl"] = "2026-06-12T00:00:00Z"
    public.uploaded = {path.name: "2026-01-01T00:00:00Z" for path in public.folder.iterdir()}
    own = {"houselib": house.url, "housebase": house.url}
    now = dt.datetime(2026, 6, 15, tzinfo=dt.UTC)

    before = solved(shopping, own, "houselib")
    lock = solved(
        shopping, own, "houselib", limits=Limits(Cutoff(newest="14 days"), Cutoff(), now), previous=before
    )

    assert origins(before, public=public, house=house)["houselib"] == ("1.5", "house")
    assert origins(lock, public=public, house=house)["houselib"] == ("1.0", "house")
    assert lock.skipped == ("houselib 1.5 is 3 days old; using 1.0",)
