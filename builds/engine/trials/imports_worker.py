"""Import the requested packages with the image's own Python, in a container, and report the results.

Its text is given to that Python, which may be older than the studio's: it imports nothing else. Packages are
imported in a child process, so that a module that ends or hangs its process is named, and the others are still tried.

`python -c TEXT mark seconds names`: each line that it prints is the mark and a JSON object of one fact.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import IO

MOST_MODULES = 20  # of one distribution
MOST_CHARACTERS = 1500
# Folders that packages install by mistake; nobody requested them.
BESIDE = {"test", "tests", "testing", "doc", "docs", "example", "examples", "samples", "benchmarks", "build"}


def name_of(text: str | None) -> str:
    """Return a distribution's name as the lock has it."""
    return re.sub(r"[-_.]+", "-", text or "").lower()


def modules_of(record: str | None, top_level: str | None) -> list[str]:
    """Return the modules that stand at the top of what a distribution installs, by its RECORD or else top_level.txt."""
    packages: set[tuple[str, ...]] = set()
    modules: set[tuple[str, ...]] = set()
    for row in csv.reader((record or "").splitlines()):
        folders = row[0].split("/") if row else [""]
        file = folders.pop()
        stem, ending = file.split(".")[0], file.rpartition(".")[2]
        if ending not in ("py", "so") or (stem == "__init__" and not folders):
            continue
        path = (*folders, stem)
        if stem == "__init__":
            path = tuple(folders)
            packages.add(path)
        if all(part.isidentifier() for part in path):
            modules.add(path)
    if not modules:
        named = (line.split(".") for line in (top_level or "").split())
        modules = {tuple(path) for path in named if all(part.isidentifier() for part in path)}
    # A package imports its content; a folder without __init__ is a namespace, and only its content counts.
    top = [path for path in modules if not any(path[:end] in packages for end in range(1, len(path)))]
    ours = [path for path in top if path[0] not in BESIDE] or top
    public = [path for path in ours if not any(part.startswith("_") for part in path)] or ours
    return sorted(".".join(path) for path in public)[:MOST_MODULES]


def installed() -> dict[str, list[str]]:
    """Return the modules of every distribution that this Python finds, by name."""
    from importlib import metadata

    result: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        name = name_of(distribution.metadata["Name"])
        if name not in result:
            result[name] = modules_of(
                distribution.read_text("RECORD"), distribution.read_text("top_level.txt")
            )
    return result


def import_all(modules: list[str], output: int, results: int) -> None:
    """Import modules one after the other, as the child, and write down each as it is done."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for module in modules:
        message = ""
        try:
            importlib.import_module(module)
        except BaseException as error:
            try:
                message = "".join(traceback.format_exception_only(type(error), error)).strip()
            except BaseException:
                message = type(error).__name__
        os.write(results, (json.dumps(message[-MOST_CHARACTERS:]) + "\n").encode())
    os._exit(0)


def end_of(status: int, late: bool, seconds: float, output: IO[bytes]) -> str:
    """Return how the child came to its end in the middle of an import."""
    if late:
        return "It did not end within %g seconds." % seconds  # noqa: UP031
    output.seek(max(0, output.seek(0, os.SEEK_END) - MOST_CHARACTERS))
    last = output.read().decode("utf-8", "replace").strip()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        how = "It was killed by signal %d." % number  # noqa: UP031
        if number == signal.SIGKILL:
            how = "It was killed, most likely for want of memory."
    else:
        how = "It ended Python, with exit code %d." % os.WEXITSTATUS(status)  # noqa: UP031
    return how + (" It had said: " + last if last else "")


def attempt(
    modules: list[tuple[str, str]], until: float, seconds: float, report: Callable[[int, str], None]
) -> int:
    """Import in a new child until it ends; report each module, and return how many were tried."""
    reading, writing = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115 (both have it, and it goes with them)
    child = os.fork()
    if child == 0:
        os.close(reading)
        import_all([module for _, module in modules], output.fileno(), writing)
    os.close(writing)
    os.set_blocking(reading, False)
    rest, done, late = b"", 0, False
    status: int | None = None
    while True:
        select.select([reading], [], [], 0.05)
        try:
            piece = os.read(reading, 65536)
        except BlockingIOError:
            piece = b""
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines[: len(modules) - done]:
            report(done, json.loads(line.decode()))
            done += 1
        if piece:
            continue
        if status is not None:
            break  # and all its output is read
        time.sleep(0.01)  # what is closed can always be read
        late = time.monotonic() > until
        if late:
            os.kill(child, signal.SIGKILL)
        ended, result = os.waitpid(child, 0 if late else os.WNOHANG)
        status = result if ended else None
    os.close(reading)
    if done < len(modules):
        report(done, end_of(status, late, seconds, output))
        done += 1
    return done


def main(mark: str, seconds: float, names: list[str]) -> None:
    """Report the installed versions of these distributions, and import them."""

    def report(**fact: object) -> None:
        os.write(1, ("\n" + mark + json.dumps(fact) + "\n").encode())

    until = time.monotonic() + seconds
    report(python=".".join(map(str, sys.version_info[:3])))
    if sys.version_info < (3, 8):  # noqa: UP036 (it is not the studio's Python)
        report(old=True)
        return
    by_name = installed() if names else {}
    todo: list[tuple[str, str]] = []
    for name in names:
        modules = by_name.get(name)
        if modules is None:
            report(package=name, module="", error="It is not installed.")
        elif not modules:
            report(skipped=name)
        todo += [(name, module) for module in modules or ()]
    while todo and time.monotonic() < until:
        before = todo

        def report_module(number: int, error: str, before: list[tuple[str, str]] = before) -> None:
            report(package=before[number][0], module=before[number][1], error=error)

        todo = todo[attempt(todo, until, seconds, report_module) :]
    report(end=len(todo))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3]))
