"""Put early findings beside those of the text."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from django.conf import settings

from environments.definition import Reading
from environments.models import Workspace
from studio.defining.early.bases import base_findings
from studio.defining.early.conda import conda_findings
from studio.defining.early.engine import engine_findings
from studio.defining.early.packages import newest_versions, on_default_index, package_findings

POLL_SECONDS = 0.1
_RANK = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Early:
    """A reading with early findings, versions to pin packages to, and whether more is being looked up."""

    reading: Reading
    pins: dict[tuple[str, str], str] = field(default_factory=dict)
    pending: bool = False


def early_findings(reading: Reading, workspace: Workspace) -> Early:
    """Return a reading with what is known already of its build, and begin to look up the rest."""
    if not settings.EARLY_CHECKS:
        return Early(reading)
    packages, more = package_findings(reading)
    engine, engine_pending = engine_findings(reading)
    base, base_pending = base_findings(reading, workspace)
    conda, conda_pending = conda_findings(reading, workspace)
    kept = [
        finding
        for finding in reading.findings
        if finding.code != "local-version"
        or not on_default_index(finding.value("what"), finding.value("version"))
    ]
    findings = sorted(
        [*kept, *packages, *conda, *engine, *base],
        key=lambda finding: (finding.line or 0, _RANK[finding.severity]),
    )
    pending = more or engine_pending or base_pending or conda_pending
    return Early(replace(reading, findings=tuple(findings)), newest_versions(reading), pending)


def early_findings_within(seconds: float, reading: Reading, workspace: Workspace) -> Early:
    """Return a reading with early findings; wait so long at most for those that are looked up."""
    deadline = time.monotonic() + seconds
    while (early := early_findings(reading, workspace)).pending and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return early
