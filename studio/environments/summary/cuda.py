"""The CUDA that an environment brings: by its packages, its base image or its target."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builds.imaging.lock import Lock
from environments.definition import Definition
from environments.definition.packages.specs import Spec
from environments.models import Version

# Packages whose version is that of CUDA
_RUNTIMES = ("cuda-version", "pytorch-cuda", "cudatoolkit", "cuda-runtime", "cuda-cudart", "cuda-toolkit")
_WHEELS = re.compile(r"nvidia-cuda-(?:runtime|nvrtc|cupti)(?:-cu\d+)?")
_LOCAL = re.compile(r"\+cu(\d{2,3})(?!\d)")
_BASE = re.compile(
    r"cuda[:_-]?v?(\d{1,2}\.\d{1,2})|cu(\d{3})(?!\d)|nvidia/cuda:(\d{1,2}\.\d{1,2})", re.IGNORECASE
)
_NUMBER = re.compile(r"\d{1,2}\.\d{1,2}")


def cuda_of(definition: Definition, requested: Iterable[Spec], lock: Lock | None) -> str:
    """Return the version of CUDA that an environment is made for, such as 12.4; empty if it is for CPUs."""
    packages = [(package.name, package.version) for package in lock.packages] if lock else []
    packages += [(spec.name, spec.exact or spec.constraint) for spec in requested]
    for name, version in packages:
        if (name in _RUNTIMES or _WHEELS.fullmatch(name)) and (match := _NUMBER.search(version)):
            return match[0]
    for _name, version in packages:
        if match := _LOCAL.search(version):
            return _with_dot(match[1])
    if match := _BASE.search(_base_of(definition)):
        return match[1] or match[3] or _with_dot(match[2])
    return definition.target.cuda


def uses_gpu(version: Version, cuda: str) -> bool:
    """Return whether a version is made for GPUs: it brings CUDA, or its tag `device` says so."""
    return bool(cuda) or str(version.tags.get("device", "")).lower() in {"cuda", "gpu"}


def _base_of(definition: Definition) -> str:
    if definition.image:
        return definition.image
    lines = definition.dockerfile_text.splitlines()
    return next((line for line in reversed(lines) if re.match(r"\s*FROM\s", line, re.IGNORECASE)), "")


def _with_dot(digits: str) -> str:
    """Return 124 as 12.4."""
    return f"{digits[:-1]}.{digits[-1]}"
