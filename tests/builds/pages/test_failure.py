"""Which line of a definition a failure is about, and how its message is shortened."""

from __future__ import annotations

import pytest

from builds.models import Build
from builds.pages.failure import failing_line, in_short, source_of
from environments.definition import read
from environments.versions.service import save_reading
from tests.builds.scenarios import fail_build, queue_build, workspace_named

pytestmark = pytest.mark.django_db

PIP = "# numpy is for later\nsix==1.16.0\nscikit_learn==1.3.2  # not pandas\nnumpy==2.1.3\n"
CONDA = """\
name: a
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::xgboost=2
  - pip:
      - torch==2.1
"""
DOCKERFILE = "FROM docker.io/library/python:3.11\n\nRUN pip install six\nRUN make \\\n  all\n"


def failed(text: str, filename: str, error: str, code: str = "conflict", fault: str = "author") -> Build:
    reading = read(text, filename)
    assert reading.definition is not None, reading.findings
    version = save_reading(workspace_named("lab"), "failing", reading, source=text).version
    build = queue_build(version)
    fail_build(build, error=error, code=code)
    Build.objects.filter(pk=build.pk).update(error_fault=fault)
    build.refresh_from_db()
    return build


@pytest.mark.parametrize(
    ("text", "filename", "error", "code", "line"),
    [
        (PIP, "requirements.txt", "There is no package scikit-learn in the index.", "package-not-found", 3),
        (PIP, "requirements.txt", "numpy-2.1.3 does not fit.", "conflict", 4),
        (PIP, "requirements.txt", "Because six==1.16 needs numpy", "conflict", 2),
        (PIP, "requirements.txt", "Nothing is named here.", "conflict", None),
        (CONDA, "conda.yaml", "No channel has xgboost 2.", "no-matching-version", 5),
        (CONDA, "conda.yaml", "Because torch==2.1 needs it", "conflict", 7),
        (DOCKERFILE, "Dockerfile", "The step “RUN make   all” at line 4 failed: no", "command-failed", 4),
        (DOCKERFILE, "Dockerfile", "The step “RUN pip install six” failed", "command-failed", 3),
        (
            DOCKERFILE,
            "Dockerfile",
            "The Dockerfile cannot be read at line 900: x",
            "dockerfile-invalid",
            None,
        ),
        (DOCKERFILE, "Dockerfile", "There is no such image.", "base-not-found", 1),
    ],
)
def test_a_failure_leads_to_the_line_that_it_names(
    text: str, filename: str, error: str, code: str, line: int | None
) -> None:
    assert source_of(failed(text, filename, error, code)).failing == line


def test_a_failure_of_the_studio_is_about_no_line() -> None:
    assert (
        source_of(failed(PIP, "requirements.txt", "numpy is on a full disk", fault="studio")).failing is None
    )


@pytest.mark.parametrize("error", ["“" * 4000, "a" * 4000, "-" * 4000, "a-" * 2000, "at line " * 500])
def test_hostile_messages_take_no_time(error: str) -> None:
    build = failed(PIP, "requirements.txt", error)
    assert failing_line(build, PIP.splitlines() * 200) is None


@pytest.mark.parametrize(
    ("message", "summary", "folded"),
    [
        ("Short.", "Short.", False),
        ("", "", False),
        ("First line\nand more", "First line.", True),
        ("One sentence. " + "Another one " * 30, "One sentence.", True),
        ("They conflict: " + "because of this " * 30, "They conflict.", True),
        ("x" * 500, "x" * 219 + "…", True),
    ],
)
def test_a_long_message_is_shortened_to_its_first_sentence(message: str, summary: str, folded: bool) -> None:
    assert in_short(message) == (summary, message.strip() if folded else "")
