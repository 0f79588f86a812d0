"""A failed build keeps raw text, the sides of a conflict, and its line in the definition."""

from __future__ import annotations

import pytest

from builds.causes import failure_details
from builds.imaging.reporting import ImageError
from tests.environments.definition.packages.test_conflicts import UV

TEXT = "# numpy is below\nscikit-learn==1.3.2\nNumPy==2.1.3  # new\nnumpy-financial==1.0\n"


def same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("numpy", 3),
        ("NumPy==2.1.3", 3),
        ("numpy_financial", 4),
        ("scikit-learn==1.3.2", 2),
        ("absent", None),
        ("", None),
    ],
)
def test_the_line_of_what_fails_is_stored_with_its_text(subject: str, line: int | None) -> None:
    details = failure_details(ImageError("package-not-found", "x", subject=subject), TEXT, "host", "", same)
    assert details.get("line") == line
    if line is not None:
        assert details["text"] == TEXT.split("\n")[line - 1]


def test_a_conflict_has_its_sides_a_suggestion_and_its_raw_text() -> None:
    details = failure_details(ImageError("conflict", "x", detail=UV), TEXT, "host", "", same)
    assert details["conflict"] == [
        {"who": "", "what": "scikit-learn==1.3.2"},
        {"who": "", "what": "numpy==2.1.3"},
        {"who": "scikit-learn==1.3.2", "what": "numpy>=1.17.3,<2.0"},
    ]
    assert str(details["suggestion"]).startswith("Change numpy")
    assert details["raw"] == UV
    assert details["line"] == 2


def test_a_base_is_shown_at_the_line_that_names_it() -> None:
    text = "name: x\nimage: registry.example/a:1\n"
    details = failure_details(ImageError("base-not-found", "x"), text, "registry.example/a:1", "", same)
    assert (details["line"], details["text"]) == (2, "image: registry.example/a:1")


def test_a_step_of_a_dockerfile_inside_of_yaml_is_shown_at_its_line_there() -> None:
    dockerfile = "FROM python:3.12\nRUN make all\n"
    text = "name: x\ndockerfile: |\n  FROM python:3.12\n  RUN make all\n"
    failure = ImageError("command-failed", "x", source_line=2)
    assert failure_details(failure, text, "", dockerfile, same)["line"] == 4
    assert failure_details(failure, dockerfile, "", dockerfile, same)["line"] == 2
    far = ImageError("command-failed", "x", source_line=99)
    assert "line" not in failure_details(far, dockerfile, "", dockerfile, same)


def test_secrets_are_masked_and_long_texts_are_cut() -> None:
    def masked(text: str) -> str:
        return text.replace("hunter2", "****")

    failure = ImageError("index-unreachable", "x", detail="hunter2 " * 5000, subject="numpy")
    details = failure_details(failure, "--index-url https://u:hunter2@h/numpy\n", "host", "", masked)
    assert "hunter2" not in repr(details)
    assert "line" not in details
    assert len(str(details["raw"])) <= 8000


def test_control_characters_of_tools_are_left_out() -> None:
    details = failure_details(ImageError("x", "x", detail="\x1b[31mred\x1b[0m\x00"), "", "", "", same)
    assert details["raw"] == "red"
