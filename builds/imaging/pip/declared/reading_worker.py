"""The confined process that reads wheels and source distributions."""

from __future__ import annotations

from typing import Any

from builds.imaging.child_process import answer_requests
from builds.imaging.files import WheelFile
from builds.imaging.licences.declared import of_wheel
from builds.imaging.licences.expressions import spdx
from builds.imaging.packing.elf import programs_in
from builds.imaging.packing.wheel import Wheel
from builds.imaging.pip.declared.sdist import needs_of

# Loaded before the process is confined, and once for all that are forked.
spdx()


def main() -> None:
    """Answer until stdin ends."""
    answer_requests(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    file = WheelFile.from_json(request["file"])
    if request["do"] == "sdist":
        return {"needs": needs_of(file)}
    with Wheel(file.path, file.name, tuple(request["python"]), file.version) as wheel:
        return {
            "needs": wheel.requirements(),
            "python": wheel.requires_python(),
            "programs": programs_in(wheel),
            "license": of_wheel(wheel.metadata()),
        }


if __name__ == "__main__":
    main()
