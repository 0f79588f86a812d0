"""Newer patches of a base's tag, of what registries list."""

from __future__ import annotations

import pytest

from builds.imaging.bases.tags import newest_of


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
