"""Real projects and locks, where they are at hand: a folder named by STUDIO_PROJECTS, or `../shared/corpus-2`;
`conftest.py` leaves this module out where there are none.

`python -m bench.environments.project_files FOLDER` prints the same comparison, file by file.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.environments.project_files import compare, listed
from environments.definition import Reading, read_path
from tests.environments.definition.conftest import PROJECTS

SHARE = 0.95


@pytest.fixture(scope="module")
def readings() -> dict[str, tuple[dict[str, Any], Reading]]:
    truths = json.loads((PROJECTS / "truth.json").read_text(encoding="utf-8"))
    return {
        name: (truths[name], read_path(PROJECTS / name)) for _, name in listed(PROJECTS) if name in truths
    }


def test_projects_are_read_as_their_own_tools_read_them(
    readings: dict[str, tuple[dict[str, Any], Reading]],
) -> None:
    results = {name: compare(truth, reading) for name, (truth, reading) in readings.items()}
    short = {name: what for name, (as_expected, _, _, what) in results.items() if not as_expected}
    assert len(short) <= (1 - SHARE) * len(results), short


def test_each_lock_gives_the_packages_that_its_own_tool_installs(
    readings: dict[str, tuple[dict[str, Any], Reading]],
) -> None:
    for name, (truth, reading) in readings.items():
        _, right, expected, what = compare(truth, reading)
        assert right >= SHARE * expected, (name, what)


def test_every_refusal_says_where_and_what_to_do(readings: dict[str, tuple[dict[str, Any], Reading]]) -> None:
    for name, (_, reading) in readings.items():
        for error in reading.errors:
            assert error.message, name
            assert error.help, name
