"""`make audit` says what is known of the locked libraries, and never “nothing” where nobody answered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.builds.imaging.serving import Answer, Server

ROOT = Path(__file__).parents[2]
WEAK = {
    "id": "PYSEC-2099-1",
    "aliases": ["CVE-2099-0001"],
    "summary": "It can be talked into anything.",
    "modified": "2099-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


def advised(*weak: str) -> Server:
    """Return an advisory service, as OSV's, that knows a weakness of these."""

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/v1/vulns/"):
            return 200, {"Content-Type": "application/json"}, json.dumps(WEAK).encode()
        query = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        results = [
            {"vulns": [{"id": WEAK["id"], "modified": WEAK["modified"]}]}
            if library["package"]["name"] in weak
            else {}
            for library in query["queries"]
        ]
        return 200, {"Content-Type": "application/json"}, json.dumps({"results": results}).encode()

    server = Server(answer)
    handler = server._server.RequestHandlerClass
    handler.do_POST = handler.do_GET  # type: ignore[attr-defined]
    return server


def audit(service: str) -> subprocess.CompletedProcess[str]:
    """Run what `make audit` runs, on another advisory service."""
    target = re.search(
        r"^audit:.*\n\t@exec \.venv/bin/uv (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert target
    return subprocess.run(
        [Path(sys.executable).parent / "uv", *target[1].split(), "--service-url", service],
        cwd=ROOT,
        env={**os.environ, "UV_HTTP_RETRIES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_known_weakness_is_named_with_the_version_that_is_without_it() -> None:
    with advised("django").running() as service:
        done = audit(service.url)

    assert done.returncode == 1
    assert re.search(r"django 5\.\S+ has 1 known vulnerability", done.stdout), done.stdout
    assert "PYSEC-2099-1" in done.stdout
    assert "99.1" in done.stdout


def test_a_lock_without_known_weaknesses_passes() -> None:
    with advised().running() as service:
        done = audit(service.url)

    assert done.returncode == 0
    assert re.search(r"Found no known vulnerabilities .* in \d\d\d packages", done.stderr), done.stderr


def test_an_audit_without_an_answer_fails_with_a_code_of_its_own() -> None:
    done = audit("http://127.0.0.1:9")

    assert done.returncode == 2
    assert done.stdout == ""
    assert "error sending request for url (http://127.0.0.1:9" in done.stderr
