"""Lines of a requirements file are taken apart as pip's own parser does it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pip._internal.exceptions import CommandError
from pip._internal.req.req_file import OptionParsingError, get_line_parser

from environments.definition.packages.pip_line import BadOption, as_pip_takes_it, taken_apart

# pip's names for what it stores each option as.
STORED = {
    "--index-url": "index_url",
    "--extra-index-url": "extra_index_urls",
    "--find-links": "find_links",
    "--requirement": "requirements",
    "--constraint": "constraints",
    "--editable": "editables",
    "--trusted-host": "trusted_hosts",
    "--no-index": "no_index",
    "--pre": "pre",
    "--prefer-binary": "prefer_binary",
    "--require-hashes": "require_hashes",
}


def by_pip(line: str) -> tuple[str, dict[str, object]] | None:
    """Return the requirement and the options that pip reads; None where it refuses the line."""
    try:
        requirement, options = get_line_parser(None)(line)
    except (OptionParsingError, CommandError):
        return None
    return requirement, {
        name: value for name, value in vars(options).items() if name in STORED.values() and value
    }


def by_us(line: str) -> tuple[str, dict[str, object]] | None:
    try:
        parts = taken_apart(line)
    except BadOption:
        return None
    options: dict[str, object] = {}
    for name, value in parts.options:
        stored = STORED.get(name)
        if stored in ("index_url",):
            options[stored] = value
        elif stored in ("no_index", "pre", "prefer_binary", "require_hashes"):
            options[stored] = True
        elif stored is not None:
            options[stored] = [*options.get(stored, []), value]  # type: ignore[misc]
    return parts.requirement, options


@pytest.mark.parametrize(
    "line",
    [
        "numpy==1.26.4",
        "--extra-index https://wheels.example/simple",
        '--extra-index-url "https://wheels.example/simple"',
        "-ihttps://wheels.example/simple",
        "-f https://wheels.example/links --no-index",
        "--index-url https://a.example/simple --extra-index-url https://b.example/simple",
        "--extra-index-url https://wheels.example/simple ; sys_platform != 'darwin'",
        "--trusted-host=wheels.example",
        "--pre --prefer",
        "numpy==1.26.4 --extra-index-url https://wheels.example/simple",
        "numpy ; python_version > '3' --only-binary=:all:",
        "-e git+https://git.example/a/b#egg=b",
        "-rmore.txt",
        "-c 'limits of mine.txt'",
        "--pre=yes",
        "--index-url",
        "--no-such-option",
        "--e x",
        "--no x",
        "-x",
        "--extra-index-url 'https://wheels.example",
    ],
)
def test_a_line_has_the_parts_that_pip_takes_it_apart_into(line: str) -> None:
    assert by_us(line) == by_pip(line)


TOKENS = st.sampled_from(
    """numpy==1.0 numpy ; python_version>'3' "a" 'b' --pre --pre=1 --index-url --index-url=https://a/s -ihttps://b/s -i
    --extra --extra-index --extra-index-url=x -f -fx -r -e --hash=sha256:aa --no --no-index --no-b=x --prefer-binary
    --require --requirement=x --require-hashes --only-b :all: --trusted-host - -- --unknown -q https://c/s""".split()
)


@given(st.lists(TOKENS, min_size=1, max_size=6))
@settings(max_examples=300)
def test_any_options_in_any_order_are_read_as_pip_reads_them(tokens: list[str]) -> None:
    line = " ".join(tokens)
    theirs, ours = by_pip(line), by_us(line)
    # The releases of pip differ in what else they have, and in the form of a hash.
    if theirs is not None or ours is None:
        assert ours == theirs, line


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("numpy==1.26.4 --only-bin=:all:", ["numpy==1.26.4 --only-binary :all:"]),
        ("numpy==1.26.4 --config-settings=x=y --hash sha256:aa", ["numpy==1.26.4 --config-settings=x=y --hash=sha256:aa"]),
        ("-ihttps://a.example/s", ["--index-url https://a.example/s"]),
        ("--index https://a.example/s", ["--index-url https://a.example/s"]),
        ("-i https://a.example/s --extra 'https://b.example/s'",
         ["--index-url https://a.example/s", "--extra-index-url https://b.example/s"]),
        ("--pre", ["--pre"]),
        ("--constraint numpy >= 1.20, < 2 ; python_version > '3'",
         ["--constraint numpy >= 1.20, < 2 ; python_version > '3'"]),
    ],
)  # fmt: skip
def test_a_build_gets_each_option_in_its_whole_spelling(line: str, taken: list[str]) -> None:
    assert as_pip_takes_it(line) == taken
    assert [again for item in taken for again in as_pip_takes_it(item)] == taken


def test_a_misspelt_option_has_the_name_that_was_meant() -> None:
    with pytest.raises(BadOption) as refused:
        taken_apart("--extra-index-ulr https://a.example/s")
    assert refused.value.near == "--extra-index-url"
