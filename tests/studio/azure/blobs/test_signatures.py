"""Shared access signatures: changed in any way, they are refused."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.azure.blobs.signatures import Holder, _signature, check, sign

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOLDER = Holder(7, 12)
FIELDS = ("sv", "sr", "sp", "se", "si", "sig")


def query(container: str = "c1", rights: str = "rcw", holder: Holder = HOLDER) -> dict[str, list[str]]:
    return parse_qs(sign(container, rights, holder, lasting=HOUR, now=NOW))


def test_a_signature_is_good_for_its_container_and_rights_until_it_expires() -> None:
    assert check(query(), "c1", "r", now=NOW) == HOLDER
    assert check(query(), "c1", "cw", now=NOW + timedelta(minutes=59)) == HOLDER


def test_an_expired_signature_is_refused() -> None:
    assert check(query(), "c1", "r", now=NOW + HOUR) is None


def test_a_signature_lasts_a_day_at_most() -> None:
    signature = parse_qs(sign("c1", "r", HOLDER, lasting=timedelta(days=9000), now=NOW))
    assert check(signature, "c1", "r", now=NOW + timedelta(hours=23)) == HOLDER
    assert check(signature, "c1", "r", now=NOW + timedelta(hours=25)) is None


def test_a_signature_of_another_container_or_without_the_right_is_refused() -> None:
    assert check(query(), "c2", "r", now=NOW) is None
    assert check(query(rights="r"), "c1", "cw", now=NOW) is None


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_missing_or_twice_is_refused(name: str) -> None:
    signature = query()
    assert check({key: value for key, value in signature.items() if key != name}, "c1", "r", now=NOW) is None
    assert check(signature | {name: signature[name] * 2}, "c1", "r", now=NOW) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("se", "2999-01-01T00:00:00Z"),
        ("se", "never"),
        ("sp", "rcwd"),
        ("sr", "b"),
        ("si", "1.12"),
        ("sv", "2099-01-01"),
        ("sig", ""),
        ("sig", "ü\ud800"),
    ],
)
def test_a_field_with_another_value_is_refused(name: str, value: str) -> None:
    assert check(query() | {name: [value]}, "c1", "r", now=NOW) is None


@given(name=st.sampled_from(FIELDS), value=st.text())
def test_no_change_of_a_field_is_accepted(name: str, value: str) -> None:
    signature = query()
    if signature[name] != [value]:
        assert check(signature | {name: [value]}, "c1", "r", now=NOW) is None


@given(container=st.text(), rights=st.text(), at=st.integers(1, 5))
def test_no_text_moves_from_a_field_into_the_next(container: str, rights: str, at: int) -> None:
    signature = query(container="c1" + container, rights="r" + rights)
    moved = (container + rights)[:at]
    other = {**signature, "sp": ["r" + rights + moved]}
    if moved:
        assert check(other, "c1" + container, "r", now=NOW) is None


def test_a_signature_for_a_single_file_opens_no_container() -> None:
    of_a_file = {name: value[0] for name, value in query().items() if name != "sig"} | {"sr": "b"}
    of_a_file["sig"] = _signature("c1", of_a_file)
    assert check({name: [value] for name, value in of_a_file.items()}, "c1", "r", now=NOW) is None


def test_no_field_takes_on_a_part_of_another() -> None:
    fields = dict.fromkeys(FIELDS[:-1], "x")
    assert _signature("ab", fields) != _signature("a", fields | {"sv": "bx"})
