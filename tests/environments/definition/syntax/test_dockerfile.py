"""Dockerfiles: their grammar, their findings, and what their hash ignores."""

from __future__ import annotations

import pytest

from environments.definition import Reading, read
from environments.definition.formats.dockerfile_text import base_images
from environments.definition.syntax.dockerfile import canonical_dockerfile, instructions


def lines_of(reading: Reading, code: str) -> list[int | None]:
    return [finding.line for finding in reading.findings if finding.code == code]


FILE = """\
# syntax=docker/dockerfile:1
ARG TAG=22.04
FROM ubuntu:${TAG} AS build
# a comment
RUN apt-get update && \\
    # a comment between continued lines

    apt-get install -y gcc
RUN --mount=type=cache,target=/root/.cache <<EOF
echo FROM here
# no comment
EOF
COPY <<-"ONE" <<TWO /srv/
\tfirst
\tONE
second
TWO
FROM build
ENV A=1 B="two words"
"""


def test_instructions_are_distinguished_from_comments_continuations_and_heredocs() -> None:
    assert [
        (instruction.keyword, instruction.line, instruction.last_line) for instruction in instructions(FILE)
    ] == [
        ("ARG", 2, 2),
        ("FROM", 3, 3),
        ("RUN", 5, 8),
        ("RUN", 9, 12),
        ("COPY", 13, 17),
        ("FROM", 18, 18),
        ("ENV", 19, 19),
    ]
    result = list(instructions(FILE))
    assert result[2].arguments == "apt-get update &&     apt-get install -y gcc"
    assert result[3].heredocs == ("echo FROM here\n# no comment",)
    assert result[4].heredocs == ("first", "second")


def test_shell_shifts_and_here_strings_are_no_heredocs() -> None:
    text = "FROM a:1\nRUN echo $((x<<y)) && cat <<<EOF\nRUN true\n"
    assert [instruction.keyword for instruction in instructions(text)] == ["FROM", "RUN", "RUN"]


def test_the_escape_directive_changes_what_continues_a_line() -> None:
    text = "# escape=`\nFROM a:1\nRUN dir C:\\\nRUN one `\n  two\n"
    assert [instruction.arguments for instruction in instructions(text)] == ["a:1", "dir C:\\", "one   two"]


def test_the_base_images_of_all_stages_are_found_with_arguments_filled_in() -> None:
    text = (
        "ARG REG=reg.example\nARG BASE=${REG}/x:1\nFROM --platform=$BUILDPLATFORM ${BASE} AS one\n"
        "FROM ${UNKNOWN:-ubuntu:22.04} AS two\nFROM one\nFROM scratch\nFROM $NOTHING\nCOPY --from=two / /\n"
    )
    assert list(base_images(list(instructions(text)))) == [("reg.example/x:1", 3), ("ubuntu:22.04", 4)]


def test_arguments_that_double_with_every_line_stay_small() -> None:
    lines = ["ARG A0=aaaaaaaaaa"] + [f"ARG A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 60)]
    reading = read("\n".join([*lines, "FROM x:$A59", ""]))
    assert reading.format == "dockerfile"


@pytest.mark.parametrize(
    "other",
    [
        FILE.replace("\n", "\r\n"),
        FILE.replace("# a comment\n", ""),
        FILE.replace("FROM build", "# more\n\nfrom build"),
        "\ufeff" + FILE,
    ],
)
def test_comments_line_ends_and_blank_lines_are_not_hashed(other: str) -> None:
    """Rule 3."""
    first, two = read(FILE), read(other)
    assert first.definition is not None
    assert two.definition is not None, two.errors
    assert first.definition.hash == two.definition.hash


@pytest.mark.parametrize(
    "other",
    [
        FILE.replace("echo FROM here", "echo FROM there"),
        FILE.replace("# no comment", "# another line of the heredoc"),
        FILE.replace("ENV A=1", "ENV A=2"),
        FILE.replace("dockerfile:1", "dockerfile:1.4"),
    ],
)
def test_what_the_build_would_do_otherwise_is_hashed(other: str) -> None:
    """Rules 2 and 3: an ENV in a Dockerfile is part of it."""
    assert canonical_dockerfile(FILE) != canonical_dockerfile(other)


def test_faults_of_a_dockerfile_are_reported_with_their_line() -> None:
    reading = read("FROM ubuntu\nRUN a\n  && b\nCOPY app /srv\n", "Dockerfile")
    assert lines_of(reading, "base-floating") == [1]
    assert lines_of(reading, "dockerfile-bad-instruction") == [3]
    assert lines_of(reading, "dockerfile-copies") == [4]
    assert [error.code for error in read("RUN a\n", "Dockerfile").errors] == ["dockerfile-no-from"]


def test_pip_in_the_dockerfile_next_to_conda_packages_is_warned_of() -> None:
    """Rules 24 and 47."""
    text = "dockerfile: |\n  FROM ubuntu:22.04\n  RUN pip install flask\nconda_file: {channels: [c], dependencies: [a]}\n"
    reading = read(text)
    assert [finding.code for finding in reading.findings].count("dockerfile-pip-next-to-conda") == 1
    without = read(text.replace("conda_file", "x_conda_file"))
    assert lines_of(without, "dockerfile-pip-next-to-conda") == []


def test_a_dockerfile_over_the_limit_is_refused_with_the_limit() -> None:
    """Rule 41."""
    reading = read("FROM a:1\n" + "RUN " + "a" * (1 << 20), "Dockerfile")
    assert [error.code for error in reading.errors] == ["too-large"]
    assert "1 MB" in reading.errors[0].message
