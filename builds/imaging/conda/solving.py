"""In the worker: solve conda specifications with rattler."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rattler import (
    BuildString,
    Channel,
    Gateway,
    GenericVirtualPackage,
    MatchSpec,
    PackageName,
    PackageRecord,
    RepoDataRecord,
    Version,
    solve,
)
from rattler.exceptions import (
    GatewayError,
    InvalidMatchSpecError,
    SolverError,
)
from rattler.networking import Client
from rattler.networking.middleware import AddHeadersMiddleware, RetryMiddleware
from rattler.platform.subdir import Subdir

from builds.imaging.conda import explained
from builds.imaging.conda.records import gpu_builds
from builds.imaging.conda.records.gpu_builds import Cuda, for_gpu, name_of
from builds.imaging.conda.records.uploads import EarlyRecords, Uploads
from builds.imaging.conda.virtual import written
from builds.imaging.cutoffs.limits import Limits
from builds.imaging.pip.targets.systems import exported_elsewhere, system_of
from builds.imaging.reporting import ImageError

_MOST_NAMED = 8
_HASH = re.compile(r"h[0-9a-f]{7}")  # in a build string, of what the build depends on
_OTHERS = {"Windows": ("win-64",), "macOS": ("osx-arm64", "osx-64")}


def answer_solving(request: dict[str, Any]) -> dict[str, Any]:
    """Return the records of the packages that the specifications come to."""
    question = _Question(request)
    return asyncio.run(question.answer())


def answer_order(request: dict[str, Any]) -> dict[str, Any]:
    """Return the names of these packages in the order in which rattler installs them."""
    records = [
        PackageRecord(
            package["name"],
            package["version"],
            BuildString("0"),
            0,
            package["subdir"],
            noarch="python" if package["subdir"] == "noarch" else None,
            depends=package["needs"],
        )
        for package in request["packages"]
    ]
    return {"order": [record.name.normalized for record in PackageRecord.sort_topologically(records)]}


class _Question:
    """Channels and specifications, and the platform to solve them for."""

    def __init__(self, request: dict[str, Any]) -> None:
        # No credentials of the studio's machine go to a channel that a definition names, only the workspace's.
        proofs = [(host, path, login) for host, path, login in request["proofs"]]
        client = Client([RetryMiddleware(3), AddHeadersMiddleware(partial(_shown, proofs))])
        self._gateway = Gateway(cache_dir=Path(request["cache"]), client=client, show_progress=False)
        self._channels = [Channel(url) for url in request["channels"]]
        self._platforms = [Subdir(request["platform"]), Subdir("noarch")]
        self._written = [str(text) for text in request["specs"]]
        self._specs = [_spec(text) for text in self._written]
        self.names = [name_of(spec) for spec in self._specs]
        self._keep = {str(sha256) for sha256 in request["keep"]}
        self._keep_names = [str(name) for name in request["keep_names"]]
        self._keep_versions = {
            str(name): (str(version), str(build)) for name, version, build in request["keep_versions"]
        }
        self._virtual = [
            GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
            for name, version, build in request["virtual"]
        ]
        self._cuda = Cuda(request["virtual"])
        self._virtual_names = [written(*package) for package in request["virtual"]]
        # A build that is named is chosen on purpose, for a CPU or not.
        self._builds_named = {name_of(spec) for spec in self._specs if spec.build is not None}
        self._uploads = Uploads(Limits.from_json(request["limits"]), request["official"])

    async def answer(self) -> dict[str, Any]:
        """Return the records, those that are CPU builds, and a sentence for each newer version uploaded too late."""
        try:
            result = await self._solve(limited=True)
            skipped = await self._skipped(result) if self._uploads else []
        except GatewayError as error:
            raise explained.unreachable(str(error)) from error
        except SolverError as error:
            raise await self._too_late() or await self._why(str(error)) from error
        return {
            "records": [_payload(record) for record in result],
            "requested": self.names,
            "cpu_builds": await self._cpu_builds(result),
            "skipped": skipped,
        }

    async def _solve(self, *, limited: bool) -> list[RepoDataRecord]:
        before = self._uploads.option if limited else None
        sources: list[Any] = list(self._channels)
        if limited and self._uploads and before is None:
            free = {
                name for name, spec in zip(self.names, self._specs, strict=True) if spec.channel is not None
            }
            sources = [EarlyRecords(self._uploads, self._gateway, self._channels, self._platforms, free)]
        return await solve(
            sources,
            self._specs,
            gateway=self._gateway,
            platforms=self._platforms,
            virtual_packages=self._virtual,
            locked_packages=await self._kept() if limited else None,
            channel_relations="disabled",
            exclude_newer=before,
        )

    async def _skipped(self, chosen: Sequence[RepoDataRecord]) -> list[str]:
        known = await self._records([record.name.normalized for record in chosen])
        return self._uploads.skipped(chosen, self._specs, known)

    async def _too_late(self) -> ImageError | None:
        """Return the error where limits on uploads are why nothing was found: without them, something is."""
        if not self._uploads:
            return None
        try:
            records = await self._solve(limited=False)
        except (GatewayError, SolverError):
            return None
        first = sorted(records, key=lambda record: record.name.normalized not in self.names)
        return self._uploads.excluded(first)

    async def _kept(self) -> list[RepoDataRecord]:
        """Return the records of the image before that the channels still have.

        A CPU build of it is not kept where a GPU build would fit: the target may be new.
        """
        if not self._keep:
            return []
        records = await self._records(self._keep_names)
        kept = [
            record
            for record in records
            if record.sha256 and record.sha256.hex() in self._keep and self._uploads.allows(record)
        ]
        kept += self._of_other_platform(records)
        if not self._cuda.version:
            return kept
        fitting = {
            record.name.normalized for record in records if for_gpu(record) and self._cuda.fits(record)
        }
        fitting -= self._builds_named
        return [record for record in kept if for_gpu(record) or record.name.normalized not in fitting]

    def _of_other_platform(self, records: Sequence[RepoDataRecord]) -> list[RepoDataRecord]:
        """Return the record of each version that another platform's environment has, with the build most like its own."""
        chosen: dict[str, tuple[tuple[bool, int], RepoDataRecord]] = {}
        for record in records:
            name = record.name.normalized
            version, build = self._keep_versions.get(name, ("", ""))
            if str(record.version) != version or not self._uploads.allows(record):
                continue
            rank = (_HASH.sub("", str(record.build)) == _HASH.sub("", build), record.build_number)
            if name not in chosen or rank > chosen[name][0]:
                chosen[name] = (rank, record)
        return [record for _, record in chosen.values()]

    async def _records(self, specs: Sequence[str | MatchSpec]) -> list[RepoDataRecord]:
        answer = await self._gateway.query(
            self._channels, self._platforms, specs, recursive=False, channel_relations="disabled"
        )
        return [record for records in answer for record in records]

    async def _cpu_builds(self, result: Sequence[RepoDataRecord]) -> list[dict[str, Any]]:
        """Return the records that are no GPU builds, of packages with one in the same version or a newer one."""
        specs = gpu_builds.candidates(result)
        records = [record for record in await self._records(specs) if self._uploads.allows(record)]
        return gpu_builds.cpu_builds(result, records, self._cuda, self._builds_named, self.names)

    async def _why(self, message: str) -> ImageError:
        """Name the requested package that is missing, entirely or in that version; otherwise quote rattler."""
        records = await self._records([name for name in self.names if not name.startswith("__")])
        absent = [
            name for name in self.names if not any(record.name.normalized == name for record in records)
        ]
        if (foreign := await self._foreign(absent)) is not None:
            return foreign
        for text, spec, name in zip(self._written, self._specs, self.names, strict=True):
            if name.startswith("__"):
                continue
            there = [record for record in records if record.name.normalized == name]
            if not there:
                return explained.absent(name, await self._alike(name))
            if not any(_same(spec, record) for record in there):
                if spec.build is not None and any(_same(_any_build(spec), record) for record in there):
                    return explained.no_build(text, name, str(spec.version or ""))
                versions = sorted({record.version for record in there}, reverse=True)
                return explained.no_version(text, [str(version) for version in versions[:_MOST_NAMED]])
        return explained.conflict(message, self._virtual_names)

    async def _foreign(self, absent: Sequence[str]) -> ImageError | None:
        """Return the error for packages that are for another system; None where none is known as that."""
        for system, platforms in _OTHERS.items():
            names = [name for name in absent if system_of(name) == system]
            if not names and absent:
                names = await self._in_others(absent, platforms)
            if names:
                return exported_elsewhere(names, system)
        return None

    async def _in_others(self, names: Sequence[str], platforms: Sequence[str]) -> list[str]:
        """Return those of the names that the channels have for other platforms."""
        try:
            answer = await self._gateway.query(
                self._channels,
                list(map(Subdir, platforms)),
                names,
                recursive=False,
                channel_relations="disabled",
            )
        except GatewayError:
            return []
        there = {record.name.normalized for records in answer for record in records}
        return [name for name in names if name in there]

    async def _alike(self, name: str) -> list[str]:
        known = await self._gateway.names(self._channels, self._platforms)
        return difflib.get_close_matches(name, [result.normalized for result in known], n=3)


def _shown(proofs: Sequence[tuple[str, str, str]], host: str, path: str) -> dict[str, str] | None:
    """Return the header that a request to one of the channels needs; redirects lead away without it."""
    for own, channel, proof in proofs:
        if host == own and f"{path}/".startswith(f"{channel}/"):
            return {"Authorization": proof}
    return None


def _same(spec: MatchSpec, record: RepoDataRecord) -> bool:
    """Whether the record is what the specification names, from whichever channel."""
    try:
        return spec.matches(record)
    except InvalidMatchSpecError:
        return True


def _any_build(spec: MatchSpec) -> MatchSpec:
    return MatchSpec(f"{name_of(spec)} {spec.version or '*'}", strict=False)


def _spec(text: str) -> MatchSpec:
    try:
        spec = MatchSpec(text, strict=False)
    except InvalidMatchSpecError as error:
        raise explained.senseless(text, str(error)) from error
    if getattr(spec, "url", None) is not None or "[url=" in str(spec):
        raise explained.senseless(text, "it is the address of a file")
    return spec


def _payload(record: RepoDataRecord) -> dict[str, Any]:
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "subdir": str(record.subdir),
        "url": record.url,
        "channel": record.channel,
        "sha256": record.sha256.hex() if record.sha256 else "",
        "md5": record.md5.hex() if record.md5 else "",
        "size": record.size or 0,
        "filename": record.file_name,
        "modules": record.python_site_packages_path or "",
        "needs": [name_of(MatchSpec(need, strict=False)) for need in record.depends],
    }
