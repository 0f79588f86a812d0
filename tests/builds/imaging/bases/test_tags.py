"""Newer patches of a base's tag, of what registries list."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import pytest

from builds.imaging.bases.tags import newer_patch, newest_of
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.serving import Server


@pytest.mark.parametrize(
    ("tag", "others", "newest"),
    [
        ("3.11.9", ["3.11.10", "3.11.2", "3.12.1", "3.11.10-slim", "latest"], "3.11.10"),
        ("3.11.9-slim-bookworm", ["3.11.14-slim-bookworm", "3.11.15-slim", "3.11.15-slim-trixie"], "3.11.14-slim-bookworm"),
        ("v1.2.3", ["1.2.9", "v1.2.4"], "v1.2.4"),
        ("20240101.v1", ["20240101.v2", "20240213.v1", "2024-03", "20240301.v1-rc"], "20240213.v1"),
        ("3.11.9", ["3.11.9", "3.11.8"], ""),
        ("3.11", ["3.11.9", "3.12"], ""),
        ("12.4.1-runtime-ubuntu22.04", ["12.4.2-runtime-ubuntu24.04"], ""),
        ("1.2.3", ["1.2.4.5", "1.2.99999999999999999999", "1.2.4\n", "x" * 100_000, "1.2.<b>"], ""),
        ("latest", ["1.0.0"], ""),
    ],
)  # fmt: skip
def test_only_a_later_patch_of_the_same_kind_is_newer(tag: str, others: list[str], newest: str) -> None:
    assert newest_of(tag, others) == newest


@pytest.mark.parametrize(
    "answer",
    [b"[]", b"{", b'{"tags": 7}', b"\xff\x00", b'{"tags": ["' + b"a" * 2_000_000 + b'"]}', b"[" * 100_000],
)
def test_a_list_of_tags_that_cannot_be_read_is_refused(workshop: Workshop, answer: bytes) -> None:
    with Server(lambda request: (200, {"Content-Type": "application/json"}, answer)).running() as server:
        with pytest.raises(ImageError) as refused:
            newer_patch(f"{server.address}/team/python:3.11.9", workshop)
        assert refused.value.code == "registry-unreachable"


def test_a_list_of_tags_without_end_is_read_to_a_limit(workshop: Workshop) -> None:
    requests: list[str] = []

    def endless(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        requests.append(request.path)
        tags: list[object] = [f"3.11.{len(requests)}", None, {}]
        return 200, {"Link": '</v2/next>; rel="next"'}, json.dumps({"tags": tags}).encode()

    with Server(endless).running() as server:
        newest = newer_patch(f"{server.address}/team/python:3.11.9", workshop)
    assert newest == "3.11.10"
    assert len(requests) == 10
