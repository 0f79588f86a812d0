"""An image's lock as other tools read it."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
from packaging.pylock import Pylock

from builds.images.exports import formats_for, lock_as
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Image
from environments.definition import CannotWrite, read
from environments.models import Role
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build

PIP = LockedPackage(
    ecosystem="pypi",
    name="pandas",
    version="2.2.3",
    url="https://files.example/pandas-2.2.3-cp311-cp311-manylinux_2_17_x86_64.whl",
    sha256="a" * 64,
    size=13_000_000,
    filename="pandas-2.2.3-cp311-cp311-manylinux_2_17_x86_64.whl",
    kind="wheel",
    requested=True,
)
NEEDED = PIP.model_copy(
    update={
        "name": "numpy",
        "version": "2.1.3",
        "url": "https://files.example/numpy-2.1.3-cp311-cp311-manylinux_2_17_x86_64.whl",
        "filename": "numpy-2.1.3-cp311-cp311-manylinux_2_17_x86_64.whl",
        "requested": False,
        "needed_by": ("pandas",),
    }
)
CONDA = LockedPackage(
    ecosystem="conda",
    name="zlib",
    version="1.3.1",
    url="https://conda.example/conda-forge/linux-64/zlib-1.3.1-hb9d3cd8_2.conda",
    sha256="b" * 64,
    size=92_000,
    filename="zlib-1.3.1-hb9d3cd8_2.conda",
    kind="conda",
    channel="conda-forge",
    subdir="linux-64",
    build="hb9d3cd8_2",
)
WITH_MD5 = CONDA.model_copy(update={"name": "bzip2", "md5": "c" * 32})


@pytest.mark.parametrize(
    ("subdir", "platform"), [("linux-64", "linux/amd64"), ("linux-aarch64", "linux/arm64")]
)
def test_a_conda_lock_is_read_back_with_conda_and_pip_packages(subdir: str, platform: str) -> None:
    url = WITH_MD5.url.replace("linux-64", subdir)
    conda = WITH_MD5.model_copy(update={"subdir": subdir, "url": url})
    text = lock_as(Lock(packages=(conda, PIP)), "conda-lock", "forecast:1")

    definition = read(text, "conda-lock.yml").definition
    assert definition is not None
    assert definition.platforms == (platform,)
    assert definition.python.conda == (f"{url}#{'c' * 32}",)
    (line,) = definition.python.pip
    assert line.startswith(f"pandas @ {PIP.url}")


def test_an_explicit_list_is_for_the_images_platform_and_has_sha256() -> None:
    conda = WITH_MD5.model_copy(update={"subdir": "linux-aarch64"})
    text = lock_as(Lock(packages=(conda,)), "conda-explicit", "forecast:1")
    assert text.startswith("# platform: linux-aarch64\n")
    assert f"#sha256:{'b' * 64}" in text


def test_md5_is_no_part_of_a_locks_identity() -> None:
    assert (
        Lock(packages=(WITH_MD5,)).digest == Lock(packages=(WITH_MD5.model_copy(update={"md5": ""}),)).digest
    )


def test_a_lock_without_md5_cannot_be_one_of_conda_lock() -> None:
    with pytest.raises(CannotWrite, match="MD5 of every package; zlib lacks one"):
        lock_as(Lock(packages=(CONDA,)), "conda-lock", "forecast:1")


@pytest.mark.django_db
def test_the_page_offers_a_conda_lock_or_says_what_it_lacks() -> None:
    member = person("ada", lab=Role.READER)
    image = succeed_build(queue_build(save_text("pandas==2.2.3\n")))
    page = "/w/lab/environments/forecast/?tab=packages"
    for conda, offered in ((WITH_MD5, True), (CONDA, False)):
        Image.objects.filter(pk=image.pk).update(lock=Lock(packages=(conda, PIP)).model_dump(mode="json"))
        text = browser_of(member).get(page).content.decode()
        assert ("/lock/conda-lock" in text, "No conda-lock" in text) == (offered, not offered)


def test_a_pylock_is_read_back_with_the_same_packages() -> None:
    text = lock_as(Lock(packages=(PIP, NEEDED)), "pylock", "forecast:1")

    definition = read(text, "pylock.toml").definition
    assert definition is not None
    assert [line.partition(" ")[0] for line in definition.python.pip] == ["pandas==2.2.3", "numpy==2.1.3"]
    assert "a" * 64 in text
    assert len(Pylock.from_dict(tomllib.loads(text)).packages) == 2


def test_a_bill_of_materials_says_what_needs_what() -> None:
    bill = json.loads(lock_as(Lock(packages=(PIP, NEEDED, CONDA)), "cyclonedx", "forecast:1"))

    assert {part["name"] for part in bill["components"]} == {"pandas", "numpy", "zlib"}
    needs = {part["ref"]: part.get("dependsOn", []) for part in bill["dependencies"]}
    assert needs["pkg:pypi/pandas@2.2.3"] == ["pkg:pypi/numpy@2.1.3"]


def test_only_the_formats_that_can_hold_a_lock_are_offered() -> None:
    assert formats_for(Lock(packages=(PIP,))) == ["pylock", "requirements", "cyclonedx", "spdx"]
    assert formats_for(Lock(packages=(CONDA,))) == ["conda-explicit", "cyclonedx", "spdx"]
    assert formats_for(Lock(packages=(PIP, CONDA))) == ["cyclonedx", "spdx"]
    assert formats_for(Lock(packages=(WITH_MD5,))) == ["conda-lock", "conda-explicit", "cyclonedx", "spdx"]
    assert formats_for(Lock(packages=(PIP, WITH_MD5))) == ["conda-lock", "cyclonedx", "spdx"]
    assert formats_for(Lock(packages=(CONDA, WITH_MD5))) == ["conda-explicit", "cyclonedx", "spdx"]
    assert formats_for(Lock()) == []
    with pytest.raises(CannotWrite):
        lock_as(Lock(packages=(CONDA,)), "pylock", "x")


@pytest.mark.django_db
def test_a_member_downloads_it_and_a_stranger_finds_nothing() -> None:
    member, stranger = person("ada", lab=Role.READER), person("eve")
    version = save_text("pandas==2.2.3\n")
    address = f"/w/lab/environments/forecast/versions/{version.version}/lock/pylock"
    assert browser_of(member).get(address).status_code == 404, "there is no image yet"
    image = succeed_build(queue_build(version))
    Image.objects.filter(pk=image.pk).update(lock=Lock(packages=(PIP, NEEDED)).model_dump(mode="json"))

    answer = browser_of(member).get(address)

    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="forecast-1-pylock.toml"'
    assert b"pandas" in answer.content
    assert browser_of(member).get(address.replace("pylock", "nonsense")).status_code == 404
    assert browser_of(stranger).get(address).status_code == 404
    assert browser_of(None).get(address).status_code == 302
    assert browser_of(member).post(address).status_code == 405


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/x.whl",
        "http://localhost/x.whl",
        "file:///srv/x.whl",
        "",
    ],
)
def test_spdx_leaves_a_location_open_that_its_grammar_refuses(url: str) -> None:
    package = json.loads(lock_as(Lock(packages=(PIP.model_copy(update={"url": url}),)), "spdx", "x"))[
        "packages"
    ][0]

    assert package["downloadLocation"] == "NOASSERTION"


AT_ONCE = """
import os
import threading
from environments.definition.packages.locked import PIP, LockedPackage
from environments.definition.writing import sbom

package = LockedPackage("numpy", "2.1.3", PIP, url="https://files.example/numpy.whl")
begin = threading.Barrier(4)
def write():
    begin.wait()
    sbom.write([package], "spdx", "x")
    os.write(1, b"written\\n")
threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads:
    thread.start()
"""


def test_builds_that_end_together_all_get_their_bill_of_materials() -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["written"] * 4, done.stderr
