"""The Python distributions and conda packages of a base are read from its layers, hostile ones included."""

from __future__ import annotations

import io
import tarfile

import pytest

from builds.imaging.bases import distributions
from builds.imaging.bases.distributions import Distributions, Installed
from builds.imaging.bases.tree import Tree
from builds.imaging.oci.untar import Untar
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.bases.test_bases import DEBIAN, Files, tarred
from tests.builds.imaging.bases.test_packages_of_bases import RELEASE, STATUS, distribution_in

SITE = "usr/local/lib/python3.11/site-packages"
DEBIANS = "usr/lib/python3/dist-packages"


def metadata(name: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: 0\n".encode()


def read(*layers: bytes) -> Distributions:
    tree = Tree()
    for layer in layers:
        tree.add(Untar(io.BytesIO(layer)), Quiet())
    return tree.distributions


def names_in(*layers: bytes) -> list[str]:
    """Return what the layers hold, as name and version; conda's with a mark."""
    packages = read(*layers).installed(owned=True)
    return [f"{'conda ' * (p.ecosystem == 'conda')}{p.name} {p.version}" for p in packages]


def test_every_kind_of_metadata_is_read() -> None:
    layer = tarred(
        {
            f"{SITE}/Jinja2-3.0.dist-info/METADATA": metadata("Jinja2", "3.0"),
            f"{SITE}/old.egg-info/PKG-INFO": metadata("Old_Package", "1.0"),
            f"{SITE}/flat-2.0-py3.11.egg-info": metadata("flat", "2.0"),
            f"{SITE}/easy-4.0-py3.11.egg/EGG-INFO/PKG-INFO": metadata("easy", "4.0"),
            f"{DEBIANS}/by_hand-5.0.dist-info/METADATA": metadata("by.hand", "5.0"),
            "opt/conda/conda-meta/python-dateutil-2.8.2-py_0.json": b"",
            "opt/conda/conda-meta/history": b"",
        }
    )
    assert names_in(layer) == [
        "conda python-dateutil 2.8.2",
        *("by-hand 5.0", "easy 4.0", "flat 2.0", "jinja2 3.0", "old-package 1.0"),
    ]


def test_what_is_not_installed_does_not_count() -> None:
    layer = tarred(
        {
            f"{SITE}/setuptools/_vendor/wheel-0.43.dist-info/METADATA": metadata("wheel", "0.43"),
            "opt/conda/pkgs/six-1.0-py_0/site-packages/six-1.0.dist-info/METADATA": metadata("six", "1.0"),
            "opt/conda/pkgs/six-1.0-py_0/conda-meta/six-1.0-py_0.json": b"",
            "src/django-1.0.dist-info/METADATA": metadata("django", "1.0"),
            f"{SITE}/linked-1.0.dist-info/METADATA": "link to /elsewhere",
            f"{SITE}/.wh.gone-1.0.dist-info": b"",
        }
    )
    assert names_in(layer) == []


def test_a_later_layer_wins_and_whiteouts_take_away() -> None:
    first = tarred(
        {
            f"{SITE}/pip-23.0.dist-info/METADATA": metadata("pip", "23.0"),
            f"{SITE}/wheel-0.43.dist-info/METADATA": metadata("wheel", "0.43"),
            "opt/conda/conda-meta/six-1.0-py_0.json": b"",
        }
    )
    upgraded = tarred(
        {
            f"{SITE}/.wh.pip-23.0.dist-info": b"",
            f"{SITE}/pip-24.0.dist-info/METADATA": metadata("pip", "24.0"),
            "opt/conda/conda-meta/.wh.six-1.0-py_0.json": b"",
            "opt/conda/conda-meta/six-1.1-py_0.json": b"",
        }
    )
    edited = tarred({f"{SITE}/wheel-0.43.dist-info/METADATA": metadata("wheel", "0.44")})
    opaque = tarred(
        {f"{SITE}/.wh..wh..opq": b"", f"{SITE}/new-1.0.dist-info/METADATA": metadata("new", "1.0")}
    )
    assert names_in(first, upgraded) == ["conda six 1.1", "pip 24.0", "wheel 0.43"]
    assert names_in(first, edited) == ["conda six 1.0", "pip 23.0", "wheel 0.44"]
    assert names_in(first, opaque) == ["conda six 1.0", "new 1.0"]
    assert names_in(first, tarred({"usr/local/.wh.lib": b"", "opt/.wh.conda": b""})) == []


@pytest.mark.parametrize("over", ["link to /elsewhere", b"a file"])
@pytest.mark.parametrize("folder", [f"{SITE}/pip-23.0.dist-info", SITE, "usr"])
def test_a_link_or_a_file_over_a_folder_takes_away_what_was_in_it(folder: str, over: bytes | str) -> None:
    first = tarred({f"{SITE}/pip-23.0.dist-info/METADATA": metadata("pip", "23.0")})
    assert names_in(first, tarred({folder: over})) == []


def test_a_hard_link_is_named_by_its_folder() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(f"{SITE}/Jinja2-3.0.dist-info/METADATA")
        entry.type, entry.linkname = tarfile.LNKTYPE, "cache/uv/METADATA"
        archive.addfile(entry)
    assert names_in(buffer.getvalue()) == ["jinja2 3.0"]


def test_what_the_distributions_own_packages_brought_is_left_to_their_advisories(workshop: Workshop) -> None:
    files: Files = {
        **DEBIAN,
        f"{DEBIANS}/PyYAML-6.0.egg-info": metadata("PyYAML", "6.0"),
        f"{DEBIANS}/requests-2.28.1.egg-info/PKG-INFO": metadata("requests", "2.28.1"),
        f"{DEBIANS}/mine-1.0.dist-info/METADATA": metadata("mine", "1.0"),
        "var/lib/dpkg/info/python3-yaml.list": f"/.\n/{DEBIANS}/PyYAML-6.0.egg-info\n".encode(),
        "var/lib/dpkg/info/python3-requests.list": (
            f"/{DEBIANS}/requests-2.28.1.egg-info\n/{DEBIANS}/requests-2.28.1.egg-info/PKG-INFO\n".encode()
        ),
        "var/lib/dpkg/status": STATUS,
    }
    known = distribution_in(workshop, tarred({**files, "etc/os-release": RELEASE}))
    assert [package.name for package in known.installed] == ["mine"]
    # Of another distribution there are no advisories: the packages are matched as Python's.
    other = distribution_in(workshop, tarred({**files, "etc/os-release": b"ID=devuan\nVERSION_ID=5\n"}))
    assert [package.name for package in other.installed] == ["mine", "pyyaml", "requests"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 10**6,
        b"Name:" * 10**5,
        b"Name: \x00\nVersion: 1\n",
        b"Name: x\nVersion: " + b"1" * 10**6,
        b"Name: <script>\nVersion: 1.0\n",
        b"Name: ok\nVersion: 1 0\n",
        b"\xff\xfe\n" * 1000,
        b"\n\nName: hidden\nVersion: 1.0\n",
    ],
)
def test_damaged_and_hostile_metadata_is_no_package_or_one_with_usable_texts(content: bytes) -> None:
    packages = read(tarred({f"{SITE}/x.dist-info/METADATA": content})).installed(owned=True)
    assert packages == []


@pytest.mark.parametrize(
    "path",
    [
        f"{'a/' * 1900}site-packages/x-1.0.dist-info/METADATA",
        f"{'site-packages/' * 60}x-1.0.dist-info/METADATA",
        "bad\nfolder/site-packages/x-1.0.dist-info/METADATA",
        "site-packages/../../x-1.0.dist-info/METADATA",
        "opt/conda/conda-meta/-.json",
        "opt/conda/conda-meta/x--.json",
        f"opt/conda/conda-meta/{'x' * 300}-1.0-0.json",
        "opt/conda/conda-meta/a'b-1.0-0.json",
    ],
)
def test_hostile_paths_are_passed_over(path: str) -> None:
    assert names_in(tarred({path: metadata("x", "1.0")})) == []


def test_the_number_of_packages_and_what_is_read_of_each_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributions, "MOST_PACKAGES", 50)
    monkeypatch.setattr(distributions, "MOST_FOLDERS", 10)
    many = {f"{SITE}/p{n}-1.0.dist-info/METADATA": metadata(f"p{n}", "1.0") for n in range(200)}
    lists: Files = {
        f"var/lib/dpkg/info/p{n}.list": f"/{SITE}/p{n}-1.0.dist-info\n".encode() for n in range(200)
    }
    known = read(tarred({**many, **lists}))
    assert len(known.installed(owned=False)) == 50
    assert len(known.installed(owned=True)) == 0
    late = b"X: " + b"x" * distributions.MOST_BYTES + b"\nName: late\nVersion: 1.0\n"
    assert names_in(tarred({f"{SITE}/late.dist-info/METADATA": late})) == []


def test_the_answer_of_the_probe_is_kept_with_the_folders(workshop: Workshop) -> None:
    layer = tarred({**DEBIAN, f"{SITE}/Jinja2-3.0.dist-info/METADATA": metadata("Jinja2", "3.0")})
    known = distribution_in(workshop, layer)
    assert known.installed == (Installed("pypi", "jinja2", "3.0", f"/{SITE}"),)
