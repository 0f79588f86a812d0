"""Licences are read from wheels by a confined process, and reach the packages' rows with an image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builds.images.exports import lock_as
from builds.images.packages import save_packages
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.declared.facts import facts_of_wheels
from builds.imaging.workshop import Workshop
from builds.models import Image, Package
from environments.models import Role
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import make_wheel, wheel_file
from tests.builds.scenarios import browser_of, image_for, person, save_text


def test_a_confined_process_reads_the_licence_of_a_wheel(tmp_path: Path, workshop: Workshop) -> None:
    made = make_wheel(tmp_path, needs=["numpy\nLicense-Expression: mit OR isc"])
    file = wheel_file(made)

    assert facts_of_wheels([file], (3, 11), workshop, Recorder())[file.sha256]["license"] == "MIT OR ISC"


def numpy(image: Image, licence: str, host: str) -> None:
    package = LockedPackage.model_validate((image.lock or {})["packages"][0])
    changed = package.model_copy(update={"license": licence, "url": f"https://{host}/numpy.whl"})
    image.lock = Lock(packages=(changed,)).model_dump(mode="json")
    image.save(update_fields=["lock"])
    save_packages(image)


@pytest.mark.django_db
def test_only_a_file_of_the_public_index_replaces_a_licence_that_is_known() -> None:
    image = image_for(save_text("numpy==2.1.3\n"))
    assert Package.objects.get(name="numpy").license == ""

    numpy(image, "MIT", "evil.example")
    assert Package.objects.get(name="numpy").license == "MIT"
    numpy(image, "BSD-3-Clause", "files.pythonhosted.org")
    numpy(image, "GPL-3.0-only", "evil.example")
    assert Package.objects.get(name="numpy").license == "BSD-3-Clause"


@pytest.mark.django_db
def test_the_page_of_a_package_the_api_and_both_bills_of_materials_have_its_licence() -> None:
    browser = browser_of(person("ada", lab=Role.READER))
    image = image_for(save_text("numpy==2.1.3\n"))
    assert "unknown" in browser.get("/w/lab/packages/numpy/").content.decode()
    numpy(image, "BSD-3-Clause", "files.pythonhosted.org")

    assert "BSD-3-Clause" in browser.get("/w/lab/packages/numpy/").content.decode()
    (row,) = browser.get("/api/v1/packages/?q=numpy").json()["results"]
    assert row["license"] == "BSD-3-Clause"
    lock = Lock.model_validate(image.lock)
    (part,) = json.loads(lock_as(lock, "cyclonedx", "x"))["components"]
    assert part["licenses"] == [{"expression": "BSD-3-Clause"}]
    (part,) = json.loads(lock_as(lock, "spdx", "x"))["packages"]
    assert part["licenseDeclared"] == "BSD-3-Clause"


def test_a_bill_of_materials_is_valid_with_unknown_licences_and_those_outside_of_spdx() -> None:
    packages = [
        LockedPackage(ecosystem="pypi", name=f"p{n}", version="1", url="https://files.example/y.whl", sha256="a" * 64, filename="f",
                      kind="wheel", license=licence)
        for n, licence in enumerate(["", "LicenseRef-Own", "MIT OR (ISC AND Zlib)"])
    ]  # fmt: skip
    lock = Lock(packages=tuple(packages))

    spdx = json.loads(lock_as(lock, "spdx", "x"))["packages"]
    assert [part["licenseDeclared"] for part in spdx] == [
        "NOASSERTION",
        "NOASSERTION",
        "MIT OR (ISC AND Zlib)",
    ]
    assert "LicenseRef-Own" in lock_as(lock, "cyclonedx", "x")
