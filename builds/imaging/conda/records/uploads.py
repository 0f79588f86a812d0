"""In the worker: the records that limits on uploads leave, and sentences about the others."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rattler import Channel, Gateway, MatchSpec, PackageName, RepoDataRecord
from rattler.exceptions import InvalidMatchSpecError
from rattler.platform.subdir import Subdir

from builds.imaging.cutoffs.limits import Limits
from builds.imaging.cutoffs.messages import skipped, too_new, undated
from builds.imaging.reporting import ImageError
from environments.definition.packages.specs import pip_name

_TICK = dt.timedelta(milliseconds=1)


class Uploads:
    """The limits of one question, for records of its channels; `official` are channels by the URL that is queried."""

    def __init__(self, limits: Limits, official: Mapping[str, str]) -> None:
        self.limits = limits
        self._official = official

    def __bool__(self) -> bool:
        return bool(self.limits)

    @property
    def option(self) -> dt.datetime | None:
        """The solver's own option, where one limit holds for everything; None where exceptions need more."""
        limit = self.limits.of()
        if limit is None or self.limits.names or self.limits.addresses:
            return None
        return limit.before - _TICK  # the solver takes what is as old as that, to the millisecond

    def allows(self, record: RepoDataRecord) -> bool:
        """Return whether a record was uploaded early enough."""
        return self.limits.allows(_key(record), self.channel(record), uploaded(record))

    def channel(self, record: RepoDataRecord) -> str:
        """Return the address of a record's channel, as the lock has it."""
        url = (record.channel or "").rstrip("/")
        return self._official.get(url, url)

    def excluded(self, records: Iterable[RepoDataRecord]) -> ImageError | None:
        """Return the error for the first of these records that may not be used; None where all may."""
        record = next((record for record in records if not self.allows(record)), None)
        return None if record is None else self._error(record)

    def skipped(
        self,
        chosen: Sequence[RepoDataRecord],
        requested: Sequence[MatchSpec],
        known: Iterable[RepoDataRecord],
    ) -> list[str]:
        """Return a sentence for each package of which a newer version, that would fit, was uploaded too late.

        Raises ImageError where nobody says when the newer version was uploaded.
        """
        used = {record.name.normalized: record for record in chosen}
        late: dict[str, RepoDataRecord] = {}
        for record in known:
            name = record.name.normalized
            best = late.get(name, used.get(name))
            same = name in used and record.channel == used[name].channel
            if same and best is not None and record.version > best.version and not self.allows(record):
                late[name] = record
        wanted = _specs([*requested, *_needs(chosen)], late) if late else {}
        result = []
        for name, record in sorted(late.items()):
            if not all(_matches(spec, record) for spec in wanted[name]):
                continue
            limit, time = self.limits.of(_key(record), self.channel(record)), uploaded(record)
            if limit is not None and time is not None:
                version, now = str(used[name].version), self.limits.now
                result.append(skipped(name, str(record.version), time, version, limit, now))
            elif limit is not None:
                raise self._error(record)
        return result

    def _error(self, record: RepoDataRecord) -> ImageError:
        name, version, time = record.name.normalized, str(record.version), uploaded(record)
        limit = self.limits.of(_key(record), self.channel(record))
        if limit is None:
            raise ValueError(f"{name} {version} has no limit")
        if time is None:
            return undated(name, version, f"The channel {self.channel(record)}", limit)
        return too_new(name, version, time, limit)


class EarlyRecords:
    """The records of channels that were uploaded early enough, for the solver.

    A name belongs to the first channel that has it at all, as with strict priority: a package of which everything is
    too new there does not come from another channel. `free` names are requested of a certain channel.
    """

    def __init__(
        self,
        uploads: Uploads,
        gateway: Gateway,
        channels: Sequence[Channel],
        platforms: Sequence[Subdir],
        free: set[str],
    ) -> None:
        self._uploads = uploads
        self._gateway = gateway
        self._channels = channels
        self._platforms = platforms
        self._free = free

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of a name for a platform."""
        result = []
        for channel in self._channels:
            answer = await self._gateway.query(
                [channel], self._platforms, [name.normalized], recursive=False, channel_relations="disabled"
            )
            records = [record for records in answer for record in records]
            result += [record for record in records if record.subdir == str(platform)]
            if records and name.normalized not in self._free:
                break
        return [record for record in result if self._uploads.allows(record)]

    def package_names(self, platform: Subdir) -> list[str]:
        """Return no names: specifications name their packages."""
        return []


def uploaded(record: RepoDataRecord) -> dt.datetime | None:
    """Return when a record came into its channel, else when it was built, as the solver reads it."""
    time: Any = record.indexed_timestamp or record.timestamp
    return time if isinstance(time, dt.datetime) else None


def _key(record: RepoDataRecord) -> str:
    return pip_name(record.name.normalized)


def _needs(chosen: Sequence[RepoDataRecord]) -> list[MatchSpec]:
    result = []
    for record in chosen:
        for need in record.depends:
            with suppress(InvalidMatchSpecError):
                result.append(MatchSpec(need, strict=False))
    return result


def _specs(specs: Iterable[MatchSpec], names: Iterable[str]) -> dict[str, list[MatchSpec]]:
    result: dict[str, list[MatchSpec]] = defaultdict(list, {name: [] for name in names})
    for spec in specs:
        name = "" if spec.name is None else str(getattr(spec.name, "normalized", spec.name))
        if name in result:
            result[name].append(spec)
    return result


def _matches(spec: MatchSpec, record: RepoDataRecord) -> bool:
    try:
        return spec.matches(record)
    except InvalidMatchSpecError:
        return True
