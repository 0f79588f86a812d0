"""Hostile input is refused with a reason, by pages and the API alike."""

from __future__ import annotations

import asyncio
import io
import json
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from builds.models import Build
from environments.models import Role, Version
from studio.middleware.body_limits import most_bytes, within_bounds
from tests.builds.scenarios import browser_of, person
from tests.environments.definition.formats.test_context import tarred, zipped
from tests.environments.definition.test_hostile import bomb
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db

MEGABYTE = 1 << 20
FROM = {"Dockerfile": b"FROM a:1\n"}
API = "/api/v1/workspaces/lab/environments/upload/versions/"


@pytest.fixture
def caller() -> Caller:
    return Caller(person("carla", lab=Role.CONTRIBUTOR))


@pytest.fixture
def browser(caller: Caller) -> Client:
    return browser_of(User.objects.get(username="carla"))


def entry(name: str, kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return tarred(FROM, extra=info)


def many_folders() -> bytes:
    """A zip of 200,000 entries that are all folders."""
    local = b"PK\x03\x04" + b"\0" * 22 + struct.pack("<HH", 2, 0) + b"a/"
    central = b"PK\x01\x02" + b"\0" * 24 + struct.pack("<HHH", 2, 0, 0) + b"\0" * 12 + b"a/"
    directory = central * 200_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(directory), len(local), 0)
    return local + directory + end


def many_files() -> bytes:
    return zipped(FROM | {f"f{number}": b"" for number in range(5_001)})


def long_header(kind: bytes) -> bytes:
    """A tar whose first entry is a header of 50 MB."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 50 * MEGABYTE
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(info, io.BytesIO(b"6 a=b\n" * (info.size // 6 + 1)))
    return stream.getvalue()


def sparse() -> bytes:
    """A tar with a file of 10 numbers that says it is made of holes."""
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 12}
    return tarred(FROM, extra=info)


def large_dictionary() -> bytes:
    """An xz file that wants 1.5 GB of memory."""
    packed = bytearray(lzma.compress(tarred(FROM, "w"), filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}]))
    # The size of the dictionary is one byte of the block's header, which has a checksum behind it.
    header = packed[12 : 12 + (packed[12] + 1) * 4]
    at = header.index(b"\x21\x01") + 2
    header[at] = 39
    header[-4:] = zlib.crc32(bytes(header[:-4])).to_bytes(4, "little")
    packed[12 : 12 + len(header)] = header
    return bytes(packed)


def packed_otherwise() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("Dockerfile", "FROM a:1\n")
    content = bytearray(stream.getvalue())
    content[50:60] = b"\xff" * 10
    return bytes(content)


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a zip bomb": (lambda: zipped(FROM | {"zeros": bytes(101 * MEGABYTE)}), "limit is 100 MB"),
    "a tar bomb": (lambda: tarred(FROM | {"zeros": bytes(101 * MEGABYTE)}), "limit is 100 MB"),
    "too many files": (many_files, "limit is 5000 files"),
    "too many folders": (many_folders, "limit is 5000 files"),
    "a link": (lambda: entry("link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "a hard link": (lambda: entry("link", tarfile.LNKTYPE, "../../etc/passwd"), "is a link"),
    "a device": (lambda: entry("sda", tarfile.BLKTYPE), "no plain file"),
    "a pipe": (lambda: entry("pipe", tarfile.FIFOTYPE), "no plain file"),
    "an absolute path": (lambda: tarred(FROM | {"/etc/cron.d/x": b"x"}), "leads out"),
    "a path that leads out": (lambda: zipped(FROM | {"../../x": b"x"}), "leads out"),
    "a very long path": (lambda: zipped(FROM | {"a" * 1_001: b"x"}), "too long or too deep"),
    "a very deep path": (lambda: tarred(FROM | {"a/" * 101 + "b": b"x"}), "too long or too deep"),
    "a long pax header": (lambda: long_header(tarfile.XHDTYPE), "header that is too long"),
    "a long name's header": (lambda: long_header(tarfile.GNUTYPE_LONGNAME), "header that is too long"),
    "a sparse file": (sparse, "no plain file"),
    "an xz that wants much memory": (large_dictionary, "Memory usage limit"),
    "a zip packed otherwise": (packed_otherwise, "packed in another way"),
    "a huge file": (lambda: b"a==1\n" * (2 * MEGABYTE), "limit is 1 MB"),
    "a YAML bomb": (lambda: bomb().encode(), "aliases"),
    "deep YAML": (lambda: b"a: " + b"[" * 100_000, "nesting"),
    "deep JSON": (lambda: b'{"a": ' + b"[" * 100_000, "nesting"),
}
LARGE = {"a zip bomb", "a tar bomb", "too many files", "too many folders"}


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=pytest.mark.slow if what in LARGE else ()) for what in FILES]
)
def test_a_file_that_means_harm_is_refused_with_a_reason_and_little_memory(
    browser: Client, caller: Caller, what: str
) -> None:
    make, reason = FILES[what]
    content = make()

    def file() -> SimpleUploadedFile:
        return SimpleUploadedFile("upload", content)

    tracemalloc.start()
    page = browser.post("/w/lab/new/", {"workspace": "lab", "name": "upload", "file": file()})
    answer = caller.client.post(API, {"file": file()}, headers=caller.headers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert page.status_code == 422
    assert reason in page.content.decode()
    assert answer.status_code == 400
    assert any(reason in finding["message"] for finding in answer.json()["findings"]), answer.json()[
        "findings"
    ]
    assert not Version.objects.exists()
    assert peak < 350 * MEGABYTE


def test_an_xz_of_the_usual_kind_is_read(browser: Client) -> None:
    content = tarred(FROM, "w:xz") + b"\0" * 4
    answer = browser.post("/w/lab/new/", {"workspace": "lab", "name": "fine", "file": SimpleUploadedFile("c", content)})  # fmt: skip
    assert answer.status_code == 302
    assert not Build.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"[" * 200_000, 400, "nested too deeply"),
        (b'{"a":' * 200_000, 400, "nested too deeply"),
        (b'{"text": "' + b"x" * (5 * MEGABYTE) + b'"}', 413, "up to 5 MB"),
        (b'{"text": 1' + b"0" * 100_000 + b"}", 400, ""),
        (b'{"text": "\xff"}', 400, ""),
        (b"{", 400, ""),
        (b"[]", 400, ""),
    ],
)
def test_json_that_means_harm_is_refused(caller: Caller, body: bytes, status: int, sentence: str) -> None:
    for path in ("/api/v1/findings/", API):
        answer = caller.client.generic(
            "POST", path, body, content_type="application/json", headers=caller.headers
        )
        assert answer.status_code == status
        payload = json.loads(answer.content)
        assert payload["code"]
        assert sentence in payload["message"]


def test_a_form_of_too_many_fields_or_too_much_text_is_refused(browser: Client, caller: Caller) -> None:
    many = {f"f{number}": "" for number in range(2_000)}
    large = {"text": "x" * (6 * MEGABYTE)}
    assert browser.post("/w/lab/new/", many).status_code == 400
    assert "too large or damaged" in browser.post("/w/lab/new/", large).content.decode()

    answers = [caller.client.post(API, data, headers=caller.headers) for data in (many, large)]
    assert [answer.status_code for answer in answers] == [400, 413]
    assert [answer.json()["code"] for answer in answers] == ["invalid", "too-large"]


# Before anybody has looked at it


def exchange(
    path: str, headers: dict[str, str], pieces: list[bytes], app: Any = None
) -> tuple[int, str, int]:
    """Return status, body, and how many pieces were taken."""
    taken = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": pieces[taken - 1], "more_body": taken < len(pieces)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    async def reads_all(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "headers": encoded}
    asyncio.run(within_bounds(app or reads_all, scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    if sent[0]["status"] == 413:
        names = {name for name, _ in sent[0]["headers"]}
        assert {b"content-security-policy", b"x-content-type-options"} <= names
    return sent[0]["status"], sent[1]["body"].decode(), taken


def test_a_body_that_says_that_it_is_too_large_is_not_even_taken() -> None:
    status, body, taken = exchange("/w/lab/new/", {"content-length": str(most_bytes() + 1)}, [b""])
    assert (status, taken) == (413, 0)
    assert "too large or damaged" in body
    for path, code in (("/api/v1/findings/", '"too-large"'), ("/v2/lab/x/blobs/uploads/", '"SIZE_INVALID"')):
        status, body, _ = exchange(path, {"content-length": "9" * 30}, [b""])
        assert status == 413
        assert code in body
        json.loads(body)


def test_a_body_that_does_not_say_its_size_is_taken_as_far_as_there_may_be(settings: Settings) -> None:
    piece = bytes(MEGABYTE)
    fits = most_bytes() // MEGABYTE

    status, body, taken = exchange("/api/v1/findings/", {}, [piece] * (fits + 50))
    assert (status, taken) == (413, fits + 1)
    assert '"too-large"' in body
    assert exchange("/api/v1/findings/", {}, [piece] * fits)[:2] == (200, "read")
