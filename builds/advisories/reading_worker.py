"""The confined process that reads advisories: a file, a folder or an archive of OSV's JSON, into lines of records."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from builds.advisories.affected import Affected
from builds.advisories.osv import BadRecord, Record, read_record
from builds.imaging.child_process import answer_requests

MOST_FILE_BYTES = 64 * 1024**2  # of a JSON file by itself
MOST_RECORD_BYTES = 8 * 1024**2  # of a file in a folder or an archive
MOST_BYTES = 8 * 1024**3  # in all
MOST_FILES = 1_000_000
MOST_SKIPPED = 20  # that are named
MOST_NAME = 100  # characters


def main() -> None:
    """Answer until stdin ends."""
    answer_requests(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    path = Path(request["path"])
    try:
        return _read(path, Path(request["out"]))
    except Unreadable as error:
        return {"problem": str(error)}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return {"problem": f"the archive is damaged or of a kind that isn't read ({_shown(str(error))})"}
    except OSError as error:
        return {"problem": error.strerror or "it can't be read"}


class Unreadable(Exception):
    """A source of advisories that can't be read; the message says why."""


def _read(path: Path, out: Path) -> dict[str, Any]:
    """Write a line for each record: its digest, and what was read. Return how many, and what was skipped."""
    records, skipped, total = 0, 0, 0
    reasons: list[dict[str, str]] = []
    with out.open("w", encoding="utf-8") as lines:
        for name, content in _files(path):
            total += len(content)
            if total > MOST_BYTES:
                raise Unreadable(f"it has more than {MOST_BYTES // 1024**3} GB")
            try:
                for data, raw in _entries(content):
                    record = read_record(data)
                    # As one text: `dump` would write each value by itself, in Python.
                    lines.write(json.dumps([hashlib.sha256(raw).hexdigest(), _plain(record)]))
                    lines.write("\n")
                    records += 1
            except (BadRecord, ValueError, RecursionError) as error:
                if path.is_file() and not zipfile.is_zipfile(path):
                    raise Unreadable(_reason(error)) from error
                skipped += 1
                if len(reasons) < MOST_SKIPPED:
                    reasons.append({"name": _shown(name), "reason": _reason(error)})
    if not records:
        raise Unreadable("no record in OSV's format is in it")
    return {"records": records, "skipped": skipped, "reasons": reasons}


def _plain(record: Record) -> dict[str, Any]:
    plain = _fields_of(record)
    plain["affected"] = [
        _fields_of(affected) | {"versions": sorted(affected.versions)} for affected in record.affected
    ]
    return plain


def _fields_of(record: Record | Affected) -> dict[str, Any]:
    """Return the fields of a record; `asdict` would copy each of a hundred thousand versions."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _shown(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:MOST_NAME]


def _reason(error: Exception) -> str:
    if isinstance(error, BadRecord):
        return str(error).rstrip(".")
    return "it is nested too deeply" if isinstance(error, RecursionError) else "it is no JSON"


def _entries(content: bytes) -> Iterator[tuple[Any, bytes]]:
    """Yield the records of a file, each with the bytes that identify it: one, or a list of them."""
    data = json.loads(content)
    if not isinstance(data, list):
        yield data, content
        return
    for entry in data:
        yield entry, json.dumps(entry, sort_keys=True).encode(errors="surrogatepass")


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from _in_folder(path)
    elif zipfile.is_zipfile(path):
        yield from _in_archive(path)
    else:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise Unreadable(f"the file is larger than {MOST_FILE_BYTES // 1024**2} MB")
        yield path.name, path.read_bytes()


def _in_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    count = 0
    for folder, _, names in os.walk(path):
        for name in sorted(names):
            file = Path(folder) / name
            if not name.endswith(".json") or file.is_symlink() or not file.is_file():
                continue
            count += 1
            if count > MOST_FILES:
                raise Unreadable(f"it has more than {MOST_FILES:,} files")
            with file.open("rb") as opened:
                content = opened.read(MOST_RECORD_BYTES + 1)
            yield name, _bounded(content)


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES:
            raise Unreadable(f"it has more than {MOST_FILES:,} files")
        for entry in entries:
            if entry.is_dir() or not entry.filename.endswith(".json"):
                continue
            with archive.open(entry) as opened:
                content = opened.read(MOST_RECORD_BYTES + 1)
            yield entry.filename, _bounded(content)


def _bounded(content: bytes) -> bytes:
    """Return content; what is larger than a record may be is no JSON by then, and skipped."""
    return content if len(content) <= MOST_RECORD_BYTES else b""


if __name__ == "__main__":
    main()
