"""Dockerfiles that try to read what their author must not: internal addresses, and images of the engine."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from builds.engine.dockerfiles.named import Addition, Answers
from builds.engine.dockerfiles.sources import judged, sources
from builds.engine.dockerfiles.words import Unreadable, flags_of, written_flags
from builds.imaging.reporting import ImageError

PLATFORM = "linux/amd64"
PRIVATE = "environment-studio/base:0123"
OURS = "environment-studio/base:ours"


def written(text: str, **answers: Any) -> str:
    """Return what the engine is given, with `OURS` in place of every image."""
    return judged(text, {}, PLATFORM, Answers(**{"name": lambda source: OURS, **answers}))


SPELLINGS = [
    "COPY --from={} /a /b",
    'COPY --from="{}" /a /b',
    "COPY --fr'om={}' /a /b",
    "COPY --\\from={} /a /b",
    "COPY --chown=1 --from={} /a /b",
    "COPY --link \t --from={} /a /b",
    'copy --from={} ["/a", "/b"]',
    "COPY \\\n  --from={} \\\n\n# comment\n  /a /b",
    "COPY --from={} \\  \n/a /b",
    "RUN --mount=from={},target=/a cat /a/b",
    "RUN --mount=type=bind,from={},source=/,target=/a cat /a/b",
    "RUN --mount=target=/a,FROM={} cat /a/b",
    "RUN --mount=type=cache,target=/a,from={} cat /a/b",
    "RUN --network=none --mount='from={},target=/a' cat /a/b",
    "RUN --mount=type=bind,from=\\{},target=/a cat /a/b",
    "RUN --mount=target=/c,type=cache --mount=from={},target=/a <<EOF\ncat /a/b\nEOF",
    "RUN true \\\\\nCOPY --from={} /a /b",
    "RUN\t--mount=from={},target=/a cat /a/b",
    "COPY\v--from={} /a /b",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_image_is_judged_in_every_spelling(spelling: str) -> None:
    text = f"FROM machine:1\n{spelling.format(PRIVATE)}\n"

    assert [source.reference for source in sources(text, {}, PLATFORM)] == [
        "docker.io/library/machine:1",
        f"docker.io/{PRIVATE}",
    ]
    assert PRIVATE not in written(text)
    assert written(text).count(OURS) == 2


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from=$IMAGE /a /b",
        "RUN --mount=from=${IMAGE},target=/a cat /a/b",
        'RUN --mount=target=/a,\\"from=machine:2\\" cat /a/b',
        "COPY --from=7 /a /b",
        "COPY --from=0 /a /b",
        "COPY --chown=\u00e0--from=machine:2 /a /b",
        'COPY --from="machine:2 /a /b',
        "ADD --from=machine:2 /a /b",
        "ADD [http://example.com/a /b",
        "ADD git@example.com:a/b.git /b",
        "ADD ssh://git@example.com/a.git /b",
        "ADD git://example.com/a.git /b",
        "ADD https://example.com/a.git#main /b",
        "ADD HTTP://example.com/a /b",
        "ADD github.com/a/b.git /b",
        "ADD $URL /b",
        'ADD "${URL}/file" /b',
        "ADD http://example.com/a file /b",
        "ADD http://example.com/ /b",
        "ADD http://example.com/a$(x) /b",
        "RUN cat <<'E O F'\nEOF",
        "RUN cat <<E'O'F\nCOPY --from=machine:2 /a /b\nEOF",
        "RUN echo ${a! } <<EOF\nCOPY --from=machine:2 /a /b\nEOF",
        "RUN echo \"it's\" it's <<EOF\nCOPY --from=machine:2 /a /b\nEOF",
        "ONBUILD RUN cat <<EOF\nCOPY --from=machine:2 /a /b\nEOF",
        "ONBUILD FROM machine:2",
        "COPY\u00a0--from=machine:2 /a /b",
        "RUN true\\\u00a0\nCOPY --from=machine:2 /a /b",
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ImageError) as refused:
        written(f"FROM machine:1\n{line}\n", add=lambda addition: OURS)

    assert refused.value.code == "dockerfile-invalid"
    assert "line 2" in refused.value.message.lower()
    assert refused.value.help


def test_names_of_stages_are_no_images() -> None:
    text = (
        "FROM machine:1 AS One\nFROM one AS two\nCOPY --from=0 /a /a\nCOPY --from=ONE /a /b\n"
        "COPY --from=three /a /c\nFROM scratch AS three\nCOPY --from=scratch /a /b\n"
    )

    assert written(text).split("\n")[1:7] == [
        "FROM one AS two",
        "COPY --from=0 /a /a",
        "COPY --from=one /a /b",
        f"COPY --from={OURS} /a /c",
        "FROM scratch AS three",
        "COPY --from=scratch /a /b",
    ]


def test_heredocs_and_lines_stay_where_they_are() -> None:
    text = (
        'FROM machine:1\nRUN <<-"END" cat && \\\n  true\n\tCOPY --from=machine:2 /a /b\n\n\tEND\n'
        "# comment\nCOPY <<A <<B /x/\na\nA\nB\nCMD a\n"
    )

    # The continued line is one, so that its heredoc begins a line earlier; what follows is where it was.
    assert written(text) == (
        f'FROM {OURS}\nRUN <<-"END" cat &&   true\n\tCOPY --from=machine:2 /a /b\n\n\tEND\n'
        "\n\nCOPY <<A <<B /x/\na\nA\nB\nCMD a\n"
    )


def test_the_triggers_of_a_base_are_written_out_and_judged() -> None:
    triggers = [f"COPY --from={PRIVATE} /a /b", "RUN --mount=from=machine:2,target=/a true", "ENV A=1"]
    answers = Answers(
        name=lambda source: OURS,
        triggers=lambda source: triggers if source.line == 1 and not source.copied else (),
    )
    text = "FROM machine:1 AS one\nRUN true\nFROM one\nCMD a\n"

    assert [source.reference for source in sources(text, {}, PLATFORM, answers)] == [
        "docker.io/library/machine:1",
        f"docker.io/{PRIVATE}",
        "docker.io/library/machine:2",
    ]
    assert judged(text, {}, PLATFORM, answers).split("\n")[:5] == [
        f"FROM {OURS} AS one",
        f"COPY --from={OURS} /a /b",
        f"RUN --mount=from={OURS},target=/a true",
        "ENV A=1",
        "RUN true",
    ]


@pytest.mark.parametrize(
    "trigger",
    ["FROM a", "ONBUILD RUN true", "RUN true\nCOPY --from=a /a /b", "# escape=`\nRUN true", "", "NOTHING a"],
)
def test_a_trigger_that_is_no_single_instruction_is_refused(trigger: str) -> None:
    with pytest.raises(ImageError) as refused:
        written("FROM machine:1\n", triggers=lambda source: [trigger])

    assert refused.value.code == "dockerfile-invalid"


@pytest.mark.parametrize(
    "trigger", ["COPY --from=a:1 /a /b", "RUN --mount=FROM=a:1,target=/x true", "ADD http://127.0.0.1/a /b"]
)
def test_a_stage_does_not_run_what_its_own_onbuild_names(trigger: str) -> None:
    text = f"FROM machine:1 AS one\nONBUILD {trigger}\n"

    assert f"ONBUILD {trigger}" in written(text)
    with pytest.raises(ImageError, match=r"Line 3.* line 2 "):
        written(f"{text}FROM one\n")


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("ADD http://h/f /x", "http://h/f"),
        ('ADD ["http://h/f", "/x"]', "http://h/f"),
        ("ADD --chown=1 --checksum=sha256:00 http://h/f /x", "http://h/f"),
        ("ENV U=http://h\nADD $U/f /x", "http://h/f"),
        ('ENV U="http:" V=h\nADD ${U}//${V}/f /x', "http://h/f"),
        ("ENV U http://h/f\nADD $U /x", "http://h/f"),
        ("ARG U=http://h/f\nADD $U /x", "http://h/f"),
        ("ARG G\nADD $G /x", "http://g/f"),
        ("ADD $BASE/f /x", "http://base/f"),
        ("ADD ${NONE:-http://h/f} /x", "http://h/f"),
        ("ADD ${NONE:-${BASE}}/f /x", "http://base/f"),
        ("ADD \"htt\"p'://'h\\/f /x", "http://h/f"),
        ("ADD ht\\\n tp://h/f /x".replace("\n ", "\n"), "http://h/f"),
    ],
)
def test_the_studio_fetches_what_add_names(line: str, url: str) -> None:
    added: list[Addition] = []

    def add(addition: Addition) -> str:
        added.append(addition)
        return OURS

    text = f"ARG G=http://g/f\nFROM machine:1\n{line}\n"
    result = written(text, add=add, variables=lambda source: {"BASE": "http://base"})

    assert [urls for addition in added for urls in addition.urls] == [url]
    assert "ADD" not in result
    assert re.search(rf"COPY (--chown=1 )?--from={OURS} ", result)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ADD a.tar /x", "ADD a.tar /x"),
        ("ADD $A/a /x", "ADD ./$A/a /x"),
        ('ADD a$A "b" /x', 'ADD ./a$A ./"b" /x'),
        ('ADD ["a b", "$A", "/x"]', 'ADD ["a b", "./$A", "/x"]'),
        ("ADD a-${NONE}.tar /x", "ADD ./a-${NONE}.tar /x"),
    ],
)
def test_what_add_takes_from_the_context_can_become_no_address(line: str, expected: str) -> None:
    text = f"FROM machine:1\nENV A=a\n{line}\n"

    assert written(text, add=lambda addition: OURS).split("\n")[2] == expected


PIECES = st.text(st.sampled_from("-=ab,$\\\"' \t"), max_size=12)


@hypothesis_settings(max_examples=300)
@given(st.lists(PIECES, max_size=4))
def test_flags_are_read_again_as_they_were_written(pieces: list[str]) -> None:
    text = " ".join(f"--{piece}" for piece in pieces) + " /a /b"
    try:
        flags, rest = flags_of(text)
    except Unreadable:
        return

    assert flags_of(f"{written_flags(flags)}{'-- ' if rest.startswith('--') else ''}{rest}") == (flags, rest)


LINES = st.lists(
    st.sampled_from([spelling.format("secret:1") for spelling in SPELLINGS])
    | st.text(st.sampled_from("RUN COPYADD--from=secret:1\\\n\"'<E#\t"), max_size=30),
    max_size=4,
)


@hypothesis_settings(max_examples=300)
@given(LINES)
def test_what_is_written_names_no_other_image_however_it_is_read(lines: list[str]) -> None:
    try:
        result = written("FROM machine:1\n" + "\n".join(lines) + "\n")
        again = sources(result, {}, PLATFORM)
    except ImageError:
        return

    assert {source.reference for source in again} == {f"docker.io/{OURS}"}
