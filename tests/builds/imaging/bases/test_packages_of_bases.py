"""The packages of a base's distribution are read from its layers, damaged and hostile files included."""

from __future__ import annotations

import hashlib

import pytest

from builds.imaging.bases.installed import packages_in, release_in
from builds.imaging.bases.probing import Distribution, distribution_of
from builds.imaging.workshop import Workshop
from tests.builds.imaging.bases.test_bases import DEBIAN, probe, tarred

STATUS = b"""Package: zlib1g
Status: install ok installed
Source: zlib
Version: 1:1.2.13.dfsg-1
Description: compression
 Package: not-a-package
 Version: 9

Package: libssl3
Status: install ok installed
Source: openssl (3.0.11-1~deb12u2)
Version: 3.0.11-1~deb12u2+b1

Package: removed
Status: deinstall ok config-files
Version: 1.0

Package: bad name\x00
Status: install ok installed
Version: 1.0

Package: bash
Status: install ok installed
Version: 5.2.15-2+b2
"""
RELEASE = b'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n'
PACKAGES = (("bash", "5.2.15-2+b2"), ("openssl", "3.0.11-1~deb12u2"), ("zlib", "1:1.2.13.dfsg-1"))


def test_installed_packages_are_named_by_their_sources() -> None:
    assert tuple(packages_in({"/var/lib/dpkg/status": STATUS})) == PACKAGES


def test_images_without_dpkg_have_a_file_for_each_package() -> None:
    files = {"/var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 2024a-0+deb12u1\n"}
    assert packages_in(files) == [("tzdata", "2024a-0+deb12u1")]


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (RELEASE, "debian:12"),
        (b"ID=ubuntu\nVERSION_ID='22.04'\n", "ubuntu:22.04"),
        (b"ID=alpine\nVERSION_ID=3.20\n", ""),
        (b"ID=debian\nVERSION_ID=" + b"1" * 100_000, ""),
        (b"\xff\x00=\n", ""),
    ],
)
def test_the_release_is_what_advisories_call_it(text: bytes, release: str) -> None:
    assert release_in({"/usr/lib/os-release": text}) == release


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 10**6, b"Package:" * 10**5, b"\n\n:\n" * 10**5, STATUS[:150]]
)
def test_damaged_and_hostile_files_are_read_as_far_as_they_make_sense(content: bytes) -> None:
    assert len(packages_in({"/var/lib/dpkg/status": content})) <= 1


def test_the_packages_after_all_layers_count(workshop: Workshop) -> None:
    first = tarred({**DEBIAN, "var/lib/dpkg/status": STATUS, "etc/os-release": RELEASE})
    upgraded = tarred({"var/lib/dpkg/status": STATUS.replace(b"5.2.15-2+b2", b"5.2.16-1")})
    gone = tarred({"var/lib/.wh.dpkg": b""})
    assert probed_packages(workshop, first) == ("debian:12", PACKAGES)
    assert probed_packages(workshop, first, upgraded)[1][0] == ("bash", "5.2.16-1")
    assert probed_packages(workshop, first, gone) == ("debian:12", ())


def probed_packages(workshop: Workshop, *layers: bytes) -> tuple[str, tuple[tuple[str, str], ...]]:
    distribution = distribution_in(workshop, *layers)
    return distribution.release, distribution.packages


def distribution_in(workshop: Workshop, *layers: bytes) -> Distribution:
    """Return what a confined process reads of these layers."""
    probe(workshop, *layers, path="/usr/bin")
    digest = "sha256:" + hashlib.sha256(b"".join(layers) + b"/usr/bin").hexdigest()
    distribution = distribution_of(digest, workshop)
    assert distribution is not None
    return distribution
