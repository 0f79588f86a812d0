"""Foreign text takes time linear in its length: regular expressions, and what reads whole documents."""

from __future__ import annotations

import io
import random
import re
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from builds.causes.reading import clues_in
from builds.engine.dockerfiles.named import Answers
from builds.engine.dockerfiles.sources import judged
from builds.engine.exchange import EngineRefused
from builds.engine.failures import explained
from builds.engine.output import Output
from builds.imaging.bases.tree import Tree, described
from builds.imaging.oci.untar import Untar
from builds.imaging.reporting import ImageError, Quiet
from environments.definition import diff, read
from environments.definition.files import dockerignore
from tests.growth import LINEAR, SMALL, cpu, growth
from tests.hostile import patterns

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.slow  # tens of thousands of strings
def test_every_pattern_takes_linear_time() -> None:
    assert [str(slow) for pattern in patterns.patterns(ROOT) if (slow := patterns.slow(pattern))] == []


@pytest.mark.slow  # measured at two lengths, several times
@pytest.mark.parametrize(
    "written", [r"a.*b.*c", r"\s+$", r"(a|aa)+b", r"x[^\n]*?y", r"(\w+)=1", r"\$\{(\w+)(?:-([^}]*))?\}"]
)
def test_a_slow_pattern_is_noticed(written: str) -> None:
    assert patterns.slow(patterns.Pattern("here", re.compile(written), at_start=False)) is not None


def layer(files: dict[str, bytes]) -> Untar:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return Untar(buffer)


def probe(content: bytes) -> object:
    tree = Tree()
    tree.add(layer({"lib/libc.so.6": content, "usr/bin/python3.11": content}), Quiet())
    return described(tree, {})


@pytest.mark.parametrize(
    "piece", [b"GNU C Library", b"GNU C Library version 2.", b"1.2.3\0", b"3.11.", b"GNU C Library 3.11.2\0"]
)
def test_a_base_is_probed_in_linear_time(piece: bytes) -> None:
    assert growth(lambda amount: probe(piece * amount)) < LINEAR


def test_a_version_is_recognised_across_the_pieces_of_a_file() -> None:
    for before in (0, 1024**2 - 30, 1024**2 - 5, 1024**2 - 512, 2 * 1024**2 - 520):
        content = bytes(before) + b"GNU C Library (X) stable release version 2.36.\n" + b"\0" * 600
        tree = Tree()
        tree.add(layer({"lib/libc.so.6": content}), Quiet())

        assert described(tree, {}).libc_version == "2.36"


def test_whiteouts_take_time_linear_in_layers() -> None:
    def run(amount: int) -> object:
        tree = Tree(names_only=True)
        tree.add(layer({f"a/{number}": b"" for number in range(amount)}), Quiet())
        tree.add(layer({f"a/.wh.{number}": b"" for number in range(amount)}), Quiet())
        return tree.files

    assert run(100) == {}
    assert growth(run) < LINEAR


LINES = (
    "warning: retrying ",
    "fatal error: ",
    "error: command 'gcc",
    "make[1]: *** ",
    "error response from daemon: get ",
    "\x1b]",
)


@pytest.mark.parametrize("piece", LINES)
def test_a_line_of_the_log_is_searched_in_linear_time(piece: str) -> None:
    assert growth(lambda amount: clues_in([(1, piece * amount)] * 5)) < LINEAR


@pytest.mark.parametrize("piece", ["stat ", '"', "parse error line 1", "exec: "])
def test_a_message_of_the_engine_is_explained_in_linear_time(piece: str) -> None:
    assert (
        growth(lambda amount: explained(EngineRefused(200, "COPY failed " + piece * amount), Output()))
        < LINEAR
    )


DOCKERFILES: dict[str, Callable[[int], str]] = {
    "mounts": lambda amount: "RUN " + "--mount=" * amount,
    "many mounts": lambda amount: "RUN " + "--mount=type=bind,from=a " * amount,
    "fields of a mount": lambda amount: "RUN --mount=" + "from=b:1," * amount,
    "quotes": lambda amount: "RUN " + '--x="\'" ' * amount,
    "heredocs": lambda amount: "RUN " + "<<A " * amount,
    "heredocs in quotes": lambda amount: "RUN " + '"<<A" ' * amount,
    "digits": lambda amount: "RUN " + "0" * amount + "<<",
    "open variables": lambda amount: "ADD " + "${a:-" * amount,
    "variables": lambda amount: "ENV " + "a=$a$a " * amount + "\nADD $a /b",
    "many variables": lambda amount: "".join(f"ENV a{n}=1\n" for n in range(amount)),
    "continued lines": lambda amount: "RUN a" + "\\\n" * amount,
    "stages": lambda amount: "".join(f"FROM a AS s{n}\n" for n in range(amount)),
    "copies of stages": lambda amount: "".join("COPY --from=a /a /b\n" for n in range(amount)),
    "directives": lambda amount: "# syntax" + " " * amount + "x",
}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_is_read_in_linear_time(name: str) -> None:
    def run(amount: int) -> None:
        text = f"FROM a\n{DOCKERFILES[name](amount)}\n"
        read(text.encode(), "Dockerfile")
        with suppress(ImageError):
            judged(text, {}, "linux/amd64", Answers(add=lambda addition: "a"))

    assert growth(run) < LINEAR


DEFINITIONS: dict[str, tuple[str, Callable[[int], str]]] = {
    "a dotted key": ("pylock.toml", lambda amount: "a" + ".a" * amount + " = 1\n"),
    "a quoted key": ("pylock.toml", lambda amount: "a" + '."a"' * amount + " = 1\n"),
    "a dotted table": ("pylock.toml", lambda amount: "[a" + ".a" * amount + "]\n"),
    "dots in a string": ("pylock.toml", lambda amount: "a = '" + "a." * amount + "'\n"),
    "keys": ("pylock.toml", lambda amount: "".join(f"a.b{n} = 1\n" for n in range(amount // 4))),
    "locked packages": (
        "pylock.toml",
        lambda amount: (
            'lock-version = "1.0"\n'
            + "".join(f'[[packages]]\nname = "a{n}"\nindex = "https://a{n}.b"\n' for n in range(amount // 10))
        ),
    ),
    "a line of JSON": ("a.json", lambda amount: '{"a": [' + ",".join(["1"] * amount) + "]}"),
    "nested JSON": ("a.json", lambda amount: '{"a":' * amount),
    "nested YAML": ("a.yml", lambda amount: "a: " + "[" * amount),
    "comments": ("requirements.txt", lambda amount: "#a\r\n" * amount + "[a"),
    "requirements": ("requirements.txt", lambda amount: "".join(f"a{n}==1\n" for n in range(amount // 4))),
    "a requirement": ("requirements.txt", lambda amount: "a" + " " * amount + "==1 --hash=x"),
    "hashes": ("requirements.txt", lambda amount: "a==1" + " --hash=sha256:00" * amount),
    "continued requirements": ("requirements.txt", lambda amount: "a==1 \\\n" * amount),
    "conda packages": (
        "conda.yml",
        lambda amount: "dependencies:\n" + "".join(f"- a{n}=1\n" for n in range(amount // 4)),
    ),
    "an explicit list": (
        "a.txt",
        lambda amount: (
            "@EXPLICIT\n" + "".join(f"https://a/b/linux-64/c{n}-1-0.conda\n" for n in range(amount // 4))
        ),
    ),
    "an explicit line": ("a.txt", lambda amount: "@EXPLICIT\n" + "https://a.conda#" * amount),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_is_read_in_linear_time(name: str) -> None:
    filename, text = DEFINITIONS[name]

    def findings(amount: int) -> set[str]:
        return {finding.code for finding in read(text(amount).encode(), filename).findings}

    # A text that is refused for its length takes no time.
    most = 8 * SMALL
    while most < 16_000 and findings(2 * most) == findings(SMALL):
        most *= 2

    assert growth(findings, most) < LINEAR


@pytest.mark.parametrize("marker", ["", "; python_version>='3.%'"])
def test_definitions_are_compared_in_linear_time(marker: str) -> None:
    """Also where they request a package by many lines, none of which is in both."""
    most = 16_000
    definitions = {}
    for doublings in range(7):
        lines = [f"a=={n}{marker}\n".replace("%", str(n)) for n in range((SMALL << doublings) // 4)]
        definitions[SMALL << doublings] = [read("".join(lines[start::2])).definition for start in (0, 1)]

    def compare(amount: int) -> object:
        old, new = definitions[amount]
        assert old is not None
        assert new is not None
        return diff(old, new)

    assert growth(compare, most) < LINEAR


def blocks(amount: int, separator: str) -> str:
    """Return a Dockerfile of so many lines, of few different ones: shorter and shorter blocks, each with its own end."""
    chance = random.Random(1)  # noqa: S311
    lines = ["FROM a"]
    for length in range(int((2 * amount) ** 0.5), 0, -1):
        lines += [f"RUN {chance.randrange(101)}" for _ in range(length)]
        lines.append(f"RUN {separator}{length}")
    return "\n".join([*lines, ""])


def test_dockerfiles_are_compared_in_linear_time() -> None:
    """Also where a search for the longest block that both have would go through all of the rest for each."""
    definitions = {
        amount: [read(blocks(amount, separator), "Dockerfile").definition for separator in "xy"]
        for amount in (6_000, 48_000)
    }

    def compare(amount: int) -> object:
        old, new = definitions[amount]
        assert old is not None
        assert new is not None
        return diff(old, new)

    assert cpu(compare, 48_000) < LINEAR * min(cpu(compare, 6_000) for _ in range(3))


def test_a_deep_key_of_a_lock_is_refused_with_its_line() -> None:
    reading = read(b'lock-version = "1.0"\na' + b".a" * 40 + b" = 1\n", "pylock.toml")

    assert [(error.code, error.line) for error in reading.errors] == [("bad-toml", 2)]


@pytest.mark.parametrize("line", ["[" * 1000, "[a-" * 300, "**a" * 300, "*a" * 400, "\\" * 999])
def test_a_pattern_of_dockerignore_is_matched_in_linear_time(line: str) -> None:
    def run(amount: int) -> None:
        ignored = dockerignore.parse("\n".join(f"{line}{number}"[:1000] for number in range(100)))
        for number in range(amount // 250):
            _ = f"{'a' * 200}/{number}" in ignored

    assert growth(run) < LINEAR
