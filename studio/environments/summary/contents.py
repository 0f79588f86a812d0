"""The contents of an environment: requested packages with their versions, Python, CUDA, size and base."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builds.imaging.lock import Lock
from builds.models import Image
from environments.definition.findings.secrets import masked
from environments.definition.model import Definition
from environments.definition.packages.specs import BadSpec, Spec, conda_spec, pip_spec
from environments.models import Version
from studio.environments.summary.cuda import cuda_of, uses_gpu

SHOWN = 12  # packages on the first screen
_PYTHON_BASE = re.compile(r"(?:^|/)python:v?(\d+\.\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Package:
    """A package: its version in the image, and the request where that says something else."""

    name: str
    version: str  # empty before a build
    request: str = ""


@dataclass(frozen=True)
class Contents:
    """The contents of a version, as its page shows them first."""

    packages: list[Package]
    more: int  # packages that are not shown
    requested: bool  # whether the shown packages are those that were requested
    python: str
    gpu: bool
    cuda: str  # its version; empty if unknown
    size: int
    base: str
    total: int  # packages in the image


def contents_of(version: Version, image: Image | None) -> Contents:
    """Return what is in a version: by its image, or by its definition until it has one."""
    definition = version.definition
    specs = requested_specs(definition)
    lock = Lock.model_validate(image.lock or {}) if image else None
    packages = [_package(spec, lock) for spec in specs]
    if not packages and lock:
        heaviest = sorted(
            lock.packages, key=lambda package: (not package.requested, -package.size, package.name)
        )
        packages = [Package(package.name, package.version) for package in heaviest]
    cuda = cuda_of(definition, specs, lock)
    return Contents(
        packages=packages[:SHOWN],
        more=max(0, len(packages) - SHOWN),
        requested=bool(specs),
        python=(image.python if image else "") or _python_of(definition, specs),
        gpu=uses_gpu(version, cuda),
        cuda=cuda,
        size=image.size if image else 0,
        base=(image.base if image else "") or version.base,
        total=image.packages if image else 0,
    )


def requested_specs(definition: Definition) -> list[Spec]:
    """Return the requested packages in the order of the definition, without Python itself; each name once."""
    specs: dict[tuple[str, str], Spec] = {}
    for text in definition.python.conda:
        try:
            spec: Spec | None = conda_spec(text)
        except BadSpec:
            spec = Spec(text, text, "conda")
        if spec is not None and spec.name not in {"python", "pip"}:
            specs.setdefault((spec.ecosystem, spec.name), spec)
    for line in definition.python.pip:
        try:
            spec = pip_spec(line)
        except BadSpec:
            spec = Spec(line, line, "pip")
        if spec is not None:
            specs.setdefault((spec.ecosystem, spec.name), spec)
    return list(specs.values())


def _package(spec: Spec, lock: Lock | None) -> Package:
    locked = lock.named(spec.name, "conda" if spec.ecosystem == "conda" else "pypi") if lock else None
    version = locked.version if locked else ""
    request = masked(spec.constraint or spec.url)
    exact = spec.exact and (not version or version == spec.exact)
    if not lock and spec.exact:
        version = spec.exact
    return Package(masked(spec.name), version, "" if exact else request)


def _python_of(definition: Definition, specs: list[Spec]) -> str:
    """Return the Python that a definition requests; empty if only a build shows it."""
    for text in definition.python.conda:
        try:
            spec = conda_spec(text)
        except BadSpec:
            continue
        if spec.name == "python":
            return spec.exact or spec.constraint.lstrip("=").removesuffix(".*")
    match = _PYTHON_BASE.search(definition.image or "")
    return match[1] if match else definition.python.requires_python
