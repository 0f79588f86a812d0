"""Bytes become text as pip decodes them; a file of several encodings has a single error in words of ours."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pip._internal.req.req_file import preprocess
from pip._internal.utils.encoding import auto_decode

from environments.definition import read
from environments.definition.formats.requirements import logical_lines

LINE = "flask==3.0.0  # für alle\n"


@pytest.mark.parametrize(
    "content",
    [
        LINE.encode(),
        LINE.encode("utf-8-sig"),
        LINE.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINE.encode("utf-16-be"),
        b"# -*- coding: latin-1 -*-\n" + LINE.encode("latin-1"),
        b"#!/usr/bin/env -S pip install -r\n# vim: set fileencoding=cp1252 :\n" + LINE.encode("cp1252"),
        b"# coding: koi8-r\n" + "flask==3.0.0  # да\n".encode("koi8-r"),
    ],
)
def test_a_file_is_decoded_as_pip_decodes_it(content: bytes) -> None:
    reading = read(content, "requirements.txt")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == ("flask==3.0.0",)
    assert [line for _, line in preprocess(auto_decode(content))] == ["flask==3.0.0"]


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (LINE.encode("latin-1"), 1, "0xfc, which is ü in Windows-1252"),
        (b"idna==3.7\n" + LINE.encode("cp1252") + LINE.encode(), 2, "0xfc, which is ü in Windows-1252"),
        (b"# coding: latin-9000\n" + LINE.encode("latin-1"), 2, "0xfc"),
        (b"# coding: unicode_escape\n" + LINE.encode("latin-1"), 2, "0xfc"),
        (
            b"idna==3.7\n" + LINE.encode("utf-16-le"),
            2,
            "from here on it seems to be UTF-16, as PowerShell's >> appends it",
        ),
        (LINE.encode("utf-16-le"), 1, "UTF-16 without the mark"),
        (LINE.encode("utf-16") + b"x", 2, "it begins as UTF-16, and goes on in another encoding"),
        (b"idna==3.7\nflask\0==3\n", 2, "there is a NUL character in it"),
    ],
)
def test_a_file_of_several_encodings_has_a_single_error_with_its_line(
    content: bytes, line: int, what: str
) -> None:
    (error,) = read(content, "requirements.txt").errors
    assert (error.code, error.line) == ("not-text", line)
    assert what in error.message


@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml", "Dockerfile", ""])
def test_a_first_line_that_names_an_interpreter_is_a_comment_of_a_definition(name: str) -> None:
    texts = {
        "environment.yml": "#!/usr/bin/env conda-env\nchannels: [c]\ndependencies: [python=3.12]\n",
        "Dockerfile": "#!/usr/bin/env docker build\nFROM ubuntu:24.04\n",
    }
    reading = read(texts.get(name, "#!/usr/bin/env -S pip install -r\nflask==3.0.0\n"), name)
    assert reading.accepted, reading.errors


SIGNS = st.text(st.sampled_from("a=1 #\\\n\r\t\x0c\u2028"), max_size=40)


@given(SIGNS)
@settings(max_examples=300)
def test_any_text_has_the_lines_that_pip_reads(text: str) -> None:
    theirs = [(number, " ".join(line.split())) for number, line in preprocess(text)]
    assert [(line.line, str(line)) for line in logical_lines(text)] == [pair for pair in theirs if pair[1]]
