"""Input that means harm, or is merely broken, ends in a refusal and soon."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import read
from environments.definition.model import Selection

MEGABYTE = 1 << 20
NAMES = [
    "",
    "environment.yml",
    "requirements.txt",
    "Dockerfile",
    "pylock.toml",
    "x.json",
    "conda.lock",
    "a.zip",
]


@pytest.fixture(autouse=True)
def ends_at_all() -> Iterator[None]:
    """Not a measurement: without it, reading that never ends would stop the whole run."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("reading did not end within a minute")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join([*lines, "dependencies: *a11", ""])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (bomb(), "bad-yaml"),
        ("dependencies: &a [*a]\n", "bad-yaml"),
        ("dependencies: !!python/object/apply:os.system ['true']\n", "bad-yaml"),
        ("dependencies: !secret x\n", "bad-yaml"),
        ("dependencies: " + "[" * 5000, "bad-yaml"),
        ("dependencies: " + "{a: " * 5000, "bad-yaml"),
        ("? {a: b}\n: c\nimage: x\n", "bad-yaml"),
        ("image: a:1\n---\nimage: b:1\n", "bad-yaml"),
        ('{"python": ' + "[" * 5000, "bad-json"),
        ('{"python": ' + '{"a":' * 5000, "bad-json"),
        ('{"python": 1' + "0" * 10000 + "}", "wrong-shape"),
        ("lock-version = '1.0'\nx = " + "[" * 5000 + "\n[[packages]]\n", "bad-toml"),
        ("image: a:1\0\n", "not-text"),
        ("a" * (MEGABYTE + 1), "too-large"),
        ("\n" * 200_000 + "a", "too-large"),
        ("a==1\n" * 20_000, "too-large"),
    ],
)
def test_bombs_tags_and_depths_are_refused_by_name(text: str, code: str) -> None:
    reading = read(text)
    assert code in [error.code for error in reading.errors]


GROUPS = "".join(f'"g{number}",' for number in range(100_000))
HEAD = 'lock-version = "1.0"\n'
ENDLESS = " or ".join(f"python_version > '3.{number}'" for number in range(50_000))
ENVIRONMENTS = ",".join(f"\"python_version > '3.{number}'\"" for number in range(50_000))
PACKAGE = '[[packages]]\nname = "a"\nversion = "1"\n'


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}default-groups = [{GROUPS}]\n{PACKAGE}marker = \"'x' in dependency_groups\"\n",
        f"{HEAD}dependency-groups = [{GROUPS}]\nextras = [{GROUPS}]\n{PACKAGE}",
        f"{HEAD}{PACKAGE}marker = '{'(' * 500_000}'\n",
        f'{HEAD}{PACKAGE}marker = "{ENDLESS}"\n',
        f"{HEAD}environments = [{ENVIRONMENTS}]\n{PACKAGE}",
        HEAD + "[[packages]]\nname=\n" * 60_000,
        "version: 1\nmetadata: {}\npackage:\n"
        + "".join(f"- {{platform: linux-{n}, category: c{n}}}\n" for n in range(40_000)),
    ],
    ids=range(7),
)
def test_a_hostile_lock_ends_with_messages_that_somebody_can_read(text: str) -> None:
    reading = read(text, selection=Selection(groups=("g1", "none"), extras=("g2",)))
    assert all(len(finding.message) < 3_000 for finding in reading.findings)


@pytest.mark.parametrize(
    "unit", ["<<<<<<< a\n", "<<<<<<< a\n=======\n", "<<<<<<< a\na==\n=======\nb==\n>>>>>>> b\n"]
)
def test_a_file_of_nothing_but_conflicts_is_refused(unit: str) -> None:
    assert read(unit * 15_000, "requirements.txt").errors


def test_a_byte_that_is_no_text_is_named_with_its_line() -> None:
    reading = read(b"image: a:1\nname: \xe9\xff\n", "environment.yml")
    assert [(error.code, error.line) for error in reading.errors] == [("not-text", 2)]
    assert "0xe9" in reading.errors[0].message


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", "{{", "://", "eyJ-", " <<a", "[", "- a\n", "|", "conda", "a=", "\\\n", "${a:-", "é", "a: b\n",
     "Name Version\n", "# pip a @ b\n", "@", "::", "a-1-1", "\"", "ARG a=$a$a\n"],
)  # fmt: skip
@pytest.mark.parametrize("head", ["", "FROM a\nRUN ", "dependencies:\n- ", "@EXPLICIT\n", "--index-url "])
def test_a_long_file_of_anything_ends(head: str, unit: str) -> None:
    text = head + unit * (MEGABYTE // 8 // len(unit.encode()))
    reading = read(text)
    assert reading.accepted == (not reading.errors)


@given(st.binary(max_size=300), st.sampled_from(NAMES))
@settings(max_examples=150)
def test_any_bytes_are_accepted_or_refused_with_a_reason(content: bytes, name: str) -> None:
    reading = read(content, name)
    assert reading.accepted == (not reading.errors)


@given(st.text(max_size=300), st.sampled_from(NAMES))
@settings(max_examples=150)
def test_any_text_is_accepted_or_refused_with_a_reason(content: str, name: str) -> None:
    reading = read(content, name)
    assert reading.accepted == (not reading.errors)


PIECES = st.sampled_from(
    """dependencies: channels: - pip: name: image: build: path: conda_file: [ ] { } &a *a ' " | > # , python=3.12
    numpy==1.0 -r -c --hash=sha256:aa @ :: ~= ; \\ FROM RUN <<EOF EOF COPY ARG ${a} $a = sel(linux): https://u:p@h/
    @EXPLICIT [[packages]] {{a}} <<<<<<< null true 1.10 \t""".split()
)


@given(st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "\n", "\n  ", "\n- ", "\r\n"])), max_size=30))
@settings(max_examples=200)
def test_any_pieces_of_the_formats_are_accepted_or_refused_with_a_reason(
    pieces: list[tuple[str, str]],
) -> None:
    reading = read("".join(piece + space for piece, space in pieces))
    assert reading.accepted == (not reading.errors)


@pytest.mark.slow
def test_a_fuzzer_that_follows_the_code_finds_nothing_within_its_time(tmp_path: Path) -> None:
    """Three seconds each time; `make fuzz SECONDS=3600` takes an hour."""
    pytest.importorskip("atheris")
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    examples = (
        "channels: [c]\ndependencies: [python=3.12, {pip: [flask==1]}]\nvariables: {A: b}\n",
        "numpy==1.0 --hash=sha256:aa ; python_version<'3'\n-r x.txt\n-e git+https://h/x#egg=x\n",
        "# escape=`\nARG a=1\nFROM x:${a} AS b\nRUN <<EOF\na\nEOF\nCOPY --from=b a b\n",
        "image: a:1\nconda_file: {dependencies: [a]}\ninference_config: {scoring_route: {port: 1, path: /}}\n",
        '{"docker": {"baseImage": "a:1"}, "python": {"condaDependencies": {"dependencies": ["a"]}}}',
        'lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1"\n',
        "@EXPLICIT\nhttps://h/c/linux-64/a-1-0.conda#aa\n# pip a @ https://h/a-1-py3-none-any.whl\n",
        "# Name Version Build Channel\na 1 h1_0 c\n",
    )
    for number, text in enumerate(examples):
        (seeds / str(number)).write_bytes(bytes([number % 9]) + text.encode())
    seed = random.randrange(1, 1 << 30)  # noqa: S311
    command = [
        sys.executable,
        "-m",
        "tests.environments.definition.fuzzing",
        "-max_total_time=3",
        "-timeout=20",
        "-max_len=2000",
    ]
    command += [f"-seed={seed}", f"-artifact_prefix={tmp_path}/", str(seeds)]
    signal.alarm(150)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=140, cwd=Path(__file__).parents[3]
    )
    assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}"
    assert " runs in " in done.stderr
