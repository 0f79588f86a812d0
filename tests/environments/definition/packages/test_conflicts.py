"""The sides of a conflict are read out of the solvers' own explanations."""

from __future__ import annotations

import pytest

from builds.imaging.reporting import short_reason
from environments.definition.packages.conflicts import (
    MOST_ROWS,
    YOU,
    Row,
    rows_of,
    sentence_of,
    suggestion_of,
)

UV = (
    "No solution found when resolving dependencies: Because scikit-learn==1.3.2 depends on numpy>=1.17.3,<2.0 and"
    " you require scikit-learn==1.3.2, we can conclude that you require numpy>=1.17.3,<2.0. And because you require"
    " numpy==2.1.3, we can conclude that your requirements are unsatisfiable."
)
RATTLER = """The following packages are incompatible
├─ numpy ==2.1.3 can be installed with any of the following options:
│  └─ numpy 2.1.3
└─ scikit-learn ==1.3.2 cannot be installed because there are no viable options:
   └─ scikit-learn 1.3.2 would require
      └─ numpy >=1.26.0,<2.0, which conflicts with any installable versions previously reported"""


def test_uvs_proof_becomes_rows_the_definitions_own_first() -> None:
    assert rows_of(UV) == [
        Row(YOU, "scikit-learn==1.3.2"),
        Row(YOU, "numpy==2.1.3"),
        Row("scikit-learn==1.3.2", "numpy>=1.17.3,<2.0"),
    ]


def test_rattlers_tree_becomes_rows() -> None:
    assert rows_of(RATTLER) == [
        Row(YOU, "numpy ==2.1.3"),
        Row(YOU, "scikit-learn ==1.3.2"),
        Row("scikit-learn 1.3.2", "numpy >=1.26.0,<2.0"),
    ]


@pytest.mark.parametrize("text", [UV, RATTLER])
def test_a_conflict_is_one_sentence_with_a_suggestion(text: str) -> None:
    rows = rows_of(text)
    assert "you request numpy" in sentence_of(rows)
    assert "scikit-learn" in sentence_of(rows)
    assert suggestion_of(rows).startswith("Change numpy to a version that fits >=1.")


@pytest.mark.parametrize(
    "text",
    ["", "no idea", "├─", "Because", "depends on " * 5000, "├─ a would require\n" * 5000, "\0\x1b[31m"],
)
def test_another_text_gives_no_wrong_rows_and_no_long_list(text: str) -> None:
    rows = rows_of(text)
    assert len(rows) <= MOST_ROWS
    assert sentence_of(rows) == "" or rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[Errno -2] Name or service not known", "host name not found"),
        ("[Errno 111] Connection refused", "connection refused"),
        (
            "('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))",
            "the connection broke off",
        ),
        ("The read operation timed out", "no answer in time"),
        ("it answered 503", "it answered 503"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "its certificate can't be verified"),
        ("something else", "it doesn't answer as it should"),
    ],
)
def test_what_libraries_say_becomes_a_few_plain_terms(text: str, reason: str) -> None:
    assert short_reason(text) == reason
    assert short_reason(OSError(text)) == reason
