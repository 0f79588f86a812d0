"""Advisories that are newer than some collections, or that these lack: real ones, whose fixed versions remove interfaces.

Ids, packages and fixed versions are those of the GitHub Advisory Database.
"""

from __future__ import annotations

import json
from pathlib import Path

MODIFIED = "2025-07-01T00:00:00Z"
LATER = {
    ("GHSA-2g68-c3qc-8985", "CVE-2024-34069"): ("werkzeug", "3.0.3"),
    ("GHSA-f9vj-2wh5-fj8j", "CVE-2024-49766"): ("werkzeug", "3.0.6"),
    ("GHSA-h5c8-rqwp-cp95", "CVE-2024-22195"): ("jinja2", "3.1.3"),
    ("GHSA-9wx4-h78v-vm56", "CVE-2024-35195"): ("requests", "2.32.0"),
    ("GHSA-pq67-6m6q-mj2v", "CVE-2025-50181"): ("urllib3", "2.5.0"),
    ("GHSA-3ww4-gg4f-jr7f", "CVE-2023-50782"): ("cryptography", "42.0.0"),
    ("GHSA-44wm-f244-xhp3", "CVE-2024-28219"): ("pillow", "10.3.0"),
}


def write_later(folder: Path) -> Path:
    """Write them as OSV documents into a folder, and return it."""
    folder.mkdir()
    for (name, alias), (package, fixed) in LATER.items():
        events = [{"introduced": "0"}, {"fixed": fixed}]
        affected = {
            "package": {"ecosystem": "PyPI", "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
        document = {"id": name, "aliases": [alias], "modified": MODIFIED, "affected": [affected]}
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder
