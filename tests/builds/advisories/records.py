"""Records in OSV's format for tests, written by hand."""

import json
from pathlib import Path
from typing import Any


def record(
    name: str,
    package: str = "lib",
    *,
    aliases: tuple[str, ...] = (),
    events: list[dict[str, str]] | None = None,
    ecosystem: str = "PyPI",
    **more: Any,
) -> dict[str, Any]:
    """Return a record about a package that is fixed in 2.0."""
    ranges = [{"type": "ECOSYSTEM", "events": events or [{"introduced": "0"}, {"fixed": "2.0"}]}]
    return {
        "id": name,
        "modified": "2026-01-02T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": list(aliases),
        "summary": f"Something in {package}",
        "affected": [{"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}],
        **more,
    }


def write(folder: Path, *records: Any, name: str = "") -> Path:
    """Write records into a folder, one a file."""
    folder.mkdir(exist_ok=True)
    for number, entry in enumerate(records):
        file = entry.get("id") if isinstance(entry, dict) else None
        (folder / f"{name or file or number}.json").write_text(json.dumps(entry))
    return folder
