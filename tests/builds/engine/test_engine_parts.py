"""Parsing of Dockerfiles and of the engine's output, without an engine."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from builds.engine import syntax
from builds.engine.context import HIDDEN, fingerprint, packed
from builds.engine.dockerfiles.named import Answers
from builds.engine.dockerfiles.sources import judged, sources
from builds.engine.dockerfiles.words import Expansion
from builds.engine.exchange import EngineRefused
from builds.engine.failures import explained
from builds.engine.output import Output, output_of
from builds.imaging.reporting import ImageError
from environments.definition import Definition, read, read_path

STAGES = """\
ARG VERSION=22.04
ARG NAME="ubuntu"
FROM --platform=$BUILDPLATFORM ${NAME}:${VERSION} AS Builder
RUN make
FROM builder AS again
FROM scratch AS empty
FROM python:3.11 \\
  AS last
COPY --from=builder /a /b
COPY --from=0 /a /b
COPY --from=busybox:1.36 /bin/busybox /bin/
"""


def references(text: str, arguments: Mapping[str, str] | None = None) -> list[str]:
    return [source.reference for source in sources(text, arguments or {}, "linux/amd64")]


def test_the_images_of_a_dockerfile_are_those_that_are_not_its_own_stages() -> None:
    assert references(STAGES) == [
        "docker.io/library/ubuntu:22.04",
        "docker.io/library/python:3.11",
        "docker.io/library/busybox:1.36",
    ]


def test_an_argument_given_to_the_build_comes_before_its_default() -> None:
    assert references(STAGES, {"VERSION": "24.04"})[0] == "docker.io/library/ubuntu:24.04"


def test_other_names_take_the_images_places_and_no_line_moves() -> None:
    named = [source.key for source in sources(STAGES, {}, "linux/amd64")]
    answers = Answers(name=lambda source: f"ours:{named.index(source.key)}")

    changed = judged(STAGES, {}, "linux/amd64", answers).split("\n")

    assert changed[2] == "FROM ours:0 AS Builder"
    assert changed[4:8] == ["FROM builder AS again", "FROM scratch AS empty", "FROM ours:1 AS last", ""]
    assert changed[-2] == "COPY --from=ours:2 /bin/busybox /bin/"
    assert len(changed) == len(STAGES.split("\n"))


def test_an_image_without_tag_or_with_latest_floats() -> None:
    named = sources("FROM a\nFROM b:latest\nFROM c:1\nFROM host\n", {}, "linux/amd64")

    assert [source.floating for source in named] == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A/${B}", "a/"),
        ("${B:-b}${B-c}", "b"),
        ("${C-c}${A:+yes}${B:+no}${C:+no}", "cyes"),
        ("no $ sign, $$", "no $ sign, $$"),
    ],
)
def test_variables_are_filled_in_as_docker_does(text: str, result: str) -> None:
    assert Expansion({"A": "a", "B": ""}).text(text) == result


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("RUN true\n", "dockerfile-invalid", "no FROM"),
        ("", "dockerfile-invalid", "no FROM"),
        ("ARG BASE\nFROM $BASE\n", "bad-spec", "Line 2"),
        ("FROM a b c\n", "dockerfile-invalid", "Line 1"),
        ("FROM Not_An/IMAGE\n", "base-not-found", "Line 1"),
    ],
)
def test_a_dockerfile_that_starts_from_nothing_is_refused_with_its_line(
    text: str, code: str, expected: str
) -> None:
    with pytest.raises(ImageError, match=expected) as refused:
        references(text)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("text", "builder"),
    [
        ("FROM a\nRUN true\nCOPY --chown=1 a b\n", syntax.CLASSIC),
        ("FROM a\nRUN --mount=type=cache,target=/root/.cache true\n", syntax.BUILDKIT),
        ("FROM a\nCOPY --link a b\n", syntax.BUILDKIT),
        ("FROM a\nARG TARGETARCH\n", syntax.BUILDKIT),
        ("FROM a\nRUN echo --mount=type=cache\n", syntax.CLASSIC),
        ("FROM a\nRUN <<END\ntrue\nEND\n", syntax.BUILDKIT),
    ],
)
def test_buildkit_is_taken_where_the_dockerfile_needs_it(text: str, builder: str) -> None:
    assert syntax.builder_for(text, "26.1.5") == builder


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("FROM a\n\nRUN <<END\ntrue\nEND\n", "20.10.24+dfsg1"),
        ("FROM a\n\nRUN --mount=type=secret,id=token true\n", "26.1.5"),
        ("FROM a\n\nRUN --mount=type=ssh true\n", "26.1.5"),
    ],
)
def test_what_cannot_be_built_here_is_refused_with_its_line(text: str, version: str) -> None:
    with pytest.raises(ImageError, match="Line 3") as refused:
        syntax.builder_for(text, version)

    assert refused.value.code == "buildkit-needed"


def test_no_reader_is_fetched_from_docker_hub() -> None:
    text = "# syntax=docker/dockerfile:1\n# escape=`\nFROM a\n"

    assert judged(text, {}, "linux/amd64", Answers()) == "# escape=`\n\nFROM docker.io/library/a:latest\n"


def in_context(**files: str) -> Definition:
    """Return the definition that is read from these files: `_` in a name is a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    reading = read(buffer.getvalue())
    assert reading.definition is not None, reading.errors
    return reading.definition


def test_the_context_is_the_same_bytes_each_time_and_lacks_what_is_ignored() -> None:
    definition = in_context(
        Dockerfile="FROM a\n", keep_txt="k", drop_log="d", never_log="n", _dockerignore="*.log\n!never.log\n"
    )

    with tarfile.open(fileobj=io.BytesIO(packed(definition, "FROM b\n"))) as archive:
        names = archive.getnames()

    assert "drop.log" not in names
    assert {"keep.txt", "never.log", "Dockerfile", HIDDEN} <= set(names)
    assert packed(definition, "FROM b\n") == packed(definition, "FROM b\n")


def test_an_ignored_dockerfile_is_built_and_not_copied() -> None:
    definition = in_context(Dockerfile="FROM a\n", a_txt="a", _dockerignore="Dockerfile\n.dockerignore\n")

    with tarfile.open(fileobj=io.BytesIO(packed(definition, "FROM b\n", "elsewhere"))) as archive:
        names = archive.getnames()

    assert names == ["a.txt", "elsewhere"]


def test_an_ignored_file_changes_nothing_and_any_other_does() -> None:
    item = in_context(Dockerfile="FROM a\n", a_log="1", _dockerignore="*.log", b_txt="1")
    ignored = in_context(Dockerfile="FROM a\n", a_log="2", _dockerignore="*.log", b_txt="1")
    other = in_context(Dockerfile="FROM a\n", a_log="1", _dockerignore="*.log", b_txt="2")

    assert fingerprint(item) == fingerprint(ignored) != fingerprint(other)


def test_empty_folders_and_links_are_in_the_context_and_count(tmp_path: Path) -> None:
    for name in ("logs", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "real" / "a.txt").write_text("a")
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    definition = read_path(tmp_path).definition
    assert definition is not None

    with tarfile.open(fileobj=io.BytesIO(packed(definition, "FROM b\n"))) as archive:
        assert archive.getmember("logs").isdir()
        assert archive.getmember("alias").linkname == "real"

    before = fingerprint(definition)
    (tmp_path / "logs").rmdir()
    without = read_path(tmp_path).definition
    assert without is not None
    assert fingerprint(without) != before


def lines_of(*texts: str) -> list[str]:
    output = Output(shown={"ours/base:1": "docker.io/library/ubuntu:22.04"})
    result = [line for text in texts for line in output_of({"stream": text}, output)]
    return [*result, *output.end()]


def test_lines_are_whole_and_of_what_was_overwritten_only_the_last_is_left() -> None:
    assert lines_of("Step 1/2 : FROM ours/base:1", "\n", " ---> 0123456789ab\n") == [
        "Step 1/2 : FROM docker.io/library/ubuntu:22.04"
    ]
    assert lines_of("a", "b\nc", "\n") == ["ab", "c"]
    assert lines_of(" 10%\r", " 50%\r", "100%\r\n", "done") == ["100%", "done"]
    assert lines_of("\x1b[91mwarning\n\x1b[0m") == ["warning"]


def test_a_line_without_end_does_not_grow_for_ever() -> None:
    output = Output()

    result = [line for _ in range(100) for line in output_of({"stream": "x" * 1000}, output)]

    assert result
    assert max(map(len, result)) < 20_000


@pytest.mark.parametrize(
    ("message", "last", "code", "fault"),
    [
        ("The command '/bin/sh -c x' returned a non-zero code: 137", "", "out-of-memory", "author"),
        (
            "The command '/bin/sh -c x' returned a non-zero code: 127",
            "x: not found",
            "missing-command",
            "author",
        ),
        ('process "x" did not complete successfully: exit code: 2', "oh no", "command-failed", "author"),
        (
            "The command 'pip' returned a non-zero code: 1",
            "ERROR: No matching distribution found for numpy==99",
            "no-matching-distribution",
            "author",
        ),
        (
            "The command 'apt-get' returned a non-zero code: 100",
            "E: Unable to locate package nonesuch",
            "apt-failed",
            "author",
        ),
        ("write /x: no space left on device", "", "disk-full", "studio"),
        ('failed to calculate checksum of ref x: "/a": not found', "", "copy-not-found", "author"),
        ("dockerfile parse error on line 3: unknown instruction: FOO", "", "dockerfile-invalid", "author"),
    ],
)
def test_causes_are_recognised(message: str, last: str, code: str, fault: str) -> None:
    output = Output(step="RUN x", lines={"RUN x": 7})
    if last:
        list(output.text(f"{last}\n"))

    failure = explained(EngineRefused(200, message), output)

    assert (failure.code, failure.fault) == (code, fault)
    assert failure.help
    if code != "dockerfile-invalid":
        assert "“RUN x” at line 7" in failure.message
