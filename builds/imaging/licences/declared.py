"""The licence that a package's own metadata declares."""

from __future__ import annotations

from email.message import Message
from typing import Any

from builds.imaging.licences.expressions import expression

_MOST_CLASSIFIERS = 20
_CLASSIFIERS = {
    "Apache Software License": "",  # of any version
    "Academic Free License (AFL)": "",
    "BSD License": "",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}


def of_wheel(metadata: Message) -> str:
    """Return the licence of a wheel's METADATA as an SPDX expression; empty if it cannot be known.

    `License-Expression`, else `License`, else the classifiers. Several classifiers apply together: the strict
    reading, as none says whether a user may choose.
    """
    for field in ("License-Expression", "License"):
        stated = expression(_first_line(str(metadata.get(field) or "")))
        if stated:
            return stated
    return _of_classifiers([str(value) for value in metadata.get_all("Classifier") or []])


def of_conda(index: dict[str, Any]) -> str:
    """Return the licence in a conda package's index.json as an SPDX expression; empty if it cannot be known."""
    return expression(_first_line(str(index.get("license") or "")))


def _of_classifiers(classifiers: list[str]) -> str:
    names = [value.rpartition("::")[2].strip() for value in classifiers if value.startswith("License ::")]
    names = [name for name in names[:_MOST_CLASSIFIERS] if name != "OSI Approved"]
    keys = [_CLASSIFIERS.get(name, "") for name in names]
    return expression(" AND ".join(sorted(set(keys)))) if all(keys) else ""


def _first_line(text: str) -> str:
    """Return the first line with text: the whole text of a licence begins with its name, at times."""
    return next((line.strip() for line in text[:10_000].splitlines() if line.strip()), "")
