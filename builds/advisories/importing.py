"""Import advisories: what changed since the last import is written, a batch of whole advisories at a time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils import timezone

from builds.advisories.matches import exclusive, match_advisories
from builds.advisories.records import AT_ONCE, refresh, remove_records, save_records
from builds.confinement.confine import GIGABYTE, Confinement
from builds.imaging.child_process import Worker
from builds.imaging.reporting import ImageError, Quiet
from builds.models import Advisory, AdvisoryRecord, AdvisorySource

MEMORY_BYTES = 2 * GIGABYTE
OUT_BYTES = 8 * GIGABYTE
CPU_SECONDS = 1800
MOST_GONE = 0.5  # of a source's records, at once: more is a mistake there


class CannotImport(Exception):
    """Nothing was imported; the message says why."""


@dataclass
class Imported:
    """The outcome of an import. `reasons` names some of the records that were skipped."""

    records: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    skipped: int = 0
    reasons: list[dict[str, str]] = field(default_factory=list)
    advisories: int = 0
    """All that are known now."""


def import_advisories(path: Path, *, url: str = "", replace: bool = False) -> Imported:
    """Import a file, a folder or an archive of records; for a source's `url`, records that it no longer has go.

    It is read and checked as a whole by a confined process before the first row changes. With `replace`, a source
    may have lost most of its records. Raises CannotImport.
    """
    if not path.exists():
        raise CannotImport(f"Can't read {path}: there is no such file or folder.")
    with tempfile.TemporaryDirectory(prefix="advisories-") as folder:
        out = Path(folder).resolve() / "records"
        report = _read(path.resolve(), out)
        source = AdvisorySource.objects.get_or_create(url=url)[0]
        known = dict(AdvisoryRecord.objects.values_list("name", "digest"))
        result = Imported(report["records"], skipped=report["skipped"], reasons=report["reasons"])
        gone = _gone(source, out, report["skipped"], replace) if url else set()
        for batch in _batches(out, known):
            _apply(batch, source, known, result)
        names = sorted(gone)
        for first in range(0, len(names), AT_ONCE):
            with exclusive():
                match_advisories(refresh(remove_records(names[first : first + AT_ONCE])))
            result.removed += len(names[first : first + AT_ONCE])
    AdvisorySource.objects.filter(pk=source.pk).update(
        imported_at=timezone.now(), records=source.imported.count(), problem=""
    )
    result.advisories = Advisory.objects.count()
    return result


def _read(path: Path, out: Path) -> dict[str, Any]:
    """Have a confined process read the records of a path into lines, and return its report."""
    vanished = ImageError(
        "out-of-memory", "the process that read it took more memory or time than it may have"
    )
    confinement = Confinement(
        reads=(path,), writes=(out.parent,), memory=MEMORY_BYTES, file_size=OUT_BYTES, cpu=CPU_SECONDS
    )
    try:
        with Worker("builds.advisories.reading_worker", confinement, vanished) as worker:
            report = worker.ask({"path": str(path), "out": str(out)}, Quiet())
    except (ImageError, RuntimeError) as error:
        raise CannotImport(f"Can't read the advisories in {path.name}: {error}.") from error
    if "problem" in report:
        raise CannotImport(f"Can't read the advisories in {path.name}: {report['problem']}.")
    return report


def _lines(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with out.open(encoding="utf-8") as lines:
        for line in lines:
            digest, record = json.loads(line)
            yield digest, record


def _batches(out: Path, known: dict[str, str]) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Yield the records that are new or changed, each once; of several with a name, the last counts."""
    batch: dict[str, tuple[str, dict[str, Any]]] = {}
    for digest, record in _lines(out):
        name = record["name"]
        if known.get(name) == digest or (name not in known and not record["affected"]):
            continue
        batch[name] = (digest, record)
        if len(batch) >= AT_ONCE:
            yield list(batch.values())
            batch = {}
    if batch:
        yield list(batch.values())


def _apply(
    batch: list[tuple[str, dict[str, Any]]], source: AdvisorySource, known: dict[str, str], result: Imported
) -> None:
    """Write a batch and its matches in one transaction."""
    with exclusive():
        match_advisories(refresh(save_records(batch, source)))
    for digest, record in batch:
        if not record["affected"]:
            result.removed += known.pop(record["name"], None) is not None
            continue
        result.changed += record["name"] in known
        result.added += record["name"] not in known
        known[record["name"]] = digest


def _gone(source: AdvisorySource, out: Path, skipped: int, replace: bool) -> set[str]:
    """Return the records of a source that it no longer has. Raises CannotImport if that is most of them."""
    if skipped:
        return set()  # those may be among the skipped
    here = {record["name"] for _, record in _lines(out)}
    before = set(AdvisoryRecord.objects.filter(source=source).values_list("name", flat=True))
    gone = before - here
    if not replace and len(gone) > AT_ONCE and len(gone) > MOST_GONE * len(before):
        raise CannotImport(
            f"{source.url} has {len(here):,} records and no longer {len(gone):,} of the {len(before):,} that were imported."
            " Nothing was changed. To take it as it is, import it by hand, with --replace."
        )
    return gone
