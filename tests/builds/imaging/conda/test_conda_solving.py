"""Solving conda packages for a base, from several channels; and the errors of unsolvable requests."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.channels import channel_url, channels_of
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conda.making import VERSION, index, make_module, make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base
from tests.builds.imaging.serving import Answer, Server

pytestmark = pytest.mark.slow

GLIBC = Probe(libc="glibc", libc_version="2.36")


@pytest.fixture
def base() -> Base:
    return replace(empty_base(), probe=GLIBC)


def solve(
    workshop: Workshop, base: Base, channels: list[str], *conda: str, previous: Lock | None = None
) -> Lock:
    return resolve_environment(base, channels, conda, (), workshop, Recorder(), previous)


def refused(workshop: Workshop, base: Base, channels: list[str], *conda: str) -> ImageError:
    with pytest.raises(ImageError) as result:
        solve(workshop, base, channels, *conda)
    return result.value


def test_the_lock_names_every_package_exactly_and_why_it_is_there(
    workshop: Workshop, base: Base, channel: Path
) -> None:
    lock = solve(workshop, base, [channel.as_uri()], f"python={VERSION}", "greeter")

    assert [(p.name, p.version, p.build, p.subdir, p.requested, p.needed_by) for p in lock.packages] == [
        ("greeter", "2.0", "py_0", "noarch", True, ()),
        ("native", "1.2", "h0_0", "linux-64", False, ("greeter",)),
        ("python", VERSION, "h0_0", "linux-64", True, ("greeter",)),
    ]
    file = channel / "noarch" / "greeter-2.0-py_0.conda"
    greeter = lock.packages[0]
    assert greeter.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert greeter.md5 == hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    assert (greeter.size, greeter.url, greeter.filename) == (file.stat().st_size, file.as_uri(), file.name)
    assert lock.python == VERSION
    assert Lock.from_json(lock.to_json()) == lock


def test_versions_of_the_image_before_are_kept_where_they_fit(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    make_package(tmp_path, "first", "1.0")
    make_package(tmp_path, "second", "1.0")
    before = solve(workshop, base, [index(tmp_path)], "first", "second")
    make_package(tmp_path, "first", "2.0")
    make_package(tmp_path, "second", "2.0")
    index(tmp_path)

    kept = solve(workshop, base, [tmp_path.as_uri()], "first", "second>1", previous=before)
    fresh = solve(workshop, base, [tmp_path.as_uri()], "first", "second>1")

    assert [(p.name, p.version) for p in kept.packages] == [("first", "1.0"), ("second", "2.0")]
    assert [(p.name, p.version) for p in fresh.packages] == [("first", "2.0"), ("second", "2.0")]


def test_the_first_channel_that_has_a_package_is_the_only_one_for_it(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    make_package(tmp_path / "first", "shared", "1.0")
    make_package(tmp_path / "second", "shared", "2.0")
    make_package(tmp_path / "second", "lonely", "1.0")
    channels = [index(tmp_path / "first"), index(tmp_path / "second")]

    lock = solve(workshop, base, channels, "shared", "lonely")
    named = solve(workshop, base, channels[:1], f"{channels[1]}::shared")

    assert [(p.name, p.version, p.channel) for p in lock.packages] == [
        ("lonely", "1.0", channels[1]),
        ("shared", "1.0", channels[0]),
    ]
    assert [(p.version, p.channel) for p in named.packages] == [("2.0", channels[1])]


def test_a_mirror_is_asked_but_not_named_in_the_lock(workshop: Workshop, base: Base, channel: Path) -> None:
    mirrored = replace(workshop, channel_mirrors={"conda-forge": channel.as_uri()})

    lock = solve(mirrored, base, [], "conda-forge::native=1.2")

    (native,) = lock.packages
    assert native.channel == "https://conda.anaconda.org/conda-forge"
    assert native.url == "https://conda.anaconda.org/conda-forge/linux-64/native-1.2-h0_0.tar.bz2"


def test_conda_forge_stands_in_for_the_channel_with_commercial_terms(reporter: Recorder) -> None:
    mirror = {"defaults": "https://mirror.example/main"}

    without = channels_of(["defaults", "nodefaults", "conda-forge"], [], {}, reporter)
    allowed = channels_of(["defaults"], [], mirror, reporter)

    assert without.urls == ("https://conda.anaconda.org/conda-forge",)
    assert allowed.effective_urls() == list(allowed.urls) == ["https://mirror.example/main"]
    assert without.spec("defaults::numpy") == "https://conda.anaconda.org/conda-forge::numpy"
    assert allowed.spec("defaults::numpy") == "https://mirror.example/main::numpy"
    assert len(reporter.lines) == 1
    assert "commercial terms" in reporter.log


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("conda-forge", "https://conda.anaconda.org/conda-forge"),
        ("conda-forge/label/dev", "https://conda.anaconda.org/conda-forge/label/dev"),
        ("https://channel.example/team/linux-64/", "https://channel.example/team"),
        ("file:///srv/channel", "file:///srv/channel"),
    ],
)
def test_a_channels_name_is_an_address(written: str, url: str) -> None:
    assert channel_url(written) == url


@pytest.mark.parametrize(
    "written", ["../channel", "/srv/channel", "s3://bucket", "a b", "https://", "", "a::b"]
)
def test_what_is_no_channel_is_refused(written: str) -> None:
    with pytest.raises(ImageError, match="is no conda channel") as result:
        channel_url(written)
    assert result.value.code == "bad-spec"


@pytest.mark.parametrize(
    "written", ["https://me:secret@channel.example/a", "https://channel.example/t/secret/a"]
)
def test_a_channel_with_a_password_in_it_is_refused_without_saying_it(written: str) -> None:
    with pytest.raises(ImageError) as result:
        channel_url(written)
    assert "secret" not in str(result.value)


@pytest.mark.parametrize(
    ("spec", "code", "says"),
    [
        ("greter", "package-not-found", "Did you mean greeter?"),
        ("greeter>=7", "no-matching-version", "they have 2.0, 1.0."),
        ("foo @@", "bad-spec", "foo @@"),
        ("https://channel.example/noarch/foo-1-0.conda", "bad-spec", "address of a file"),
        ("modern", "conflict", "__glibc >=9"),
        ("__cuda", "conflict", "There is no __cuda in it: state the CUDA version"),
    ],
)
def test_an_unavailable_package_is_an_error_with_a_way_out(
    workshop: Workshop, base: Base, channel: Path, spec: str, code: str, says: str
) -> None:
    error = refused(workshop, base, [channel.as_uri()], spec)

    assert (error.code, error.fault) == (code, "author")
    assert says in str(error)
    assert error.help


def test_packages_of_an_export_from_windows_are_named_as_that_all_at_once(
    workshop: Workshop, base: Base, channel: Path
) -> None:
    """By their names, and by what the channel has for Windows."""
    named = refused(
        workshop, base, [channel.as_uri()], "greeter", "vs2015_runtime=14.27", "m2w64-gmp", "pywin32"
    )
    make_package(channel, "gadget", subdir="win-64")
    index(channel)
    listed = refused(workshop, base, [channel.as_uri()], "gadget")

    assert (
        "vs2015_runtime, m2w64-gmp and pywin32 are for Windows only, and an image is Linux" in named.message
    )
    assert "--from-history" in named.help
    assert "gadget is for Windows only" in listed.message
    assert (named.code, listed.code) == ("no-matching-distribution",) * 2


def test_a_build_of_another_system_is_distinguished_from_a_missing_version(
    workshop: Workshop, base: Base, channel: Path
) -> None:
    error = refused(workshop, base, [channel.as_uri()], "greeter=2.0=py38hadc3359_0")

    assert error.code == "no-matching-version"
    assert "its version is" in error.message
    assert "Write greeter=2.0 without the build" in error.help
    assert "--no-builds" in error.help


def test_packages_that_contradict_one_another_are_named(
    workshop: Workshop, base: Base, channel: Path
) -> None:
    error = refused(workshop, base, [channel.as_uri()], "oldish", "native=1.2")

    assert error.code == "conflict"
    assert "oldish" in error.message
    assert "native <1.2" in error.message
    assert "\n" not in error.message


def test_a_channel_that_does_not_answer_is_not_the_authors_fault(workshop: Workshop, base: Base) -> None:
    error = refused(workshop, base, ["http://127.0.0.1:1/team"], "python")

    assert (error.code, error.fault) == ("channel-unreachable", "outside")
    assert "channel http://127.0.0.1:1/team" in error.message


def test_a_channel_that_is_not_there_is_named(workshop: Workshop, base: Base, tmp_path: Path) -> None:
    error = refused(workshop, base, [(tmp_path / "nothing").as_uri()], "python")

    assert (error.code, error.fault) == ("channel-not-found", "author")
    assert f"{(tmp_path / 'nothing').as_uri()}." in error.message


@pytest.mark.parametrize(
    ("status", "code"), [(404, "channel-not-found"), (401, "channel-refused"), (403, "channel-refused")]
)
def test_a_channel_that_denies_access_is_distinguished_from_a_silent_channel(
    workshop: Workshop, base: Base, status: int, code: str
) -> None:
    def no(_: BaseHTTPRequestHandler) -> Answer:
        return status, {}, b""

    with Server(no).running() as server:
        error = refused(workshop, base, [f"{server.url}/team"], "python")

    assert (error.code, error.fault) == (code, "author")


def test_no_credentials_of_the_machine_go_to_a_channel(
    workshop: Workshop, base: Base, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stolen = base64.b64encode(b"me:secret").decode()
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    empty = json.dumps({"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {}}).encode()

    def channel(request: BaseHTTPRequestHandler) -> Answer:
        return (200, {}, empty) if request.path.endswith("/repodata.json") else (404, {}, b"")

    with Server(channel).running() as server:
        error = refused(workshop, base, [server.url], "python")

    assert error.code == "package-not-found"
    assert not [headers for _, headers in server.requests if stolen in headers.get("authorization", "")]


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (Probe(libc="musl", libc_version="1.2"), "musl"),
        (Probe(), "no C library"),
        (Probe(libc="glibc", libc_version="2.36", architecture="s390x"), "s390x"),
    ],
)
def test_a_base_on_which_conda_packages_cannot_run_is_refused(
    workshop: Workshop, base: Base, channel: Path, probe: Probe, says: str
) -> None:
    error = refused(workshop, replace(base, probe=probe), [channel.as_uri()], "native")

    assert error.code == "base-unfit"
    assert says in error.message


def test_pip_packages_need_a_python_from_conda(workshop: Workshop, base: Base, channel: Path) -> None:
    with pytest.raises(ImageError) as result:
        resolve_environment(base, [channel.as_uri()], ["native"], ["six"], workshop, Recorder())

    assert result.value.code == "no-python"
    assert "Add python to the conda packages" in result.value.help


def test_pip_may_not_replace_what_conda_installed(workshop: Workshop, base: Base, channel: Path) -> None:
    with pytest.raises(ImageError) as result:
        resolve_environment(
            base, [channel.as_uri()], ["python", "tomli"], ["tomli>=2.1"], workshop, Recorder()
        )

    assert result.value.code == "conflict"
    assert "Conda installed tomli 2.0.1." in result.value.message
    assert "from conda or pip" in result.value.help


def test_a_python_without_the_usual_folder_for_modules_is_refused(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    make_package(tmp_path, "python", "3.9.18", build="0_73_pypy")
    make_module(tmp_path, "unrelated")

    error = refused(workshop, base, [index(tmp_path)], "python")

    assert error.code == "python-unfit"


def test_a_cancelled_build_ends_the_solver(workshop: Workshop, base: Base) -> None:
    reporter = Recorder()

    def silent(_: BaseHTTPRequestHandler) -> Answer:
        reporter.cancelled = True
        return 503, {}, b""

    with Server(silent).running() as server, pytest.raises(ImageError) as result:
        resolve_environment(base, [server.url], ["python"], (), workshop, reporter)

    assert result.value.code == "cancelled"
