"""Records of anyone are read within bounds; versions are matched as OSV describes."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.advisories.affected import Affected, fixed_in, in_range
from builds.advisories.osv import BadRecord, read_record
from tests.builds.advisories.records import record

PAIRS = (("introduced", "0"), ("fixed", "1.5"), ("introduced", "2.0"), ("last_affected", "2.3"))
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
FOUR = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("0.1", True),
        ("1.5rc1", True),
        ("1.5", False),
        ("1.5.post1", False),
        ("2.0", True),
        ("2.0.dev1", False),
        ("2.3", True),
        ("2.3+cu118", True),
        ("1.5+cu118", False),
        ("2.3.1", False),
        ("1!1.0", False),
        ("no version", False),
        ("", False),
        ("1" * 500, False),
    ],
)
def test_a_version_is_affected_by_the_events_of_a_range(version: str, affected: bool) -> None:
    assert Affected("pypi", "lib", ranges=(PAIRS,)).affects(version) is affected


def test_limits_end_a_range_and_an_event_that_is_no_version_makes_it_affect_nothing() -> None:
    assert in_range((("introduced", "1.0"), ("limit", "2.0")), "1.9", "pypi")
    assert not in_range((("introduced", "1.0"), ("limit", "2.0")), "2.0", "pypi")
    assert in_range((("introduced", "1.0"), ("limit", "*"), ("limit", "2.0")), "3.0", "pypi")
    assert not in_range((("introduced", "0"), ("fixed", "2004-wednesday")), "1.0", "pypi")


def test_a_listed_version_is_affected_in_any_spelling() -> None:
    entry = Affected("pypi", "lib", versions=frozenset({"1.0.0", "2004d"}))
    assert entry.affects("1.0")
    assert entry.affects("1.0+local")
    assert entry.affects("2004d")
    assert not entry.affects("1.0.1")


def test_a_listed_version_that_is_in_no_order_has_no_fix() -> None:
    entry = Affected(
        "pypi", "pytz", ranges=((("introduced", "0"), ("fixed", "2.0")),), versions=frozenset({"2004d"})
    )
    assert entry.affects("2004d")
    assert not entry.affects("2004e")
    assert fixed_in([entry], "2004d", "pypi") == []


def test_debian_versions_are_compared_as_dpkg_does() -> None:
    events = (("introduced", "0"), ("fixed", "1:2.36-9+deb12u4"))
    assert in_range(events, "1:2.36-9+deb12u3", "debian")
    assert in_range(events, "2.99", "debian")
    assert in_range(events, "1:2.36-9~rc1", "debian")
    assert not in_range(events, "1:2.36-9+deb12u10", "debian")


def test_fixes_are_newer_smallest_first_and_not_affected_themselves() -> None:
    ranges = (
        (("introduced", "2.2"), ("fixed", "2.2.18"), ("introduced", "3.0"), ("fixed", "3.0.12")),
        (("introduced", "3.0.12"), ("fixed", "3.1.6")),
    )
    entry = Affected("pypi", "lib", ranges=ranges)
    assert fixed_in([entry], "2.2.5", "pypi") == ["2.2.18", "3.1.6"]
    assert fixed_in([entry], "3.0.1", "pypi") == ["3.1.6"]


@pytest.mark.parametrize(
    ("more", "severity", "score"),
    [
        ({"severity": [{"type": "CVSS_V3", "score": CRITICAL}]}, "critical", 9.8),
        ({"severity": [{"type": "CVSS_V4", "score": FOUR}]}, "critical", 9.3),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]}, "unknown", None),
        ({"severity": [{"type": "CVSS_V3", "score": "x" * 10**6}, 7, None]}, "unknown", None),
        ({"database_specific": {"severity": "MODERATE"}}, "medium", None),
        ({"severity": "high", "database_specific": ["HIGH"]}, "unknown", None),
    ],
)
def test_severity_is_read_from_vectors_or_from_what_its_publisher_calls_it(
    more: dict[str, Any], severity: str, score: float | None
) -> None:
    read = read_record(record("GHSA-aaaa-bbbb-cccc", **more))
    assert (read.severity, read.score) == (severity, score)


def test_names_of_distributions_mean_the_cve_and_bulletins_are_left_to_the_records_of_their_cves() -> None:
    read = read_record(record("DEBIAN-CVE-2024-1234", "openssl", ecosystem="Debian:12"))
    assert read.aliases == ("DEBIAN-CVE-2024-1234", "CVE-2024-1234")
    assert (read.affected[0].ecosystem, read.affected[0].release) == ("debian", "debian:12")
    assert not read_record(record("DSA-5000-1", upstream=["CVE-2024-1", "CVE-2024-12345"])).affected
    assert read_record(record("DSA-5001-1", "curl", ecosystem="Debian:12")).affected
    assert (
        read_record(record("UBUNTU-CVE-2024-1234", ecosystem="Ubuntu:22.04:LTS")).affected[0].release
        == "ubuntu:22.04"
    )
    assert not read_record(record("UBUNTU-CVE-2024-1234", ecosystem="Ubuntu:Pro:18.04:LTS")).affected


def test_texts_lose_what_no_database_takes_and_links_are_those_of_the_web() -> None:
    hostile: dict[str, Any] = {
        "summary": "a\x00b\ud800c",
        "details": "x" * 10**6,
        "references": [{"type": "ADVISORY", "url": "javascript:alert(1)"}],
    }
    read = read_record(record("CVE-2024-1234", **hostile))
    assert read.summary == "abc"
    assert len(read.details) == 20_000
    assert read.url == "https://osv.dev/vulnerability/CVE-2024-1234"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {"id": "x"},
        record("<script>"),
        record("CVE-2024-1234", aliases=("CVE-2024-1",) * 51),
        record("CVE-2024-1234", events=[{"introduced": "0"}] * 5_001),
        {**record("CVE-2024-1234"), "affected": [{}] * 2_001},
    ],
)
def test_what_is_no_record_or_beyond_every_bound_is_refused(data: Any) -> None:
    with pytest.raises(BadRecord):
        read_record(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(record("CVE-2024-1234", severity=[], references=[]))), json_values)
def test_any_json_in_any_field_is_read_or_refused(field: str, value: Any) -> None:
    data = json.loads(json.dumps({**record("CVE-2024-1234"), field: value}))
    with suppress(BadRecord):
        read_record(data)


def test_matching_a_record_at_its_bounds_takes_moments() -> None:
    events = tuple((("introduced", f"{n}.0"), ("fixed", f"{n}.5"))[k] for n in range(2_500) for k in (0, 1))
    entry = Affected("pypi", "lib", ranges=(events,))
    began = time.process_time()
    assert entry.affects("2499.1")
    assert fixed_in([Affected("pypi", "lib", ranges=(PAIRS,))], "1.0", "pypi") == ["1.5"]
    assert time.process_time() - began < 5
