"""Images, advisories and rules for the tests of policies."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from builds.images.packages import save_packages
from builds.imaging.lock import Lock, LockedPackage
from builds.models import (
    Advisory,
    AdvisoryName,
    AdvisoryRecord,
    AffectedPackage,
    Build,
    Image,
    Package,
    PackageAdvisory,
)
from environments.models import Version
from tests.builds.scenarios import queue_build, succeed_build


def package(name: str, version: str = "1.0", licence: str = "", **more: object) -> LockedPackage:
    """Return a locked package of PyPI."""
    file = f"{name}-{version}-py3-none-any.whl"
    fields = {
        "ecosystem": "pypi",
        "kind": "wheel",
        "url": f"https://files.pythonhosted.org/{file}",
        "sha256": "d" * 64,
        "filename": file,
        "license": licence,
    }
    return LockedPackage.model_validate({**fields, "name": name, "version": version, **more})


def give(image: Image, *packages: LockedPackage, **more: object) -> Image:
    """Give an image these packages."""
    image.lock = Lock(packages=packages).model_dump(mode="json")
    image.packages = len(packages)
    for name, value in more.items():
        setattr(image, name, value)
    image.save()
    save_packages(image)
    return image


def built(version: Version, *packages: LockedPackage, days_ago: int = 0, **more: Any) -> Build:
    """Return the build of a version whose image has these packages."""
    build = queue_build(version, version.created_by)
    give(succeed_build(build), *packages, **more)
    Build.objects.filter(pk=build.pk).update(ended_at=timezone.now() - dt.timedelta(days=days_ago))
    return Build.objects.get(pk=build.pk)


def advisory(
    key: str = "CVE-2024-1", name: str = "jinja2", *, days: int = 60, severity: str = "high"
) -> Advisory:
    """Return an advisory about all versions of a package below 3.1.3, published some days ago."""
    published = timezone.now() - dt.timedelta(days=days)
    row = Advisory.objects.create(key=key, summary="A hole.", severity=severity, published_at=published)
    AdvisoryName.objects.create(advisory=row, name=key)
    record = AdvisoryRecord.objects.create(name=key, advisory=row)
    AffectedPackage.objects.create(
        record=record, ecosystem="pypi", name=name, ranges=[[["introduced", "0"], ["fixed", "3.1.3"]]]
    )
    for affected in Package.objects.filter(name=name, ecosystem="pypi"):
        PackageAdvisory.objects.create(advisory=row, package=affected, fixed_in=["3.1.3"])
    return row
