"""Licences as SPDX expressions, from texts that anyone may have written."""

from __future__ import annotations

from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builds.imaging.licences.declared import of_conda, of_wheel
from builds.imaging.licences.expressions import allowed, expression, licences_in


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("MIT", "MIT"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("MIT License", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("BSD 3-Clause License", "BSD-3-Clause"),
        ("Apache-2.0 or MIT", "Apache-2.0 OR MIT"),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("LicenseRef-Proprietary", "LicenseRef-Proprietary"),
    ],
)
def test_a_licence_gets_its_usual_spelling(text: str, spelled: str) -> None:
    assert expression(text) == spelled


@pytest.mark.parametrize(
    "text",
    ["", "BSD", "UNKNOWN", "see LICENSE", "MIT AND", "MIT WITH MIT", "Classpath-exception-2.0", "MIT\0",
     "MIT <script>alert(1)</script>", "LicenseRef-<b>", '"MIT"', "(" * 200, "MIT OR " * 100_000, "M" * 1_000_000,
     "(" * 19 + "MIT", "NOASSERTION"],
)  # fmt: skip
def test_a_text_that_names_no_licence_for_certain_is_unknown(text: str) -> None:
    assert expression(text) == ""


@given(st.text(max_size=60))
def test_every_text_is_an_expression_or_unknown(text: str) -> None:
    spelled = expression(text)
    assert spelled == "" or expression(spelled) == spelled


def metadata(**fields: str | list[str]) -> Message:
    message = Message()
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


def test_the_expression_of_a_wheel_wins_over_its_text_and_that_over_its_classifiers() -> None:
    classifiers = ["Programming Language :: Python", "License :: OSI Approved :: MIT License"]

    assert of_wheel(metadata(License_Expression="ISC", License="MIT", Classifier=classifiers)) == "ISC"
    assert of_wheel(metadata(License="Apache 2.0", Classifier=classifiers)) == "Apache-2.0"
    assert of_wheel(metadata(License="see the file", Classifier=classifiers)) == "MIT"
    assert of_wheel(metadata(License="MIT License\n\nCopyright (c) 2026 Ada")) == "MIT"
    assert of_wheel(metadata()) == ""


def test_several_classifiers_apply_together_and_a_vague_one_makes_them_unknown() -> None:
    gpl, mit = (
        "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "License :: OSI Approved :: MIT License",
    )
    assert of_wheel(metadata(Classifier=[gpl, mit])) == "GPL-3.0-only AND MIT"
    assert of_wheel(metadata(Classifier=[mit, "License :: OSI Approved :: BSD License"])) == ""


def test_the_index_of_a_conda_package_may_hold_anything() -> None:
    assert of_conda({"license": "BSD-3-Clause"}) == "BSD-3-Clause"
    for wrong in (None, 3, ["MIT", "x"], {"a": 1}, "GPL-compatible"):
        assert of_conda({"license": wrong}) == ""


def test_a_choice_of_licences_needs_one_that_is_allowed_and_a_sum_needs_all() -> None:
    assert allowed("MIT OR GPL-3.0-only", deny=["GPL-3.0-only"])
    assert not allowed("MIT AND GPL-3.0-only", deny=["GPL-3.0-only"])
    assert not allowed("GPL-2.0-or-later WITH Classpath-exception-2.0", deny=["GPL-2.0-or-later"])
    assert allowed("MIT", allow=["MIT"])
    assert not allowed("ISC", allow=["MIT"])
    assert not allowed("MIT", allow=["MIT"], deny=["MIT"])
    assert licences_in("(MIT OR ISC) AND MIT") == ["ISC", "MIT"]


LICENCES = st.sampled_from(["MIT", "ISC", "GPL-3.0-only", "Apache-2.0"])
EXPRESSIONS = st.recursive(
    LICENCES, lambda part: st.builds("({} {} {})".format, part, st.sampled_from(["OR", "AND"]), part), max_leaves=5
)  # fmt: skip


@given(EXPRESSIONS, st.sets(LICENCES), st.sets(LICENCES))
def test_a_longer_deny_list_never_allows_more(text: str, deny: set[str], more: set[str]) -> None:
    if allowed(text, deny=deny | more):
        assert allowed(text, deny=deny)
    assert allowed(text, deny=licences_in(text)) is False
