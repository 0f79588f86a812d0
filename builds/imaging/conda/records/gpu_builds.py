"""GPU builds among the records of channels, and packages that came out as CPU builds beside one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rattler import MatchSpec, PackageRecord, RepoDataRecord, Version, VersionSpec
from rattler.exceptions import InvalidMatchSpecError, InvalidVersionSpecError

_GPU = re.compile(r"(?<!no)(?<!no_)(?<!non)(?:cuda|gpu|rocm)", re.IGNORECASE)
_ROCM = re.compile(r"(?<!no)(?<!no_)(?<!non)rocm", re.IGNORECASE)
_CUDA = re.compile(r"__cuda(?![\w-])")
_AMD = re.compile(r"__(?:rocm|hip)(?![\w-])")
_CPU_ONLY = "cpuonly"  # requested to have CPU builds of PyTorch
_Rank = tuple[bool, bool, bool, Version, int, str]


class Cuda:
    """The CUDA that the solver was given, if any."""

    def __init__(self, virtual: Iterable[Sequence[str]]) -> None:
        self.version = next((version for name, version, _ in virtual if name == "__cuda"), "")
        self._enough: dict[str, bool] = {}

    def fits(self, record: RepoDataRecord) -> bool:
        """Whether it is enough for what a build needs of it. Builds for ROCm need GPUs that have no CUDA."""
        if for_rocm(record):
            return False
        need = _cuda_of(record)
        if not self.version or not need:
            return bool(self.version)
        if need not in self._enough:
            try:
                version = MatchSpec(need, strict=False).version
                self._enough[need] = not version or VersionSpec(version).matches(Version(self.version))
            except (InvalidMatchSpecError, InvalidVersionSpecError):
                self._enough[need] = False  # the solver cannot take it either
        return self._enough[need]


def candidates(result: Sequence[RepoDataRecord]) -> list[MatchSpec]:
    """Return what to look up: the packages that are no GPU builds, from their own versions on."""
    chosen = _not_for_gpu(result)
    return [MatchSpec(f"{name} >={record.version}", strict=False) for name, record in chosen.items()]


def cpu_builds(
    result: Sequence[RepoDataRecord],
    records: Iterable[RepoDataRecord],
    cuda: Cuda,
    builds_named: set[str],
    requested: Sequence[str],
) -> list[dict[str, Any]]:
    """Return the packages that are no GPU builds, and have such a build among the records, no older than they are."""
    chosen = _not_for_gpu(result)
    best: dict[str, tuple[_Rank, RepoDataRecord]] = {}
    for record in filter(for_gpu, records):
        name, version = record.name.normalized, record.version
        own = chosen.get(name)
        if own is None or record.channel != own.channel or version < own.version:
            continue
        fits, for_cuda = cuda.fits(record), not for_rocm(record)
        rank = (fits, for_cuda, version == own.version, version, record.build_number, str(record.build))
        if name not in best or rank > best[name][0]:
            best[name] = (rank, record)
    names = _without_needed(result, set(best) - builds_named, requested)
    return [_cpu_build(chosen[name], best[name][1], cuda) for name in names]


def _not_for_gpu(result: Sequence[RepoDataRecord]) -> dict[str, RepoDataRecord]:
    chosen = {record.name.normalized: record for record in result if not for_gpu(record)}
    return {} if _CPU_ONLY in chosen else chosen


def _cpu_build(own: RepoDataRecord, gpu: RepoDataRecord, cuda: Cuda) -> dict[str, Any]:
    return {
        "name": own.name.normalized,
        "version": str(own.version),
        "build": str(own.build),
        "gpu_version": str(gpu.version),
        "gpu_build": str(gpu.build),
        "cuda": _cuda_of(gpu),
        "fits": cuda.fits(gpu),
        "rocm": for_rocm(gpu),
    }


def for_gpu(record: RepoDataRecord) -> bool:
    """Whether a build is for GPUs: it needs CUDA or ROCm of the machine, or its build string says so."""
    return _GPU.search(str(record.build)) is not None or bool(_cuda_of(record)) or for_rocm(record)


def for_rocm(record: RepoDataRecord) -> bool:
    """Whether a build is for AMD's GPUs, and not for CUDA as well."""
    if _cuda_of(record):
        return False
    return _ROCM.search(str(record.build)) is not None or any(map(_AMD.match, record.depends))


def _cuda_of(record: RepoDataRecord) -> str:
    return next((need for need in record.depends if _CUDA.match(need)), "")


def _without_needed(result: Sequence[RepoDataRecord], names: set[str], requested: Sequence[str]) -> list[str]:
    """Return the names, those requested first, without what only others of them need: that is of the same kind.

    Nor those of which another package names the build, as pytorch-cpu does.
    """
    needs: dict[str, set[str]] = {}
    builds: dict[str, set[str]] = {}
    if not names:
        return []
    for record in result:
        specs = [MatchSpec(need, strict=False) for need in record.depends]
        needs[record.name.normalized] = {name_of(spec) for spec in specs}
        builds[record.name.normalized] = {name_of(spec) for spec in specs if spec.build is not None}
    while chosen := names & {need for name in builds.keys() - names for need in builds[name]}:
        names = names - chosen
    kept: list[str] = []
    needed: set[str] = set()
    order = [record.name.normalized for record in PackageRecord.sort_topologically([*result])]
    for name in reversed(order):
        if name not in names or (name in needed and name not in requested):
            continue
        kept.append(name)
        waiting = [name]
        while waiting:
            fresh = needs.get(waiting.pop(), set()) - needed
            needed |= fresh
            waiting += fresh
    return sorted(kept, key=lambda name: (name not in requested, name))


def name_of(spec: MatchSpec) -> str:
    """Return the name that a specification is for; empty where it is for any."""
    return "" if spec.name is None else str(getattr(spec.name, "normalized", spec.name))
