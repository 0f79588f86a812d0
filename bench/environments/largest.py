"""The largest files of each format, plain and hostile: `python -m bench.environments.largest [NAME-PART…]`.

Each is read in a process of its own; prints its size, the time and the memory that reading it takes. Asserts nothing.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator

from environments.definition.files.limits import Limits

LIMITS = Limits()
URL = "https://conda.anaconda.org/conda-forge/linux-64"


def repeated(head: str, unit: Callable[[int], str], most: int) -> str:
    """Units by their number, up to a size."""
    parts, size, lines, number = [head], len(head), head.count("\n"), 0
    while True:
        part = unit(number)
        size, lines, number = size + len(part), lines + part.count("\n"), number + 1
        if size > most or lines > (LIMITS.lock_lines if most > LIMITS.definition else LIMITS.lines):
            return "".join(parts)
        parts.append(part)


def conda_lock_entry(number: int) -> str:
    """Return a package as conda-lock writes it; every other is for another platform."""
    platform = "linux-64" if number % 2 else "osx-64"
    needs = "".join(f"    dep{n}: '>=1.{n},<2.0a0'\n" for n in range(6))
    return (
        f"- name: pkg{number}\n  version: 1.{number}.0\n  manager: conda\n  platform: {platform}\n  dependencies:\n{needs}"
        f"  url: {URL}/pkg{number}-1.{number}.0-h{number}_0.conda\n  hash:\n    md5: {number:032x}\n    sha256: {number:064x}\n"
        "  category: main\n  optional: false\n"
    )


def pylock_entry(number: int) -> str:
    """Return a package as uv writes it."""
    wheels = "".join(
        f'    {{ url = "https://f.example/p{number}-1-cp3{n}-cp3{n}-manylinux_2_28_x86_64.whl", size = {n},'
        f' hashes = {{ sha256 = "{number:064x}" }} }},\n'
        for n in range(12)
    )
    marker = f"marker = \"python_full_version >= '3.{9 + number % 4}' and sys_platform == 'linux'\"\n"
    return f'\n[[packages]]\nname = "p{number}"\nversion = "1"\n{marker}wheels = [\n{wheels}]\n'


CONDA_LOCK = "version: 1\nmetadata:\n  channels: []\n  platforms: [linux-64]\npackage:\n"
PYLOCK = 'lock-version = "1.0"\n'


def files() -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Yield what each file is, its name, and how it is made."""
    real, lock, plain = 2_400_000, LIMITS.lock, LIMITS.definition
    yield "conda-lock, 2.4 MB", "conda-lock.yml", lambda: repeated(CONDA_LOCK, conda_lock_entry, real)
    yield "conda-lock, 4 MB", "conda-lock.yml", lambda: repeated(CONDA_LOCK, conda_lock_entry, lock)
    yield (
        "conda-lock of values",
        "conda-lock.yml",
        lambda: CONDA_LOCK + "- [" + "a," * (lock // 2 - 100) + "]\n",
    )
    yield (
        "conda-lock, broken lines",
        "conda-lock.yml",
        lambda: repeated(CONDA_LOCK, lambda n: f"- a: b: {n}\n", lock),
    )
    yield (
        "conda-lock, nested",
        "conda-lock.yml",
        lambda: repeated(CONDA_LOCK, lambda n: "- " + "{a: " * 70 + "\n", lock),
    )
    yield "pylock, 2.4 MB", "pylock.toml", lambda: repeated(PYLOCK, pylock_entry, real)
    yield "pylock, 4 MB", "pylock.toml", lambda: repeated(PYLOCK, pylock_entry, lock)
    yield (
        "pylock of markers", "pylock.toml",
        lambda: repeated(PYLOCK, lambda n: f'[[packages]]\nname="a{n}"\nmarker="python_version<\'3.{n}\'"\n', lock),
    )  # fmt: skip
    yield (
        "pylock, broken tables",
        "pylock.toml",
        lambda: repeated(PYLOCK, lambda n: "[[packages]\nname=\n", lock),
    )
    yield "pylock of brackets", "pylock.toml", lambda: PYLOCK + "a = [\n" + "[\n" * (lock // 2 - 100)
    yield (
        "explicit list",
        "conda-linux-64.lock",
        lambda: repeated("@EXPLICIT\n", lambda n: f"{URL}/a{n}-1-0.conda\n", lock),
    )
    yield "conda file", "environment.yml", lambda: repeated("dependencies:\n", lambda n: f"- p{n}=1\n", plain)
    yield (
        "conda file of extras",
        "environment.yml",
        lambda: repeated("dependencies:\n", lambda n: f"- p{n}[x]>=1\n", plain),
    )
    yield "requirements", "requirements.txt", lambda: repeated("", lambda n: f"p{n}>=1.{n}\n", plain)
    yield (
        "requirements of conflicts", "requirements.txt",
        lambda: repeated("", lambda n: f"<<<<<<< a\np{n}>>1\n=======\nq{n}>>1\n>>>>>>> b\n", plain),
    )  # fmt: skip
    yield (
        "requirements of secrets",
        "requirements.txt",
        lambda: repeated("", lambda n: f"-i http://u:p{n}@h/\n", plain),
    )


def measured(
    name: str, make: Callable[[], str], results: multiprocessing.Queue[tuple[float, float, str, int]]
) -> None:
    """Read one file and report seconds, MB, the format and the number of findings."""
    from environments.definition import read

    content = make().encode()
    read("a==1\n", "requirements.txt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    reading = read(content, name)
    seconds = time.process_time() - started
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    results.put((seconds, memory, reading.format, len(reading.findings)))


def main(parts: list[str]) -> None:
    """Print a line for each file."""
    context = multiprocessing.get_context("fork")
    print(f"{'file':<28}{'MB':>6}{'seconds':>9}{'MB taken':>10}{'findings':>10}  format")
    for what, name, make in files():
        if not all(part in what for part in parts):
            continue
        results: multiprocessing.Queue[tuple[float, float, str, int]] = context.Queue()
        process = context.Process(target=measured, args=(name, make, results))
        process.start()
        seconds, memory, format, count = results.get()
        process.join()
        size = len(make()) / 1e6
        print(f"{what:<28}{size:>6.1f}{seconds:>9.2f}{memory:>10.0f}{count:>10}  {format}")


if __name__ == "__main__":
    main(sys.argv[1:])
