"""Compare with pip-audit: `python -m bench.builds.advisories ALL.ZIP [--packages 300]`.

Versions of the packages that an archive of OSV is about, affected or not, are looked up by the studio and by pip-audit, the
real program in a virtual environment of its own. It asks an API like OSV's, which answers from the same records by their
lists of versions alone. Printed are the packages with the same advisories, and every difference; it ends with 1 if there is any. Fixes differ
where pip-audit names one that is affected itself, or does not normalise a package's name.
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
from collections import defaultdict
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Records = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Print how many packages both agree on."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("archive", type=Path)
    options.add_argument("--packages", type=int, default=300)
    requested = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-advisories-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": folder}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        sys.exit(compare(requested.archive, requested.packages, Path(folder)))


def compare(archive: Path, many: int, folder: Path) -> int:
    """Return the exit code: 1 where the studio and pip-audit differ."""
    from django.core.management import call_command

    from builds.advisories.importing import import_advisories

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    imported = import_advisories(archive.resolve())
    print(f"{imported.records:,} records imported in {time.perf_counter() - began:.1f} s", flush=True)
    records = read(archive)
    pins = chosen(records, many)
    with_audit = audited(records, pins, folder)
    own = looked_up(pins)
    different = [pin for pin in pins if own[pin].keys() != with_audit[pin].keys()]
    affected = sum(bool(hits) for hits in own.values())
    print(f"{len(pins):,} packages, {affected:,} of them affected: {len(pins) - len(different):,} agree")
    for pin in different:
        print(f"  {'=='.join(pin)}: studio {own[pin]}, pip-audit {with_audit[pin]}")
    pairs = [
        (pin, own[pin][names], with_audit[pin][names])
        for pin in pins
        for names in own[pin].keys() & with_audit[pin].keys()
    ]
    others = [pair for pair in pairs if set(map(Version, pair[1])) != set(map(Version, pair[2]))]
    print(f"{len(pairs):,} hits: {len(pairs) - len(others):,} with the same fixes")
    for pin, mine, its in others:
        print(f"  {'=='.join(pin)}: studio {mine}, pip-audit {its}")
    return int(bool(different))


def read(archive: Path) -> Records:
    """Return the records of an archive that are not withdrawn, by package."""
    result: Records = defaultdict(list)
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            record = json.loads(opened.read(name))
            if not record.get("withdrawn"):
                for package in {canonicalize_name(entry["package"]["name"]) for entry in record["affected"]}:
                    result[package].append(record)
    return result


def chosen(records: Records, many: int) -> list[tuple[str, str]]:
    """Return pins: versions that records list, and versions that they name as fixed."""
    chooser = random.Random(7)  # noqa: S311
    pins: set[tuple[str, str]] = set()
    for package in chooser.sample(sorted(records), min(many, len(records))):
        versions = set()
        for record in records[package]:
            for entry in record["affected"]:
                if canonicalize_name(entry["package"]["name"]) == package:
                    versions.update(entry.get("versions", ()))
                    versions.update(fixes(entry))
        usable = sorted(version for version in versions if is_version(version))
        pins.update(
            (package, str(Version(version))) for version in chooser.sample(usable, min(4, len(usable)))
        )
    return sorted(pins)


def fixes(entry: dict[str, Any]) -> Iterable[str]:
    """Yield the versions that fix a package."""
    for events in (part["events"] for part in entry.get("ranges", ()) if part["type"] == "ECOSYSTEM"):
        yield from (event["fixed"] for event in events if "fixed" in event)


def is_version(text: str) -> bool:
    """Whether a text is a version of PEP 440."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


Hits = dict[frozenset[str], list[str]]
"""The versions that fix each advisory, by its names."""


def looked_up(pins: list[tuple[str, str]]) -> dict[tuple[str, str], Hits]:
    """Return the studio's hits."""
    from builds.advisories.matching import match

    return {
        (name, version): {
            frozenset(advisory.names.values_list("name", flat=True)): fixes
            for advisory, fixes in match("pypi", name, version)
        }
        for name, version in pins
    }


def audited(records: Records, pins: list[tuple[str, str]], folder: Path) -> dict[tuple[str, str], Hits]:
    """Return pip-audit's hits: fixes that are affected by the same advisory are not counted, as the studio's are not."""
    program = install(folder)
    result: dict[tuple[str, str], Hits] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering(records))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/query"
    try:
        # A file of requirements names each package once.
        waiting = list(pins)
        while waiting:
            here = dict(waiting)
            waiting = [pin for pin in waiting if here[pin[0]] != pin[1]]
            for dependency in audit(program, url, here, folder):
                pin = (dependency["name"], dependency["version"])
                hits: Hits = {}
                for hit in dependency["vulns"]:
                    hits[frozenset(name.upper() for name in (hit["id"], *hit["aliases"]))] = hit[
                        "fix_versions"
                    ]
                result[pin] = joined(pin, hits)
    finally:
        server.shutdown()
    return result


def joined(pin: tuple[str, str], hits: Hits) -> Hits:
    """Return hits by the names that the studio has for them: several records may be one advisory there."""
    from builds.models import AdvisoryName

    result: Hits = {}
    for names, versions in hits.items():
        advisory = AdvisoryName.objects.filter(name__in=names).first()
        own = frozenset(advisory.advisory.names.values_list("name", flat=True)) if advisory else names
        newer = [text for text in versions if Version(text) > Version(pin[1])]
        result[own] = sorted({*result.get(own, ()), *newer}, key=Version)
    return result


def install(folder: Path) -> Path:
    """Install pip-audit where nothing else is."""
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "-q", folder / "audit"], check=True)
    python = folder / "audit" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, "pip-audit~=2.9"], check=True)
    return python.with_name("pip-audit")


def audit(program: Path, url: str, pins: dict[str, str], folder: Path) -> list[dict[str, Any]]:
    """Return what pip-audit says of pinned requirements."""
    file = folder / "requirements.txt"
    file.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    argv: list[str | Path] = [
        program,
        "-r",
        file,
        "--no-deps",
        "--disable-pip",
        "-s",
        "osv",
        "--osv-url",
        url,
        "-f",
        "json",
    ]
    argv += ["--progress-spinner", "off", "--aliases", "on"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return dependencies


def answering(records: Records) -> type[BaseHTTPRequestHandler]:
    """Return a handler like OSV's API: the records that list a version."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = canonicalize_name(query["package"]["name"]), Version(query["version"])
            hits = [record for record in records.get(name, ()) if lists(record, name, version)]
            body = json.dumps({"vulns": hits} if hits else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Answers


def lists(record: dict[str, Any], name: str, version: Version) -> bool:
    """Whether a record lists a version of a package."""
    return any(
        canonicalize_name(entry["package"]["name"]) == name
        and any(is_version(text) and Version(text) == version for text in entry.get("versions", ()))
        for entry in record["affected"]
    )


if __name__ == "__main__":
    main()
