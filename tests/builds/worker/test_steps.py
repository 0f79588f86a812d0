"""The steps of a build, as documents list them."""

from __future__ import annotations

import re
from pathlib import Path

from builds.models.steps import StepName

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"


def test_the_architecture_lists_the_steps_in_their_order() -> None:
    listed = ARCHITECTURE.read_text().partition("the table of contents of a build: ")[2].partition(".")[0]

    assert re.findall(r"\*(\w+)\*", listed) == StepName.values
