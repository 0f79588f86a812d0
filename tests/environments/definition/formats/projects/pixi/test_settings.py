"""The settings of a pixi.toml that become part of a definition, and those that do not."""

from __future__ import annotations

import pytest

from environments.definition import read
from environments.definition.model import Cutoff
from tests.environments.definition.formats.projects.pixi.test_manifest import HEAD, codes, definition


@pytest.mark.parametrize(
    ("value", "cutoff"),
    [
        ('"2026-06-01"', Cutoff(as_of="2026-06-01")),
        ("2026-06-01", Cutoff(as_of="2026-06-01")),
        ('"2026-06-01T10:00:00Z"', Cutoff(as_of="2026-06-01T10:00:00Z")),
        ('"14d"', Cutoff(newest="14 days")),
        ('"1 day"', Cutoff(newest="1 day")),
        ('"1h30m"', Cutoff(newest="90 minutes")),
        ('"2w"', Cutoff(newest="14 days")),
        ('"P1D"', Cutoff(newest="1 day")),
    ],
)
def test_exclude_newer_is_a_date_or_an_age(value: str, cutoff: Cutoff) -> None:
    text = HEAD.replace('name = "lab"', f"exclude-newer = {value}") + '[dependencies]\npython = "*"\n'
    assert definition(text).cutoff == cutoff
    excepted = definition(text + '[exclude-newer]\nA_b = "0d"\n[pypi-exclude-newer]\nc = "7d"\n').cutoff
    assert excepted.exceptions == {"a-b": "any", "c": "7 days"}


def test_an_exclude_newer_that_is_neither_is_a_finding_on_its_line() -> None:
    text = HEAD.replace('name = "lab"', 'exclude-newer = "yesterday"') + '[dependencies]\npython = "*"\n'
    assert ("bad-cutoff", 2) in codes(read(text, "pixi.toml"))


def test_settings_that_an_image_does_not_obey_are_named() -> None:
    text = HEAD.replace("name =", 'channel-priority = "disabled"\nsolve-strategy = "lowest"\nname =') + (
        '[dependencies]\npython = "*"\n[constraints]\nopenssl = ">=3"\n[activation]\nscripts = ["x.sh"]\n'
        '[pypi-options]\nno-build-isolation = ["a"]\nindex-strategy = "unsafe-best-match"\n[pypi-dependencies]\na = "*"\n'
    )
    reading = read(text, "pixi.toml")
    assert reading.accepted
    assert [line for code, line in codes(reading) if code == "project-setting"] == [2, 3, 10, 13, 15, 16]
