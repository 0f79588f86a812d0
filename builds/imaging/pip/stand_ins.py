"""Present packages to the solver as wheels without content: those installed already, and those that are source."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version

_EXTRA = re.compile(r"""extra == ["']([^"']+)["']""")


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
        empty_wheel(path, name, version)
        pins.append(f"{name}=={version}\n")
    folder.joinpath("present.txt").write_text("".join(pins))
    return ["--find-links", path.name, "--constraints", "present.txt"]


def empty_wheel(folder: Path, name: str, version: str, needs: Sequence[str] = ()) -> None:
    """Write a wheel that holds nothing, and needs these requirements."""
    underscored = name.replace("-", "_")
    info = f"{underscored}-{version}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    about += [f"Provides-Extra: {extra}" for extra in extras_of(needs)]
    about += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(folder / f"{underscored}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "\n".join(about) + "\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def extras_of(needs: Iterable[str]) -> list[str]:
    """Return the extras that requirements are for."""
    return sorted({match[1] for need in needs for match in _EXTRA.finditer(need.partition(";")[2])})
