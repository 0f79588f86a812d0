"""The rows of records, and the advisories that they are: records that are aliases of each other are one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from builds.models import SEVERITIES, Advisory, AdvisoryName, AdvisoryRecord, AdvisorySource, AffectedPackage

AT_ONCE = 500
TAKEN = ("summary", "details", "severity", "score", "published_at", "modified_at", "url")
_ORDER = ("CVE-", "GHSA-", "PYSEC-")

Read = dict[str, Any]
"""A record as the confined process writes it (`builds.advisories.osv.Record`)."""


def save_records(changed: Sequence[tuple[str, Read]], source: AdvisorySource) -> set[int]:
    """Write records with their digests; return the advisories whose packages or records changed.

    The caller holds the lock of imports. Records that are withdrawn, or affect nothing here, are removed.
    """
    going = [record["name"] for _, record in changed if not record["affected"]]
    staying = [(digest, record) for digest, record in changed if record["affected"]]
    touched = remove_records(going)
    advisories = _advisories_of([record for _, record in staying])
    touched |= set(advisories.values())
    rows = [
        AdvisoryRecord(
            name=record["name"],
            advisory_id=advisories[record["name"]],
            source=source,
            digest=digest,
            aliases=list(record["aliases"]),
            **{field: _value(field, record[field]) for field in TAKEN},
        )
        for digest, record in staying
    ]
    AdvisoryRecord.objects.bulk_create(
        rows,
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["advisory", "source", "digest", "aliases", *TAKEN],
    )
    names = [record["name"] for _, record in staying]
    keys = dict(AdvisoryRecord.objects.filter(name__in=names).values_list("name", "pk"))
    AffectedPackage.objects.filter(record__in=keys.values()).delete()
    AffectedPackage.objects.bulk_create(
        [
            AffectedPackage(record_id=keys[record["name"]], **entry)
            for _, record in staying
            for entry in record["affected"]
        ],
        batch_size=AT_ONCE,
    )
    return touched


def remove_records(names: Iterable[str]) -> set[int]:
    """Remove records; return the advisories that had them."""
    rows = AdvisoryRecord.objects.filter(name__in=list(names))
    touched = set(rows.values_list("advisory", flat=True))
    rows.delete()
    return touched


def _value(field: str, value: Any) -> Any:
    if field.endswith("_at"):
        return datetime.fromisoformat(value) if value else None
    return value


def _advisories_of(records: list[Read]) -> dict[str, int]:
    """Return the advisory of each record: by its aliases, among themselves and with what is known; else a new row."""
    groups = _groups({record["name"]: record["aliases"] for record in records})
    names = {alias for record in records for alias in record["aliases"]}
    known = dict(AdvisoryName.objects.filter(name__in=names).values_list("name", "advisory"))
    before = dict(AdvisoryRecord.objects.filter(name__in=names).values_list("name", "advisory"))
    moved: dict[int, int] = {}  # advisories that were merged into others, in this batch too
    result: dict[str, int] = {}
    new: dict[str, list[str]] = {}
    for members, aliases in groups:
        merged = {known.get(alias) or before.get(alias) for alias in aliases} - {None}
        here = sorted({_last(moved, pk) for pk in merged if pk is not None})
        if here:
            target = here[0]
            for other in here[1:]:
                _merge(other, target)
                moved[other] = target
            result |= dict.fromkeys(members, target)
        else:
            new[key_of(aliases)] = members
    rows = [Advisory(key=key) for key in sorted(new)]
    Advisory.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)
    for pk, key in Advisory.objects.filter(key__in=new).values_list("pk", "key"):
        result |= dict.fromkeys(new[key], pk)
    return {name: _last(moved, pk) for name, pk in result.items()}


def _last(moved: dict[int, int], pk: int) -> int:
    while pk in moved:
        pk = moved[pk]
    return pk


def _groups(aliases: dict[str, Iterable[str]]) -> list[tuple[list[str], list[str]]]:
    """Return the records that share names, directly or through others, each group with all of its names."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        parents.setdefault(name, name)
        while parents[name] != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    for record, names in aliases.items():
        for name in names:
            parents[root(name)] = root(record)
    groups: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for record in aliases:
        groups[root(record)][0].append(record)
    for name in sorted(parents):
        groups[root(name)][1].append(name)
    return list(groups.values())


def _merge(other: int, target: int) -> None:
    """Make two advisories one: what refers to the other refers to the target, if that has no such row itself."""
    for relation in Advisory._meta.related_objects:
        rows = relation.related_model._default_manager.filter(**{relation.field.name: other})
        if relation.get_accessor_name() == "packages":
            continue  # matched again
        for row in rows:
            try:
                with transaction.atomic():
                    type(row)._default_manager.filter(pk=row.pk).update(**{relation.field.name: target})
            except IntegrityError:
                row.delete()
    Advisory.objects.filter(pk=other).delete()


def refresh(touched: Iterable[int]) -> set[int]:
    """Write what advisories take from their records, and their names; return those that remain, and new ones.

    An advisory without records is deleted, and one whose records no longer share a name is split.
    """
    remaining: set[int] = set()
    pks = sorted(touched)
    for first in range(0, len(pks), AT_ONCE):
        remaining |= _refresh(pks[first : first + AT_ONCE])
    return remaining


def _refresh(pks: list[int]) -> set[int]:
    records: dict[int, dict[str, AdvisoryRecord]] = defaultdict(dict)
    for record in AdvisoryRecord.objects.filter(advisory__in=pks).order_by("pk"):
        records[record.advisory_id][record.name] = record
    Advisory.objects.filter(pk__in=set(pks) - set(records)).delete()
    advisories = Advisory.objects.in_bulk(list(records))
    wanted: dict[str, int] = {}
    remaining = dict(advisories)
    for pk, advisory in advisories.items():
        groups = _groups({name: record.aliases for name, record in records[pk].items()})
        # The group with the key stays, so that what refers to the advisory keeps its meaning.
        groups.sort(key=lambda group: (advisory.key.upper() not in group[1], -len(group[0])))
        for number, (members, names) in enumerate(groups):
            mine = advisory if number == 0 else _split(names, members)
            _take(mine, [records[pk][name] for name in members], names)
            remaining[mine.pk] = mine
            wanted |= dict.fromkeys(names, mine.pk)
    # As one statement; bulk_update takes ten times as long.
    Advisory.objects.bulk_create(
        remaining.values(),
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["key", *TAKEN],
    )
    AdvisoryName.objects.filter(advisory__in=remaining).exclude(name__in=wanted).delete()
    AdvisoryName.objects.bulk_create(
        [AdvisoryName(name=name, advisory_id=pk) for name, pk in sorted(wanted.items())],
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["advisory"],
    )
    return set(remaining)


def _split(names: list[str], members: list[str]) -> Advisory:
    advisory = Advisory.objects.get_or_create(key=key_of(names))[0]
    AdvisoryRecord.objects.filter(name__in=members).update(advisory=advisory)
    return advisory


def _take(advisory: Advisory, records: list[AdvisoryRecord], names: list[str]) -> None:
    """Take the texts of the record that people read most, the worst severity, and the first and last times."""
    preferred = sorted(records, key=lambda record: (not record.name.startswith("GHSA-"), record.name))
    worst = max(records, key=lambda record: (SEVERITIES.index(record.severity), record.score or 0.0))
    advisory.key = key_of(names)
    advisory.severity, advisory.score = worst.severity, worst.score
    for field in ("summary", "details", "url"):
        setattr(advisory, field, next((text for row in preferred if (text := getattr(row, field))), ""))
    advisory.published_at = min((row.published_at for row in records if row.published_at), default=None)
    advisory.modified_at = max((row.modified_at for row in records if row.modified_at), default=None)


def key_of(names: Iterable[str]) -> str:
    """Return the name to show: a CVE before a GHSA, a PYSEC, and others."""

    def rank(name: str) -> tuple[int, str]:
        return next((number for number, start in enumerate(_ORDER) if name.startswith(start)), 9), name

    name = min(names, key=rank)
    return shown_name(name)


def shown_name(name: str) -> str:
    """Return a name as its publisher writes it: GitHub's have small letters."""
    return re.sub(r"^GHSA-.*", lambda match: "GHSA-" + match[0][5:].lower(), name)
