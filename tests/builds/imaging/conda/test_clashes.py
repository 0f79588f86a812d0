"""Conda packages that bring the same paths end as rattler's installer leaves them."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rattler import Channel, solve
from rattler import install as install_with_rattler
from rattler.networking import Client
from rattler.platform.subdir import Subdir

from builds.imaging.bases.model import Base
from builds.imaging.conda.clashes import clash, put_aside
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.conda.layers import environment_layers
from builds.imaging.download.fetch import fetch
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conda.making import Content, index, make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import unpacked
from tests.examples import examples

PREFIX = "opt/env"
Packages = Mapping[str, tuple[Mapping[str, str | Content], Sequence[str]]]
"""Files and needs of each package, by its name."""


def made(folder: Path, packages: Packages) -> Path:
    """Return a channel with these packages."""
    channel = folder / "channel"
    for name, (files, needs) in packages.items():
        make_package(channel, name, files=files, needs=needs)
    index(channel)
    return channel


def ours(channel: Path, names: Sequence[str], folder: Path, base: Base, workshop: Workshop) -> Path:
    """Return the environment in the image's layers."""
    recorder = Recorder()
    lock = resolve_environment(base, [channel.as_uri()], names, [], workshop, recorder)
    for layer in environment_layers(base, lock, fetch(lock, workshop, recorder), workshop, recorder):
        unpacked(workshop.store, layer.descriptor.digest, folder / "ours")
    return folder / "ours" / PREFIX


def of_rattler(channel: Path, names: Sequence[str], folder: Path) -> Path:
    """Return the environment that rattler installs."""

    async def run() -> None:
        records = await solve([Channel(channel.as_uri())], names, platforms=["linux-64", "noarch"])
        await install_with_rattler(
            records,
            folder / "rattler",
            cache_dir=folder / "packages",
            platform=Subdir("linux-64"),
            execute_link_scripts=False,
            show_progress=False,
            client=Client(),
        )

    asyncio.run(run())
    return folder / "rattler"


def tree(root: Path) -> dict[str, str]:
    """Return the content of each file and the target of each link; rattler leaves empty folders behind at random."""
    result = {}
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            name = str(path.relative_to(root))
            if path.is_symlink():
                result[name] = f"→ {path.readlink()}"
            elif path.is_file() and not name.startswith("conda-meta/") and name != "CACHEDIR.TAG":
                result[name] = path.read_text()
    return result


def records(root: Path) -> dict[str, Any]:
    """Return the paths that conda's record of each package names, with the paths they had in the package."""
    return {
        path.name: sorted(
            (entry["_path"], entry.get("original_path"))
            for entry in json.loads(path.read_text())["paths_data"]["paths"]
        )
        for path in (root / "conda-meta").glob("*.json")
    }


CASES: dict[str, Packages] = {
    "of unrelated packages the first by name wins": {
        "aa": ({"share/f": "aa"}, []),
        "bb": ({"share/f": "bb", "share/own": "bb"}, []),
        "cc": ({"share/f": "cc"}, []),
    },
    "a dependent wins over what it needs": {
        "aa": ({"f": "aa"}, []),
        "bb": ({"f": "bb"}, ["aa"]),
        "zz": ({"g": "zz"}, []),
        "yy": ({"g": "yy"}, ["zz"]),
    },
    "a dependent wins over what its needs need": {
        "aa": ({"f": "aa"}, []),
        "mm": ({"other": "mm"}, ["aa"]),
        "zz": ({"f": "zz"}, ["mm"]),
    },
    "a folder where another has a file": {"aa": ({"x/inside": "aa"}, []), "bb": ({"x": "file"}, [])},
    "a link and a file": {
        "aa": ({"f": ("t",), "t": "target"}, []),
        "bb": ({"f": "bb", "t": "other"}, []),
    },
    "the same content": {"aa": ({"f": "same"}, []), "bb": ({"f": "same"}, [])},
    "packages that need each other": {
        "aa": ({"f": "aa"}, ["bb"]),
        "bb": ({"f": "bb"}, ["aa"]),
        "cc": ({"f": "cc"}, ["bb"]),
    },
}


@pytest.mark.parametrize("case", CASES)
def test_clashing_packages_end_as_rattler_leaves_them(
    case: str, tmp_path: Path, bare: Base, workshop: Workshop
) -> None:
    channel, names = made(tmp_path, CASES[case]), list(CASES[case])

    mine, expected = ours(channel, names, tmp_path, bare, workshop), of_rattler(channel, names, tmp_path)

    assert tree(mine) == tree(expected)
    assert records(mine) == records(expected)


# rattler's own result varies from run to run where a file is clashing with a folder: another test holds these.
PATHS = st.sampled_from(["f", "g", "lib/f", "lib/deep/f", "share/g", "share/h"])
NAMES = ("aa", "bb", "cc", "dd", "ee")


@st.composite
def packages(draw: st.DrawFn) -> Packages:
    """Draw packages that bring the same paths and need each other in any way."""
    result = {}
    for name in draw(st.permutations(NAMES).map(lambda names: names[:4])):
        own = draw(st.sets(PATHS, max_size=4))
        content = draw(st.sampled_from([name, "same"]))
        needs = draw(st.sets(st.sampled_from(NAMES), max_size=2))
        result[name] = (dict.fromkeys(own, content), needs)
    return {name: (files, sorted(needs & result.keys() - {name})) for name, (files, needs) in result.items()}


@pytest.mark.slow
@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=packages())
def test_any_clashing_packages_end_as_rattler_leaves_them(
    drawn: Packages, tmp_path: Path, bare: Base, workshop: Workshop
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    channel, names = made(folder, drawn), list(drawn)

    mine, expected = ours(channel, names, folder, bare, workshop), of_rattler(channel, names, folder)

    assert tree(mine) == tree(expected)
    assert records(mine) == records(expected)


def test_a_file_where_another_package_has_a_folder_is_put_aside(
    tmp_path: Path, bare: Base, workshop: Workshop
) -> None:
    packages: Packages = {
        "aa": ({"x": "file", "y/inside": "aa"}, []),
        "bb": ({"x/inside": "bb", "y": "file"}, []),
        "cc": ({"x/other": "cc", "y/other": "cc"}, []),
    }

    mine = ours(made(tmp_path, packages), list(packages), tmp_path, bare, workshop)

    assert tree(mine) == {
        "x": "file",
        "y/inside": "aa",
        "y/other": "cc",
        "__clobbers__/bb/x/inside": "bb",
        "__clobbers__/bb/y": "file",
        "__clobbers__/cc/x/other": "cc",
    }


@given(
    files=st.dictionaries(
        st.sampled_from(NAMES),
        st.sets(st.sampled_from(["f", "f/x", "f/x/deep", "g", "g/x", "h"]), max_size=3),
        min_size=1,
    )
)
def test_what_stays_never_clashes_and_the_last_package_keeps_all(files: dict[str, set[str]]) -> None:
    own = {
        name: {p for p in paths if not any(q.startswith(f"{p}/") for q in paths)}
        for name, paths in files.items()
    }
    order = sorted(own)

    aside = put_aside(own, order)

    kept = {name: paths - set(aside.get(name, ())) for name, paths in own.items()}
    assert not clash(kept.values())
    assert order[-1] not in aside
    assert bool(aside) == clash(own.values())
