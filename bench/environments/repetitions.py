"""Projects and texts that repeat themselves: `python -m bench.environments.repetitions`.

Prints the CPU seconds of reading projects all of whose groups and extras are chosen, of reading files that include each
other, and of comparing texts of few different lines and words. Asserts nothing.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from environments.definition import diff, read, read_path
from environments.definition.model import Definition, Selection
from environments.versions.text_diff import side_by_side

PARTS = 4_000
PDM_LOCK = '[metadata]\nstrategy = ["inherit_metadata"]\nlock_version = "4.5.0"\n'
PROJECT = "[project]\nname = 'a'\nversion = '1'\ndependencies = []\n"
OF_POETRY = "[tool.poetry]\nname = 'a'\nversion = '1'\n[tool.poetry.dependencies]\npython = '^3.11'\n"


def repeated(row: str, count: int = PARTS) -> str:
    """Return a row for each number, in the place of `%`."""
    return "".join(row.replace("%", str(number)) for number in range(count))


def projects() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what each project is, and its files, of which the first is read."""
    groups = repeated("[tool.poetry.group.g%.dependencies]\np = '*'\n")
    yield f"poetry, {PARTS:,} groups", {"pyproject.toml": OF_POETRY + groups}
    optional, extras = repeated("p% = {version = '*', optional = true}\n"), repeated("e% = ['p%']\n")
    yield (
        f"poetry, {PARTS:,} extras",
        {"pyproject.toml": f"{OF_POETRY}{optional}[tool.poetry.extras]\n{extras}"},
    )
    groups = repeated("g% = ['p']\n")
    yield (
        f"pdm, {PARTS:,} groups",
        {"pdm.lock": PDM_LOCK, "pyproject.toml": f"{PROJECT}[tool.pdm.dev-dependencies]\n{groups}"},
    )
    row = 'g% = [{include-group = "g+"}, {include-group = "g+"}, {include-group = "g+"}]\n'
    including = "".join(row.replace("%", str(n)).replace("+", str(n + 1)) for n in range(18))
    yield (
        "pdm, groups that include each other",
        {"pdm.lock": PDM_LOCK, "pyproject.toml": f"{PROJECT}[dependency-groups]\n{including}g18 = []\n"},
    )
    files = {"0.txt": "-r 1.txt\n" * 4} | {f"{n}.txt": f"-r {n + 1}.txt\n" * 4 for n in range(1, 18)}
    yield "requirements files that include each other", files | {"18.txt": "a==1\n"}
    yield "a requirement with 3,500 hashes", {"requirements.txt": "a==1" + " --hash=sha256:00" * 3_500}


def pairs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is compared, and how."""
    lines = [f"a=={n}; python_version >= '3.{n}'\n" for n in range(18_000)]
    old, new = definition("".join(lines[::2])), definition("".join(lines[1::2]))
    yield "requirements, a package in 9,000 lines", lambda: diff(old, new)
    dockerfiles = [definition(blocks(separator), "Dockerfile") for separator in "xy"]
    yield "Dockerfiles of 64,000 lines, few of them different", lambda: diff(*dockerfiles)
    texts = ["\n".join(f"{line} {row}" for row in range(900)) for line in ("x " * 400, "y x " * 200)]
    yield "900 lines of few different words", lambda: side_by_side(texts[0], texts[1])


def definition(text: str, name: str = "requirements.txt") -> Definition:
    result = read(text, name).definition
    assert result is not None
    return result


def blocks(separator: str) -> str:
    """Return a Dockerfile of shorter and shorter blocks of the same lines, each with an end of its own."""
    chance, lines = random.Random(1), ["FROM a"]  # noqa: S311
    for length in range(357, 0, -1):
        lines += [f"RUN {chance.randrange(101)}" for _ in range(length)]
        lines.append(f"RUN {separator}{length}")
    return "\n".join([*lines, ""])


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Print a line for each project and each pair."""
    parts = range(PARTS)
    selection = Selection(extras=tuple(f"e{n}" for n in parts), groups=tuple(f"g{n}" for n in parts))
    print(f"{'read, all parts chosen':<54}CPU seconds")
    for what, files in projects():
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                Path(folder, name).write_text(text)
            first = Path(folder, next(iter(files)))
            print(f"{what:<54}{seconds(lambda path=first: read_path(path, selection=selection)):11.2f}")  # type: ignore[misc]
    print(f"{'compared':<54}CPU seconds")
    for what, compare in pairs():
        print(f"{what:<54}{seconds(compare):11.2f}")


if __name__ == "__main__":
    main()
