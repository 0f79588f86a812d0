"""Virtual packages: what conda packages may require of the machine, by the definition's target and the base image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import Reporter
from environments.definition.model import Target

_KERNEL = "5.10"  # what engines of today run on at least; the image cannot know
_STATED = "the definition's target"
_BASE = "the base image"
STATE_IT = (
    'state the CUDA version that the image will run with as the definition\'s target (target: {cuda: "12.4"}),'
    " or take a base image with CUDA"
)


@dataclass(frozen=True, slots=True)
class VirtualPackage:
    """A virtual package, and where its version is from."""

    name: str
    version: str
    origin: str
    build: str = "0"

    def __str__(self) -> str:
        return written(self.name, self.version, self.build)


def written(name: str, version: str, build: str) -> str:
    """Return a virtual package as `conda info` lists it, such as `__glibc=2.36` or `__archspec=1=x86_64_v3`."""
    return f"{name}={version}" + ("" if build == "0" else f"={build}")


def virtual_packages(probe: Probe, target: Target, reporter: Reporter) -> list[VirtualPackage]:
    """Return what the target states, and else what the base image shows; log each with its origin.

    The image holds the base's own C library, so that a newer one that is stated would not be there.
    """
    glibc = VirtualPackage("__glibc", probe.libc_version, _BASE)
    if target.glibc and _release(target.glibc) > _release(probe.libc_version):
        reporter.line(
            f"Warning: the definition's target states glibc {target.glibc}, and the base image has"
            f" {probe.libc_version}, which is what the packages will get: take a newer base image if they need more"
        )
    elif target.glibc:
        glibc = VirtualPackage("__glibc", target.glibc, _STATED)
    packages = [
        VirtualPackage("__unix", "0", "any"),
        VirtualPackage("__linux", target.linux or _KERNEL, _STATED if target.linux else "assumed"),
        glibc,
        VirtualPackage(
            "__archspec", "1", _STATED if target.cpu else "the platform", target.cpu or probe.machine
        ),
    ]
    if target.cuda:
        packages.append(VirtualPackage("__cuda", target.cuda, _STATED))
    elif probe.cuda:
        packages.append(VirtualPackage("__cuda", probe.cuda, f"{_BASE}: {probe.cuda_from}"))
    listed = ", ".join(f"{package} ({package.origin})" for package in packages if package.name != "__unix")
    none = (
        ""
        if packages[-1].name == "__cuda"
        else "; no __cuda, as neither the definition nor the base has CUDA"
    )
    reporter.line(f"Virtual packages: {listed}{none}")
    return packages


def cpu_build_warnings(builds: Sequence[Mapping[str, Any]], packages: Sequence[VirtualPackage]) -> list[str]:
    """Return a sentence for each package that has builds for GPUs and is installed in a CPU build."""
    cuda = next((package for package in packages if package.name == "__cuda"), None)
    return [_sentence(build, cuda) for build in builds]


def _sentence(build: Mapping[str, Any], cuda: VirtualPackage | None) -> str:
    gpu = f"{build['gpu_version']} {build['gpu_build']}"
    needs = f", which needs {build['cuda']}" if build["cuda"] else ""
    kind = "AMD GPUs" if build["rocm"] else "GPUs"
    text = (
        f"{build['name']} {build['version']} is installed in its CPU build {build['build']}, and there is {gpu}"
        f" for {kind}{needs}: "
    )
    name_it = (
        f"name it ({build['name']}={build['gpu_version']}={build['gpu_build']}) if the image is for {kind}."
    )
    if build["rocm"]:  # no target states ROCm: no virtual package of conda's is for it
        return f"{text}{name_it}"
    if cuda is None:
        return f"{text}{STATE_IT}."
    if not build["fits"]:
        return f"{text}{cuda} ({cuda.origin}) is not enough."
    return f"{text}{name_it}"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
