"""Summary of a definition without an image: requested packages and Python, and whether it is for a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from environments.definition.findings.secrets import masked
from environments.definition.model import Definition
from environments.definition.packages.specs import BadSpec, Spec, conda_spec, pip_spec

_PYTHON_IMAGE = re.compile(r"(?:^|/)python:(3\.\d+)")
_VERSION = re.compile(r"3\.\d+")
GPU_PACKAGES = {"cuda", "cudatoolkit", "cudnn", "gpu", *(f"cu{number}" for number in range(11, 20))}
_GPU_BUILD = re.compile(r"\+cu\d|cuda")
GPU_DEVICES = {"cuda", "gpu", "rocm"}


@dataclass(frozen=True)
class Requested:
    """A package that a definition requests; `constraint` is what it says of the version."""

    name: str
    constraint: str = ""


@dataclass(frozen=True)
class Summary:
    """The requested packages without Python and pip, the requested Python (3.12), and whether it is for a GPU."""

    packages: tuple[Requested, ...]
    python: str
    gpu: bool
    run_options: tuple[str, ...] = ()


def summarize(definition: Definition) -> Summary:
    """Return what a definition requests."""
    specs = list(_specs(definition))
    named = [spec for spec in specs if spec.name not in ("python", "pip")]
    return Summary(
        packages=tuple(Requested(spec.name + _extras(spec), _constraint(spec)) for spec in named),
        python=_python(definition, specs),
        gpu=_for_gpu(definition, named),
        run_options=definition.run.arguments,
    )


def is_gpu_device(tags: Mapping[str, object]) -> bool:
    """Return whether tags name a GPU as the device."""
    return str(tags.get("device", "")).lower() in GPU_DEVICES


def _specs(definition: Definition) -> Iterator[Spec]:
    for read, lines in ((conda_spec, definition.python.conda), (pip_spec, definition.python.pip)):
        for line in lines:
            try:
                spec = read(line)
            except BadSpec:
                continue  # a finding explains it
            if spec is not None:
                yield spec


def _extras(spec: Spec) -> str:
    return f"[{','.join(spec.extras)}]" if spec.extras else ""


def _constraint(spec: Spec) -> str:
    return masked(f"@ {spec.url}") if spec.url and not spec.exact else spec.constraint


def _python(definition: Definition, specs: list[Spec]) -> str:
    for spec in specs:
        if spec.name == "python" and (match := _VERSION.search(spec.constraint)):
            return match[0]
    match = _PYTHON_IMAGE.search(definition.image or "")
    return match[1] if match else ""


def _for_gpu(definition: Definition, specs: list[Spec]) -> bool:
    if definition.target.cuda or "cuda" in (definition.image or "").lower():
        return True
    return any(
        not GPU_PACKAGES.isdisjoint(spec.name.split("-"))
        or _GPU_BUILD.search(f"{spec.constraint} {spec.build}")
        for spec in specs
    )
