"""Images with packages, and advisories about them, for tests of exposure."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from builds.advisories.importing import import_advisories
from builds.images.packages import save_packages
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Image
from environments.models import Version
from tests.builds.advisories.records import record, write
from tests.builds.scenarios import image_for, save_text

_numbers = count()  # each definition is another


def package(name: str, version: str, *needed_by: str, **more: Any) -> LockedPackage:
    """Return a package of a lock; one that nothing needs was requested."""
    return LockedPackage(
        **{
            "ecosystem": "pypi",
            "name": name,
            "version": version,
            "url": f"https://files.example/{name}.whl",
            "sha256": "0" * 64,
            "filename": f"{name}.whl",
            "kind": "wheel",
            "needed_by": needed_by,
            "requested": not needed_by,
        }
        | more
    )


def built(
    *packages: LockedPackage, name: str = "forecast", workspace: str = "lab", **more: Any
) -> tuple[Version, Image]:
    """Save a version and give it an image with these packages; `more` are fields of the image."""
    version = save_text(f"numpy==1.{next(_numbers)}\n", name=name, workspace=workspace)
    image = image_for(version)
    image.lock = Lock(packages=tuple(packages)).model_dump(mode="json")
    for field, value in more.items():
        setattr(image, field, value)
    image.save()
    save_packages(image)
    return version, image


JINJA = record(
    "GHSA-aaaa-bbbb-cccc",
    "jinja2",
    aliases=("CVE-2026-1111",),
    events=[{"introduced": "0"}, {"fixed": "3.1"}],
    severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
)


def known(folder: Path, *records: Any) -> None:
    """Import records; by default one about jinja2 before 3.1."""
    import_advisories(write(folder / "osv", *(records or (JINJA,))))
