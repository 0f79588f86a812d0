"""Present installed packages to the solver as wheels without content."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from packaging.version import InvalidVersion, Version


def stand_ins(folder: Path, present: Mapping[str, str]) -> list[str]:
    """Return the solver's options for what is present: it is there, in that version and no other.

    The solver knows only indexes. A package that conda alone has would not be found in any of them.
    """
    path = folder / "present"
    path.mkdir()
    pins = []
    for name, written in sorted(present.items()):
        try:
            version = str(Version(written))
        except InvalidVersion:
            continue
        _empty_wheel(path, name.replace("-", "_"), version)
        pins.append(f"{name}=={version}\n")
    folder.joinpath("present.txt").write_text("".join(pins))
    return ["--find-links", path.name, "--constraints", "present.txt"]


def _empty_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
