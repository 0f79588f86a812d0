"""`make audit` says what is known of the locked libraries, and never “nothing” where nobody answered."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from scripts import audit
from tests.images.serving import Answer, Server

WEAK = {
    "id": "PYSEC-2099-1",
    "aliases": ["CVE-2099-0001"],
    "summary": "It can be talked into anything.",
    "modified": "2099-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "weak", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            "versions": ["1.0"],
        }
    ],
}


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(audit, "SERVICES", ("osv",))
    place = tmp_path / "requirements.txt"
    place.write_text("weak==1.0\n    # via nobody\nsound==2.0 ; python_version >= '3'\n")
    return str(place)


def advised(vulns: dict[str, list[object]]) -> Server:
    """Return an advisory service that knows these."""

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        asked = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        found = vulns.get(asked["package"]["name"], [])
        return (
            200,
            {"Content-Type": "application/json"},
            json.dumps({"vulns": found} if found else {}).encode(),
        )

    server = Server(answer)
    handler = server._server.RequestHandlerClass
    handler.do_POST = handler.do_GET  # type: ignore[attr-defined]
    return server


def test_a_known_weakness_is_named_with_the_version_that_is_without_it(
    lock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with advised({"weak": [WEAK]}).running() as service:
        assert audit.main([lock, f"--osv-url={service.url}"]) == 1

    assert capsys.readouterr().out == "weak 1.0: PYSEC-2099-1, CVE-2099-0001, fixed in 1.1\n"


def test_where_nothing_is_known_that_is_said(lock: str, capsys: pytest.CaptureFixture[str]) -> None:
    with advised({}).running() as service:
        assert audit.main([lock, f"--osv-url={service.url}"]) == 0

    assert "No weakness is known of 2 libraries." in capsys.readouterr().out


def test_where_nobody_answers_nothing_is_promised(lock: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([lock, "--osv-url=http://127.0.0.1:9/"]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "NOT CHECKED: 2 of the locked libraries. No advisory service could be asked:" in said.err
