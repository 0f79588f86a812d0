"""Of packages that bring the same path, the package wins that wins with pip."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from builds.imaging.packing.order import installation_order
from tests.builds.imaging.making import make_wheel

NEEDS: Mapping[str, Sequence[str]] = {
    # unrelated
    "aa": [],
    "bb": [],
    # a dependent that comes before, and after, what it needs
    "ca": ["cb"],
    "cb": [],
    "da": [],
    "db": ["da"],
    # of different depth, without a relation
    "ea": ["eb"],
    "eb": ["ec"],
    "ec": [],
    "fa": [],
    "fb": ["ec"],
    # packages that need each other, and what needs them
    "ga": ["gb"],
    "gb": ["ga"],
    "gc": ["gb"],
}
NAMES = sorted(NEEDS)


def test_the_order_is_the_order_in_which_pip_installs(tmp_path: Path) -> None:
    for name, needs in NEEDS.items():
        make_wheel(tmp_path / "wheels", name, files={f"{name}.py": ""}, needs=needs)
    options: list[str | Path] = [
        "--no-index",
        "--find-links",
        tmp_path / "wheels",
        "--target",
        tmp_path / "target",
        "--no-compile",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options, *NAMES],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Installing collected packages")]

    order = installation_order({name: [p for p, needs in NEEDS.items() if name in needs] for name in NAMES})

    assert order == line.partition(": ")[2].split(", ")


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefx"))))
def test_every_package_is_once_in_the_order_after_what_it_needs(needed_by: dict[str, set[str]]) -> None:
    order = installation_order(needed_by)

    assert sorted(order) == sorted(needed_by)
    reached = {name: _reached(name, needed_by) for name in needed_by}
    for name, parents in needed_by.items():
        for parent in parents & needed_by.keys():
            cyclic = name in reached[parent] and parent in reached[name]
            assert cyclic or order.index(name) < order.index(parent)


def _reached(name: str, needed_by: Mapping[str, set[str]]) -> set[str]:
    """Return all packages that need the package, directly or through others."""
    result: set[str] = set()
    new = {name}
    while new:
        new = {parent for child in new for parent in needed_by.get(child, ())} & needed_by.keys() - result
        result |= new
    return result
