"""Measure imports of advisories at the size of OSV's archives: `python -m bench.builds.advisory_import SAMPLE.ZIP`.

From the real records of a sample, archives of PyPI's size (17,000 records) and Debian's (50,000) are made, by varying ids,
names and versions. Each is imported by the real command into a database with packages to match: at first, again with 2 %
changed and 1 % new, and again as it is. Printed are seconds, CPU seconds, and the peak memory of the command with the
process that reads. Nothing is asserted. On DATABASE_URL's server if it is set.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.memory import peak_memory, process_tree

RELEASES = ("11", "12", "13", "14")
POPULAR = 40  # names that many records are about
CHANGED, NEW = 0.02, 0.01
Record = dict[str, Any]
Make = Callable[[int], Record]


def main() -> None:
    """Make the archives, import each three times, and print a line for each import."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("sample", type=Path, help="an archive of OSV's records about PyPI")
    options.add_argument("--pypi", type=int, default=17_000)
    options.add_argument("--debian", type=int, default=50_000)
    options.add_argument("--packages", type=int, default=5_000, help="of each ecosystem, in images and bases")
    requested = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-import-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": folder}
        os.environ.setdefault("SECRET_KEY", "bench")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        samples = read(requested.sample)
        for name, many, make in (("PyPI", requested.pypi, of_pypi), ("Debian", requested.debian, of_debian)):
            fill(partial(make, samples), many, requested.packages)
            measure(name, partial(make, samples), many, Path(folder))


def read(archive: Path) -> list[Record]:
    """Return the records of an archive that affect packages."""
    with zipfile.ZipFile(archive) as opened:
        records = [json.loads(opened.read(name)) for name in sorted(opened.namelist())]
    return [record for record in records if record.get("affected") and not record.get("withdrawn")]


def of_pypi(samples: list[Record], number: int) -> Record:
    """Return a record; each second record is the same vulnerability as the record before, by another publisher."""
    record: Record = json.loads(json.dumps(samples[number // 2 % len(samples)]))
    pair = number // 2
    year = 2010 + pair % 15
    cve, ghsa = f"CVE-{year}-{100_000 + pair}", f"GHSA-{pair:04x}-bbbb-cccc"
    record["id"], record["aliases"] = (
        (f"PYSEC-{year}-{pair}", [cve, ghsa]) if number % 2 else (ghsa, [cve, f"PYSEC-{year}-{pair}"])
    )
    record["details"] = f"{record.get('details', '')}\n\n" * (1 + number % 2)
    round_ = pair // len(samples)
    for entry in record["affected"]:
        if round_ and pair % 10:  # a tenth is about the names of the sample, which so have many advisories
            entry["package"]["name"] += f"-{round_}"
    return record


def of_debian(samples: list[Record], number: int) -> Record:
    """Return a record about a source in four releases, with a list of the versions that each had."""
    sample = samples[number % len(samples)]
    chooser = random.Random(number)  # noqa: S311
    name = f"source-{chooser.randrange(POPULAR) if number % 5 == 0 else chooser.randrange(POPULAR, 8_000)}"
    versions = chooser.choice((5, 20, 20, 60, 250))
    return {
        "id": f"DEBIAN-CVE-{2005 + number % 20}-{number:05}",
        "upstream": [f"CVE-{2005 + number % 20}-{number:05}"],
        "modified": "2026-01-01T00:00:00Z",
        "published": "2025-01-01T00:00:00Z",
        "details": str(sample.get("details", ""))[:2_000],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
        "affected": [
            {
                "package": {"ecosystem": f"Debian:{release}", "name": name, "purl": f"pkg:deb/debian/{name}"},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": f"{versions}.2-1"}]}
                ],
                "versions": [f"{major}.1.{release}-{major % 7}+deb{release}u1" for major in range(versions)],
                "ecosystem_specific": {"urgency": "not yet assigned"},
            }
            for release in RELEASES
        ],
    }


def fill(make: Make, records: int, many: int) -> None:
    """Add packages that some records affect, as images and bases would have brought them."""
    from builds.models import Package

    chooser = random.Random(7)  # noqa: S311
    rows = {}
    for number in chooser.sample(range(records), min(many, records)):
        entry = chooser.choice(make(number)["affected"])
        ecosystem = str(entry["package"]["ecosystem"]).partition(":")[0].lower()
        release = entry["package"]["ecosystem"].lower() if ecosystem == "debian" else ""
        version = chooser.choice(entry.get("versions") or ["1.0"])
        key = (entry["package"]["name"].lower(), ecosystem, version[:200], release)
        rows[key] = Package(name=key[0], ecosystem=key[1], version=key[2], release=key[3])
    Package.objects.bulk_create(rows.values(), ignore_conflicts=True, batch_size=500)


def measure(name: str, make: Make, many: int, folder: Path) -> None:
    """Import an archive three times, and print what each took."""
    archive = folder / f"{name}.zip"
    size = write(archive, make, many)
    packed = archive.stat().st_size / 1e6
    print(f"{name}: {many:,} records of {size / many / 1000:.1f} kB, {packed:.0f} MB packed", flush=True)
    report("first", archive)
    write(archive, make, round(many * (1 + NEW)), changed=round(1 / CHANGED))
    report("2 % changed, 1 % new", archive)
    report("nothing changed", archive)


def write(archive: Path, make: Make, many: int, changed: int = 0) -> int:
    """Write records as OSV's archives have them, a file for each; return their bytes. Each `changed`th is another."""
    size = 0
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for number in range(many):
            record = make(number)
            if changed and number % changed == 0:
                record["details"] = f"{record.get('details', '')} It was found to be worse."
            text = json.dumps(record)
            opened.writestr(f"{record['id']}.json", text)
            size += len(text)
    return size


def report(what: str, archive: Path) -> None:
    """Import an archive with the command, and print seconds and memory."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "manage.py", "advisories", "import", str(archive)])
    spent: dict[str, float] = {}
    with peak_memory([process.pid]) as peak:
        # The process that reads is no child of the command: what it has spent shows only as long as it runs.
        while process.poll() is None:
            for pid in list(process_tree(str(process.pid))):
                spent[pid] = max(spent.get(pid, 0.0), cpu_of(pid))
            time.sleep(0.1)
    seconds, cpu = time.perf_counter() - began, sum(spent.values())
    print(f"  {what:22} {seconds:7.1f} s  CPU {cpu:7.1f} s  peak {peak.megabytes:6.0f} MB", flush=True)
    if process.returncode:
        raise SystemExit(process.returncode)


def cpu_of(pid: str) -> float:
    """Return the CPU seconds of a process; 0 for one that has just ended."""
    try:
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
