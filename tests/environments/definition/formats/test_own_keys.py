"""The studio's own keys: what limits uploads, and the index of a single package."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import CannotWrite, Definition, diff, read, write
from environments.definition.model import Cutoff, PythonLayer

LIMITS = st.sampled_from(["any", "14 days", "36 hours", "2026-06-01", "2026-06-01T12:00:00Z"])
KEYS = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True).filter(lambda name: name != "default")
CUTOFFS = st.builds(
    Cutoff,
    as_of=st.just(""),
    newest=st.sampled_from(["", "14 days"]),
    exceptions=st.dictionaries(KEYS, LIMITS, max_size=3),
) | st.builds(Cutoff, as_of=st.just("2026-06-01"), exceptions=st.dictionaries(KEYS, LIMITS, max_size=3))


def of(keys: str) -> Definition:
    reading = read(f"image: python:3.11\nconda_file: {{dependencies: [python=3.11]}}\n{keys}\n")
    assert reading.definition is not None, reading.findings
    return reading.definition


def refused(keys: str) -> list[tuple[str, int | None]]:
    reading = read(f"image: python:3.11\n{keys}\n")
    assert reading.definition is None
    return [(finding.code, finding.line) for finding in reading.errors]


@pytest.mark.parametrize(
    ("keys", "errors"),
    [
        ("as_of: 2026-06-31", [("bad-cutoff", 2)]),
        ("as_of: 14 days", [("bad-cutoff", 2)]),
        ("newest: 2026-06-01", [("bad-cutoff", 2)]),
        ("newest: one month", [("bad-cutoff", 2)]),
        ("newest: [14 days]", [("wrong-shape", 2)]),
        ("newest:\n  default: 14 days\n  numpy: sometimes", [("bad-cutoff", 4)]),
        ("newest:\n  default: 14 days\n  numpy: [any]", [("wrong-shape", 4)]),
        ("newest:\n  'a b': any", [("bad-cutoff", 3)]),
        ("newest:\n  https://u:pass0word@x.example: any", [("secret-in-definition", 3)]),
        ("as_of: 2026-06-01\nnewest: 14 days", [("cutoff-twice", 3)]),
        ("newest: x\npython: {package_indexes: {a: b}}", [("bad-cutoff", 2), ("bad-package-index", 3)]),
        ("python:\n  package_indexes:\n    'a\"b': https://x.example/", [("bad-package-index", 4)]),
        ("python:\n  package_indexes:\n    a: ftp://x.example/", [("bad-package-index", 4)]),
        ("python:\n  package_indexes:\n    a: https://u:pass0word@x.example/", [("secret-in-definition", 4)]),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_line(keys: str, errors: list[tuple[str, int]]) -> None:
    assert refused(keys) == errors


def test_thousands_of_exceptions_are_refused_in_one_finding() -> None:
    keys = "newest:\n" + "".join(f"  p{number}: any\n" for number in range(5_000))
    assert refused(keys) == [("too-large", 3)]


def test_thousands_of_indexes_are_refused_in_one_finding() -> None:
    """A build looks up the host of each."""
    keys = "python:\n  package_indexes:\n" + "".join(
        f"    p{n}: https://h{n}.example\n" for n in range(5_000)
    )
    assert refused(keys) == [("too-large", 4)]


def test_the_keys_are_read_in_one_spelling() -> None:
    definition = of(
        "newest: {default: 2 weeks, NumPy: any}\npython: {package_indexes: {Torch_Audio: https://x.example/w/}}"
    )
    assert definition.cutoff == Cutoff(newest="14 days", exceptions={"numpy": "any"})
    assert definition.python.package_indexes == {"torch-audio": "https://x.example/w"}
    assert of("as_of: 2026-06-01").cutoff == Cutoff(as_of="2026-06-01")
    assert of("newest: any").cutoff == Cutoff()


def test_another_limit_or_index_is_another_image_and_another_spelling_is_not() -> None:
    plain = of("")
    assert of("newest: 14 days").hash == of("newest: P2W").hash
    assert len({plain.hash, of("newest: 14 days").hash, of("as_of: 2026-06-01").hash}) == 3
    assert of("python: {package_indexes: {a: https://x.example/w}}").hash != plain.hash


def test_a_difference_is_in_words() -> None:
    old, new = of("newest: 14 days"), of("newest: {default: 14 days, numpy: any}")
    assert [(change.text, change.old, change.new) for change in diff(old, new).other] == [
        ("limit of uploads changed", "at least 14 days old", "at least 14 days old, except numpy (any)")
    ]
    assert diff(of(""), old).summary == "limit of uploads added · needs a new image"
    there = of("python: {package_indexes: {a: https://x.example/w}}")
    assert [(c.text, c.old, c.new) for c in diff(there, of("")).other] == [
        ("index of a changed", "https://x.example/w", "")
    ]


@given(CUTOFFS, st.dictionaries(KEYS, st.sampled_from(["https://x.example/simple"]), max_size=2))
@settings(max_examples=60)
def test_both_azure_formats_read_back_what_was_written(cutoff: Cutoff, indexes: dict[str, str]) -> None:
    python = PythonLayer(pip=("numpy==2.0",), package_indexes=indexes)
    definition = Definition(image="host", python=python, cutoff=cutoff)
    for format in ("v2-yaml", "v1-json"):
        assert read(write(definition, format)).definition == definition


@pytest.mark.parametrize("format", ["conda-env", "requirements", "dockerfile"])
def test_other_formats_do_not_lose_them_silently(format: str) -> None:
    python = PythonLayer(pip=("numpy==2.0",))
    for change in (
        Definition(image="host", python=python, cutoff=Cutoff(newest="14 days")),
        Definition(
            image="host", python=python.model_copy(update={"package_indexes": {"a": "https://x.example"}})
        ),
    ):
        with pytest.raises(CannotWrite):
            write(change, format)
