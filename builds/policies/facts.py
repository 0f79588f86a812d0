"""Facts that rules are checked against: an image's packages, their vulnerabilities, its base, its import test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """A package of an image; `origin` is its channel, or the address of the server that its file is from."""

    name: str
    version: str
    ecosystem: str = "pypi"
    license: str = ""
    origin: str = ""
    source: bool = False
    requested: bool = False


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """An advisory that affects a package of an image. `settled`: triage says that it does not count.

    `of_base`: the base brings the package, so that another base fixes it.
    """

    advisory: str
    package: str
    version: str
    severity: str = "unknown"
    published: dt.datetime | None = None
    fixed_in: tuple[str, ...] = ()
    settled: bool = False
    of_base: bool = False


@dataclass(frozen=True)
class Facts:
    """An image as rules see it, at the time `at`. None or an empty text: unknown."""

    at: dt.datetime
    built_at: dt.datetime | None = None  # from when ages of uploads count; `at` by default
    environments: frozenset[str] = frozenset()
    packages: tuple[PackageFacts, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()
    base: str = ""
    base_created: dt.datetime | None = None
    uploaded_before: dt.datetime | None = None
    upload_exceptions: Mapping[str, dt.datetime | None] = field(default_factory=dict)
    import_test: str = ""
