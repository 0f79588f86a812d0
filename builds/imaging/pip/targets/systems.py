"""Packages that are for Windows or macOS alone: by their names, and by the files that there are of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from builds.imaging.reporting import ImageError

# Those that no Linux has or builds. Some are in lists that were exported on another system.
_ONE_SYSTEM = {
    "Windows": re.compile(
        r"pywin32(?:-on-windows)?|pywinpty|winpty|windows-curses|win-inet-pton|wincertstore|menuinst"
        r"|winrt(?:-.*)?|vc|vc14-runtime|vs20\d\d-(?:runtime|win-64)|vcomp14|ucrt|icc-rt|m2w64-.*|m2-.*"
        r"|msys2-conda-epoch|console-shortcut(?:-miniconda)?|powershell-shortcut(?:-miniconda)?|anaconda-windows-.*"
    ),
    "macOS": re.compile(
        r"pyobjc(?:-.*)?|macfsevents|mlx-metal|tensorflow-m(?:acos|etal)|libgfortran-mac|python-app"
    ),
}
_MARKERS = {"Windows": "win32", "macOS": "darwin"}


def system_of(name: str) -> str:
    """Return the system other than Linux that a package is for by its nature; empty for any other package."""
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return next((system for system, names in _ONE_SYSTEM.items() if names.fullmatch(normal)), "")


def for_one_system(name: str, version: str = "", system: str = "") -> ImageError | None:
    """Return the error for a package of another system, by its name where none is given; None for any other."""
    system = system or system_of(name)
    if not system:
        return None
    marker = f'{name}; sys_platform == "{_MARKERS[system]}"' if system in _MARKERS else ""
    return ImageError(
        "no-matching-distribution",
        f"{name} {version}".rstrip() + f" is for {system} only, and an image is Linux.",
        f"Remove it, or limit it to that system: {marker}." if marker else "Remove it.",
    )


def exported_elsewhere(names: Sequence[str], system: str) -> ImageError:
    """Return the error for conda packages that are for another system."""
    named = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return ImageError(
        "no-matching-distribution",
        f"{named} {'is' if len(names) == 1 else 'are'} for {system} only, and an image is Linux.",
        f"Remove {'it' if len(names) == 1 else 'them'}; or export the environment again with"
        " `conda env export --from-history`, which lists only the requested packages.",
    )
