"""Packages of a hostile conda channel: nothing outside is written or read, and all is counted."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import ImageError
from tests.builds.imaging.conda.test_conda_packing import layers
from tests.builds.imaging.making import empty_base
from tests.hostile.packages.conda_packages import Machine, Making, link, listed, raw, refused


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    result = Machine(tmp_path)
    yield result
    result.check()


FORMATS = pytest.mark.parametrize("made", [Making.new, Making.old], ids=["conda", "tar.bz2"])
Made = Callable[[Making, Path], Path]


@FORMATS
@pytest.mark.parametrize("name", ["info/paths.json", "./info/paths.json", "info//paths.json"])
def test_a_second_list_of_paths_writes_nothing_outside(machine: Machine, made: Made, name: str) -> None:
    """The path climbs out of the environment; in the package, a link makes a file of it."""
    climbing = "x/../../../../outside/planted"
    second = raw(name, json.dumps(listed(climbing)).encode())
    members = [raw("outside/planted", b"planted"), raw("deep/a/b/c/file"), link("x", "deep/a/b/c")]

    why = refused(machine, made(Making(members, listed("deep/a/b/c/file"), more_info=[second]), machine.made))

    assert "more than once" in why


@FORMATS
def test_a_listed_path_behind_a_link_reads_nothing_outside(machine: Machine, made: Made) -> None:
    members = [link("out", str(machine.outside)), raw("share/x")]

    refused(machine, made(Making(members, listed("out/secret", "share/x")), machine.made))


@FORMATS
@pytest.mark.parametrize("target", ["secret", "environ"])
@pytest.mark.parametrize("placeholder", [False, True])
def test_a_link_that_is_listed_as_a_file_reads_nothing_outside(
    machine: Machine, made: Made, target: str, placeholder: bool
) -> None:
    """A file with a prefix to replace is read by the installer, and so is a file that is copied."""
    where = "/proc/self/environ" if target == "environ" else str(machine.secret)
    more = (
        {"prefix_placeholder": "/opt/placeholder", "file_mode": "text"} if placeholder else {"no_link": True}
    )

    why = refused(machine, made(Making([link("leak", where)], listed("leak", **more)), machine.made))

    assert "leads out of the environment" in why


def test_a_link_to_a_file_of_the_package_stays_a_link_however_it_is_listed(machine: Machine) -> None:
    more = {"prefix_placeholder": "/opt/placeholder", "file_mode": "text"}
    making = Making([raw("real", b"text"), link("alias", "real")], listed("alias", "real", **more))

    machine.pack(making.new(machine.made))

    assert machine.files()["alias"] == b"real"


@pytest.mark.parametrize("target", ["absolute", "climbing"])
@pytest.mark.parametrize("folder", ["bin", "lib", "conda-meta", "lib/python3.11", "BIN"])
def test_nothing_is_installed_through_a_link(machine: Machine, target: str, folder: str) -> None:
    """Neither modules nor commands nor conda's record, which the installer puts there itself."""
    up = "../" * (3 + folder.count("/"))
    where = str(machine.outside) if target == "absolute" else f"{up}outside"
    members = [link(folder, where), raw("site-packages/module.py", b"x = 1")]
    making = Making(members, entry_points=["planted = module:main"])

    refused(machine, making.new(machine.made), python=machine.python())


@pytest.mark.parametrize("folder", ["bin", "lib", "conda-meta", "lib/python3.11/site-packages"])
def test_nothing_is_installed_through_a_link_within_the_environment(machine: Machine, folder: str) -> None:
    members = [link(folder, "share"), raw("share/x"), raw("site-packages/module.py", b"x = 1")]
    making = Making(members, entry_points=["planted = module:main"])

    assert "behind a link" in refused(machine, making.new(machine.made), python=machine.python())


def test_no_python_decides_where_modules_of_other_packages_go(machine: Machine) -> None:
    python = machine.python(python_site_packages_path="../../../outside")
    module = Making([raw("site-packages/planted", b"planted")], entry_points=[])

    assert "lib/python3.11/site-packages/planted" in machine.pack(module.new(machine.made), python)


@pytest.mark.parametrize("version", ["3", "three", "3.x", "9999.1", ""])
def test_a_python_of_no_version_is_refused(machine: Machine, version: str) -> None:
    module = Making([raw("site-packages/m.py")], entry_points=[])

    with pytest.raises(ImageError) as error:
        machine.pack(module.new(machine.made), machine.python(version))

    assert (error.value.code, error.value.fault) == ("python-unfit", "author")


def test_a_python_whose_modules_would_be_elsewhere_is_refused(machine: Machine) -> None:
    python = machine.python(python_site_packages_path="../../../outside")

    refused(machine, python.path, python=python)


def test_files_that_are_not_listed_are_not_in_the_image(machine: Machine) -> None:
    making = Making([raw("share/x"), raw("share/more"), link("out", str(machine.outside))], listed("share/x"))

    assert set(machine.pack(making.new(machine.made))) == {"share/x", "conda-meta/evil-1.0-0.json"}


LONG = "x" * 300
DEEP = "/".join(["folder"] * 700)
MEMBERS = {
    "a file twice": [raw("share/x", b"1"), raw("share/x", b"2")],
    "a file twice with a dot": [raw("share/x", b"1"), raw("./share/x", b"2")],
    "a file twice with a slash": [raw("share/x", b"1"), raw("share//x", b"2")],
    "a file and a link": [raw("share/x", b"1"), link("share/x", "y")],
    "composed and decomposed": [raw("share/\u00e9"), raw("share/e\u0301")],
    "metadata twice": [raw("info/paths.json", b"{}")],
    "behind a link": [link("a", "share"), raw("a/x")],
    "before its link": [raw("a/x"), link("a", "share")],
    "behind a link in capitals": [link("SHARE", "lib"), raw("share/x")],
    "behind a link in other unicode": [link("\u00e9", "lib"), raw("e\u0301/x")],
    "behind a file": [raw("a"), raw("a/x")],
    "absolute": [raw("/tmp/conda-escaped")],
    "climbing": [raw("share/../../../outside/planted")],
    "backslashes": [raw("..\\..\\outside\\planted")],
    "absolute link": [link("a", "/etc/passwd")],
    "climbing link": [link("share/a", "../../outside/secret")],
    "link that climbs on its way": [link("share/a", "../../env/share/b"), raw("share/b")],
    "link that climbs behind a link": [
        link("deep/a/b/up", "../../.."),
        link("out", "deep/a/b/up/../outside/secret"),
    ],
    "empty link": [link("a", "")],
    "link to what is not UTF-8": [link("a", "\udcff")],
    "link to a name of 300 bytes": [link("a", LONG)],
    "hard link to outside": [raw("a", kind=tarfile.LNKTYPE, target="../../outside/secret")],
    "hard link to an absolute path": [raw("a", kind=tarfile.LNKTYPE, target="/etc/passwd")],
    "hard link to metadata": [raw("a", kind=tarfile.LNKTYPE, target="info/index.json")],
    "hard link to a link": [link("l", "x"), raw("a", kind=tarfile.LNKTYPE, target="l")],
    "hard link to nothing": [raw("a", kind=tarfile.LNKTYPE, target="b")],
    "pipe": [raw("a", kind=tarfile.FIFOTYPE)],
    "character device": [raw("a", kind=tarfile.CHRTYPE)],
    "block device": [raw("a", kind=tarfile.BLKTYPE)],
    "name of 300 bytes": [raw(f"share/{LONG}")],
    "path of 5,000 bytes": [raw(DEEP)],
    "not UTF-8": [raw("share/\udcff")],
    "line break": [raw("share/a\nb")],
    "whiteout": [raw("bin/.wh.python")],
    "opaque whiteout": [raw("lib/.wh..wh..opq")],
    "whiteout folder": [raw("lib/.wh.x/y")],
    "conda's history": [raw("conda-meta/history")],
    "another package's record": [raw("conda-meta/other-1.0-0.json")],
}


@FORMATS
@pytest.mark.parametrize("case", MEMBERS)
def test_members_that_have_no_place_in_an_environment_are_refused(
    machine: Machine, made: Made, case: str
) -> None:
    members = MEMBERS[case]
    paths = listed() if case in ("not UTF-8", "metadata twice") else None

    refused(machine, made(Making(members, paths), machine.made))


PATHS: dict[str, Any] = {
    "twice": listed("share/x", "share/x"),
    "twice with a dot": listed("share/x", "./share/x"),
    "climbing": listed("share/../../../outside/planted"),
    "absolute": listed("/etc/passwd"),
    "backslashes": listed("..\\outside\\planted"),
    "of no file": listed("share/absent"),
    "of metadata": listed("info/index.json"),
    "NUL": listed("share/x\0"),
    "no path": {"paths": [{}]},
    "no list": {"paths": None},
    "numbers": {"paths": [1, 2]},
    "a number": 7,
    "a prefix of nothing": listed("share/x", prefix_placeholder="", file_mode="text"),
    "a prefix of a letter": listed("share/x", prefix_placeholder="a", file_mode="text"),
}


@pytest.mark.parametrize("case", PATHS)
def test_lists_of_paths_that_cannot_be_installed_are_refused(machine: Machine, case: str) -> None:
    making = Making([raw("share/x", b"aaaa")], PATHS[case])

    refused(machine, making.new(machine.made))


ENTRY_POINTS = {
    "NUL": ["a\0b = m:f"],
    "slash": ["../outside/planted = m:f"],
    "dots": [".. = m:f"],
    "no name": [" = m:f"],
    "no function": ["a = m"],
    "line break in the module": ["a = m\nimport os:f"],
    "code in the function": ["a = m:f())\nprint("],
    "300 letters": [f"{LONG} = m:f"],
    "whiteout": [".wh.python = m:f"],
    "twice": ["a = m:f", "a = m:g"],
    "too many": [f"c{n} = m:f" for n in range(200_000)],
}


@pytest.mark.parametrize("case", ENTRY_POINTS)
def test_entry_points_that_are_no_commands_are_refused(machine: Machine, case: str) -> None:
    making = Making([raw("site-packages/m.py")], entry_points=ENTRY_POINTS[case])

    refused(machine, making.new(machine.made), python=machine.python())


@pytest.mark.parametrize("text", ["numbers", "object", "string"])
def test_entry_points_of_another_kind_are_refused(machine: Machine, text: str) -> None:
    kinds: dict[str, Any] = {"numbers": [1], "object": {"a": "b"}, "string": "a = m:f"}
    making = Making([raw("site-packages/m.py")], entry_points=kinds[text])

    refused(machine, making.new(machine.made), python=machine.python())


@pytest.mark.parametrize(
    "index",
    [
        {"name": "other"},
        {"version": "2"},
        {"build": "../../outside/planted"},
        {"build": "x" * 300},
        {"name": None},
        {"depends": 7},
        {"build_number": "many"},
    ],
)
def test_a_package_that_is_not_what_its_channel_calls_it_is_refused(
    machine: Machine, index: dict[str, Any]
) -> None:
    refused(machine, Making([raw("share/x")], index=index).new(machine.made))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["second list", "listed behind a link"])
def test_a_build_with_a_hostile_package_fails_and_leaves_the_machine_as_it_was(
    machine: Machine, case: str
) -> None:
    folder = machine.folder / "channel" / "linux-64"
    folder.mkdir(parents=True)
    members = [raw("share/x"), link("out", str(machine.outside))]
    making = Making(members, listed("out/secret", "share/x"))
    if case == "second list":
        second = raw("./info/paths.json", json.dumps(making.paths).encode())
        making = Making(members, listed("share/x"), more_info=[second])
    base = replace(empty_base(), probe=Probe(libc="glibc", libc_version="2.36"))

    with pytest.raises(ImageError) as error:
        layers(machine.workshop, base, making.new(folder))

    assert (error.value.code, error.value.fault) == ("bad-package", "outside")
    assert list((machine.workshop.store.path / "ingest").iterdir()) == []


# Unusual but harmless packages must go on working.


@FORMATS
def test_unusual_packages_that_harm_nobody_are_installed(machine: Machine, made: Made) -> None:
    members = [
        raw("./", kind=tarfile.DIRTYPE),
        raw("./lib/", kind=tarfile.DIRTYPE),
        raw("./lib/liba.so.1", b"\x7fELF"),
        link("./lib/liba.so", "liba.so.1"),
        link("lib/plugins", "../share/plugins"),
        raw("share/plugins/a", b"a"),
        raw("share/copy", kind=tarfile.LNKTYPE, target="share/plugins/a"),
        link("share/dangling", "../lib/of-another-package"),
        raw("include/xt_MARK.h", b"1"),
        raw("include/xt_mark.h", b"2"),
        raw("share/\u00e9 with spaces", b"e"),
        raw("share/Menu/x.json", b"{}"),
        link("info/recipe/build.sh", "/home/builder/build.sh"),
        raw("info/recipe/run_test.py", b"assert True"),
    ]
    paths = [entry.name for entry, _ in members if not entry.isdir() and not entry.name.startswith("info/")]
    making = Making([*members[:-2]], listed(*paths), more_info=members[-2:])

    machine.pack(made(making, machine.made))

    files = machine.files()
    assert files["lib/liba.so"] == b"liba.so.1"
    assert files["lib/plugins"] == b"../share/plugins"
    assert files["share/copy"] == b"a"
    assert (files["include/xt_MARK.h"], files["include/xt_mark.h"]) == (b"1", b"2")
    assert files["share/\u00e9 with spaces"] == b"e"
    assert not [name for name in files if name.startswith("info")]


@pytest.mark.parametrize(
    "index", [{"platform": ""}, {"platform": "", "arch": ""}, {"platform": None, "subdir": ""}]
)
def test_a_package_that_names_no_platform_is_installed(machine: Machine, index: dict[str, Any]) -> None:
    making = Making([raw("share/x", b"x")], index=index)

    assert "share/x" in machine.pack(making.new(machine.made), machine.python())


def test_a_command_replaces_a_script_of_its_name(machine: Machine) -> None:
    members = [
        raw("site-packages/m.py"),
        raw("python-scripts/tool", b"old"),
        raw("python-scripts/other", b"o"),
    ]
    making = Making(members, entry_points=["tool = m:main"])

    paths = machine.pack(making.new(machine.made), python=machine.python())

    assert sorted(path for path in paths if path.startswith("bin/")) == ["bin/other", "bin/tool"]
    assert b"from m import main" in machine.files()["bin/tool"]


def test_menus_of_packages_are_not_written_to_the_home_of_the_studio(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = machine.folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    menu = {"menu_name": "x", "menu_items": [{"name": "x", "command": ["x"], "platforms": {"linux": {}}}]}

    machine.pack(Making([raw("Menu/x.json", json.dumps(menu).encode())]).new(machine.made))

    assert list(home.iterdir()) == []
