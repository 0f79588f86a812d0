"""The build environment of wheels, and explanations of its failures, without an engine."""

from __future__ import annotations

import datetime as dt
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from builds.engine.output import Output
from builds.engine.wheels.build_environment import BuildEnvironment
from builds.engine.wheels.wheel_errors import unbuilt, unreachable
from builds.imaging.cutoffs.limits import Limits
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition.model import Cutoff
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel, wheel_file


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache")


def test_what_builds_a_wheel_is_held_to_the_limit_that_pip_can_obey(workshop: Workshop) -> None:
    """pip knows no exceptions: where an index has another limit, pip has none."""
    now = dt.datetime(2026, 6, 15, tzinfo=dt.UTC)
    lines = ["-i https://index.example/simple"]
    excepted = Cutoff(newest="14 days", exceptions={"https://index.example": "any"})

    named = "PIP_UPLOADED_PRIOR_TO"
    limited = BuildEnvironment(lines, workshop, Limits(Cutoff(newest="14 days"), Cutoff(), now))
    assert limited.variables()[named] == "2026-06-01T00:00:00+00:00"
    assert named not in BuildEnvironment(lines, workshop, Limits(excepted, Cutoff(), now)).variables()
    assert named not in BuildEnvironment(lines, workshop).variables()


def test_no_password_goes_into_the_container(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build scripts are untrusted code."""
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:s3cret@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "index.example")

    seen = BuildEnvironment(
        (), replace(workshop, index_url="https://ann:s3cret@index.example:8443/simple")
    ).variables()

    assert seen["PIP_INDEX_URL"] == "https://index.example:8443/simple"
    assert seen["NO_PROXY"] == "index.example"
    assert "s3cret" not in str(seen)


def test_the_machines_certificates_are_given_where_it_names_them(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text("certificates")
    files = wheel_file(make_sdist(tmp_path)), wheel_file(make_wheel(tmp_path, "pip"))

    around = BuildEnvironment((), workshop)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with tarfile.open(fileobj=io.BytesIO(b"".join(around.given(*files)))) as archive:
        content = archive.extractfile(around.variables()["PIP_CERT"].lstrip("/"))
        assert content is not None
        assert content.read() == b"certificates"
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "PIP_CERT" not in around.variables()
    with tarfile.open(fileobj=io.BytesIO(b"".join(around.given(*files)))) as archive:
        assert not [name for name in archive.getnames() if name.endswith(".pem")]


@pytest.mark.parametrize(
    ("exit_code", "message", "code", "fault"),
    [
        (1, "error: command 'gcc' failed: No such file or directory", "compile-failed", "author"),
        (
            1,
            "error: command '/usr/bin/x86_64-linux-gnu-gcc' failed with exit code 1",
            "compile-failed",
            "author",
        ),
        (1, "shop.c:1:10: fatal error: Python.h: No such file or directory", "compile-failed", "author"),
        (1, "ModuleNotFoundError: No module named 'numpy'", "compile-failed", "author"),
        (1, "OSError: [Errno 28] No space left on device", "disk-full", "studio"),
        (1, "Temporary failure in name resolution", "index-unreachable", "outside"),
        (1, "ERROR: No matching distribution found for hatchling", "no-matching-distribution", "author"),
        (137, "cc1 …", "out-of-memory", "author"),
    ],
)
def test_a_failed_build_names_the_package_the_cause_and_what_to_do(
    tmp_path: Path, exit_code: int, message: str, code: str, fault: str
) -> None:
    output = Output()
    assert list(output.text(f"running build_ext\n{message}\n  ERROR: Failed building wheel for shop\n"))

    error = unbuilt(wheel_file(make_sdist(tmp_path, "shop")), empty_base(), exit_code, output)

    assert (error.code, error.fault) == (code, fault)
    assert error.message.startswith("shop 1.0")
    assert "base.example/python:3.11" in error.message
    assert message in error.message or exit_code == 137
    assert error.help


def test_a_package_that_explains_itself_is_quoted(tmp_path: Path) -> None:
    """As `sklearn` does, which only tells that it is called scikit-learn."""
    output = Output()
    lines = [
        "  Running command installing build dependencies",
        "  Successfully installed setuptools-84.2.1",
        "  Running command Getting requirements to build wheel",
        "  The 'shop' package is deprecated, use 'store'",
        "  rather than 'shop' for pip commands.",
        "  error: subprocess-exited-with-error",
    ]
    assert list(output.text("\n".join(lines) + "\n"))

    error = unbuilt(wheel_file(make_sdist(tmp_path, "shop")), empty_base(), 1, output)

    assert error.message.endswith(": The 'shop' package is deprecated, use 'store'")


def test_a_source_that_wants_a_module_while_it_is_built_leads_to_a_wheel_of_its_maker(tmp_path: Path) -> None:
    output = Output()
    lines = [
        "  File setup.py, line 9",
        "  ModuleNotFoundError: No module named 'tensors'",
        "  error: subprocess-exited",
    ]
    assert list(output.text("\n".join(lines) + "\n"))
    none = ("no version of it has a wheel in the index", "")

    error = unbuilt(wheel_file(make_sdist(tmp_path, "attention")), empty_base(), 1, output, none)

    assert error.code == "compile-failed"
    assert "No module named 'tensors'. No version of it has a wheel in the index." in error.message
    assert "It wants tensors to be installed before it is built" in error.help
    assert "attention @ https://" in error.help
    assert "Pin" not in error.help


def test_a_source_without_a_compiler_says_for_which_pythons_there_are_wheels(tmp_path: Path) -> None:
    output = Output()
    assert list(output.text("error: command 'gcc' failed: No such file or directory\n"))
    wheels = ("1.0 has wheels for Python 3.6 and 3.7 only", "Take a base image with Python 3.6 or 3.7")

    error = unbuilt(wheel_file(make_sdist(tmp_path, "arrays")), empty_base(), 1, output, wheels)

    assert "1.0 has wheels for Python 3.6 and 3.7 only." in error.message
    assert "with a compiler" in error.help
    assert "Take a base image with Python 3.6 or 3.7." in error.help


def test_without_an_engine_the_wheels_that_there_are_are_named(tmp_path: Path) -> None:
    sdist = wheel_file(make_sdist(tmp_path, "arrays"))
    gone = ImageError("engine-unreachable", "gone", fault="studio")

    with (
        pytest.raises(ImageError) as refused,
        unreachable("here", [sdist], lambda _: ("1.0 is old", "Pin 2.0")),
    ):
        raise gone

    assert "arrays: 1.0 is old." in refused.value.message
    assert "Without it: Pin 2.0." in refused.value.help


def test_what_a_package_prints_has_no_escapes_for_a_terminal() -> None:
    output = Output(plain=True)
    text = "\x1b[?25l\x1b[31mred\x1b[0m \x1b]0;title\x07and\x9b1m \u202eturned\x1b[2K\n"

    assert list(output.text(text)) == ["red and1m turned"]
    assert list(output.last) == ["red and1m turned"]


def test_settings_of_a_definition_are_for_the_build_of_their_package(workshop: Workshop) -> None:
    around = BuildEnvironment(["arrays==1.0 --config-settings=fast=yes -C a=b", "other"], workshop)

    assert around.settings("arrays") == ["--config-settings", "fast=yes", "--config-settings", "a=b"]
    assert around.settings("other") == []
