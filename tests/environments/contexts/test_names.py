"""Names of uploaded files: what is accepted is a path inside of its upload."""

import base64
import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from environments.contexts.names import BadName, read_block_id, read_name
from environments.definition.model import ContextFile
from environments.models import LONGEST_NAME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a",
        "a/b",
        "/a/b/c",
        "a/b/c/",
        "a//b/c",
        "a/b/../c",
        "../a/b/c",
        "a/b/./c",
        "a/b/..",
        "a/b\\..\\c/d",
        "a/b/c\0",
        "a/b/c\n",
        "a/b/\N{RIGHT-TO-LEFT OVERRIDE}c",
        "a/b/\N{REPLACEMENT CHARACTER}",
        "a/b/" + "c" * LONGEST_NAME,
        "a/b/" + "ü" * 600,
        "a/" * 150 + "c",
    ],
)
def test_names_that_could_lead_out_or_mislead_are_refused(text: str) -> None:
    with pytest.raises(BadName):
        read_name(text)


def test_a_name_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(BadName):
        read_name("a/b/" + chr(0xD800))


def test_a_name_knows_its_upload() -> None:
    name = read_name("LocalUpload/0f3a/context/a b#ü.txt")
    assert (name.name, name.upload) == ("LocalUpload/0f3a/context/a b#ü.txt", "LocalUpload/0f3a")


def test_what_is_still_percent_encoded_is_a_name_like_any_other() -> None:
    assert read_name("LocalUpload/0f3a/%2e%2e/%00").name == "LocalUpload/0f3a/%2e%2e/%00"


@given(
    st.text(alphabet=st.characters(), max_size=60)
    | st.lists(st.sampled_from(["a", "..", ".", "", "\\", "é"])).map("/".join)
)
@example("a/b/c/../../../d")
def test_an_accepted_name_stays_below_its_upload(text: str) -> None:
    try:
        name = read_name(text)
    except BadName:
        return
    assert posixpath.normpath(name.name) == name.name
    assert name.name.startswith(f"{name.upload}/")
    ContextFile(path=name.name, content=b"")


@pytest.mark.parametrize("text", ["", "a", "====", "YQ", "YR==", "Y Q==", "ü", "A" * 200, "YQ==\n", "-_-_"])
def test_block_ids_that_are_no_base_64_of_few_bytes_are_refused(text: str) -> None:
    with pytest.raises(BadName):
        read_block_id(text)


@given(st.binary(min_size=1, max_size=64))
def test_any_base_64_of_few_bytes_is_a_block_id(content: bytes) -> None:
    text = base64.b64encode(content).decode()
    assert read_block_id(text) == text
