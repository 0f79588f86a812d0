"""Several indexes: the newest of all, as with pip; but never another index's package for a private name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from builds.imaging.lock import Lock
from builds.imaging.pip.indexes import Indexes
from builds.imaging.pip.listings import Listings
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.pip.comparing import would_install
from tests.builds.imaging.serving import Answer, Index, Server

LOGIN = "robot:s3cret"


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Index]:
    """An index with everything."""
    folder = tmp_path / "main"
    for version in ("3.0", "4.0"):
        make_wheel(folder, "locks", version)
    make_wheel(folder, "tensors", "2.0", needs=["locks"])
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def extra(tmp_path: Path) -> Iterator[Index]:
    """An index of one project, with old versions of what it needs."""
    folder = tmp_path / "extra"
    make_wheel(folder, "locks", "3.0")
    make_wheel(folder, "tensors", "2.0+cu999", needs=["locks"])
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Index]:
    """An index that needs a connection, with a name that is in public indexes too."""
    folder = tmp_path / "private"
    make_wheel(folder, "houselib", "1.0", needs=["locks"])
    served = Index(folder, LOGIN, host="127.0.0.2")
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, main: Index) -> Workshop:
    return replace(workshop, index_url=main.url)


@pytest.fixture
def connected(shopping: Workshop, private: Index) -> Workshop:
    user, password = LOGIN.split(":")
    return replace(shopping, logins=Logins([Login("index", private.server.url, user, password)], "lab"))


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


@pytest.mark.parametrize(
    "lines", [["tensors"], ["locks"], ["tensors==2.0"], ["locks<4"], ["tensors==2.0+cu999"]]
)
def test_the_newest_version_of_all_indexes_is_taken_as_by_pip(
    shopping: Workshop, main: Index, extra: Index, tmp_path: Path, lines: list[str]
) -> None:
    more = f"--extra-index-url {extra.url}"

    lock = resolve(empty_base(), [more, *lines], shopping, Recorder())

    assert versions(lock) == would_install([f"-i {main.url}", more, *lines], tmp_path)


def test_a_source_in_another_index_is_newer_too(shopping: Workshop, main: Index, extra: Index) -> None:
    make_sdist(main.folder, "locks", "5.0")

    lock = resolve(empty_base(), [f"--extra-index-url {extra.url}", "tensors"], shopping, Recorder())

    assert [(p.version, p.kind) for p in lock.packages if p.name == "locks"] == [("5.0", "sdist")]


@pytest.mark.parametrize("private_is_main", [True, False])
def test_a_private_name_is_never_taken_from_a_public_index(
    connected: Workshop, main: Index, private: Index, private_is_main: bool
) -> None:
    """Anybody may put a package of that name and any version into a public index."""
    make_wheel(main.folder, "houselib", "99.0")
    lines = [f"--extra-index-url {private.url}"]
    if private_is_main:
        lines = [f"--index-url {private.url}", f"--extra-index-url {main.url}"]

    reporter = Recorder()

    lock = resolve(empty_base(), [*lines, "houselib"], connected, reporter)

    assert f"from the first index that has it, {private.server.address} before all others" in reporter.log
    assert versions(lock) == {"houselib": "1.0", "locks": "4.0"}
    houselib = lock.named("houselib")
    assert houselib is not None
    assert houselib.url.startswith(private.server.url)


@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_a_version_that_a_private_index_lacks_is_not_looked_for_elsewhere(
    connected: Workshop, main: Index, private: Index, kind: str
) -> None:
    (make_wheel if kind == "wheel" else make_sdist)(main.folder, "houselib", "99.0")

    with pytest.raises(ImageError) as refused:
        resolve(empty_base(), [f"--extra-index-url {private.url}", "houselib>=2"], connected, Recorder())

    assert refused.value.code == "conflict"
    assert f"houselib is taken from {private.server.address} alone" in refused.value.message


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_lets_nobody_in_is_not_passed_over(
    shopping: Workshop, main: Index, extra: Index, status: int
) -> None:
    """Its connection is missing: another index may have a package of that name, and not the same."""
    make_wheel(main.folder, "houselib", "99.0")

    def denies(_: BaseHTTPRequestHandler) -> Answer:
        return status, {}, b""

    with Server(denies).running() as closed:
        lines = [f"--extra-index-url {url}" for url in (extra.url, f"{closed.url}/simple")]
        with pytest.raises(ImageError) as refused:
            resolve(empty_base(), [*lines, "houselib"], shopping, Recorder())

    assert refused.value.code == "index-refused"
    assert closed.address in refused.value.message


def test_where_a_private_index_fails_no_other_index_is_read_for_its_names(
    connected: Workshop, main: Index, private: Index
) -> None:
    """Sources are looked up beside the solver, by the same rule."""
    make_sdist(main.folder, "houselib", "99.0")
    indexes = Indexes(main.url, (private.url,))
    wrong = Logins([Login("index", private.server.url, "robot", "wr0ng")], "lab")

    listed = Listings(indexes, (), connected, Recorder()).of("houselib")
    with pytest.raises(ImageError) as refused:
        Listings(indexes, (), replace(connected, logins=wrong), Recorder()).of("houselib")

    assert [str(file.version) for file in listed] == ["1.0"]
    assert private.server.address in refused.value.message
