"""Find the Pythons of this machine, and take the fastest: an optimised build compiles nearly twice as fast as another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from builds.imaging.bytecode.interpreters import Facts, Interpreter, Minor, facts_of
from builds.imaging.workshop import Workshop

_KIND = "interpreters-1"
_SYSTEM = ("/usr/bin", "/usr/local/bin")
# A folder for each Python: as manylinux images and the studio's own have them, and as uv manages them for a user.
_COLLECTIONS = ("/opt/python", "~/.local/share/uv/python")
# Of nearly equal ones the first is taken, so that the choice does not depend on the moment.
_CLEARLY = 0.9

_MEASURING_SECONDS = 5.0
_MEASURING_SCRIPT = """
import time
text = "".join(
    "def f%d(a, b=%d, *c, **d):\\n for e in a:\\n  if e and b > len(c): d[e] = [str(x) + 'f%d' for x in c if x]\\n"
    " return {'a': a, **d}\\n" % (n, n, n) for n in range(150)
)
times = []
for _ in range(5):
    began = time.process_time()
    compile(text, "f", "exec", dont_inherit=True, optimize=0)
    times.append(time.process_time() - began)
print(min(times))
"""


def machine_interpreter(python: Minor, workshop: Workshop) -> Interpreter | None:
    """Return the fastest Python of this minor version here."""
    candidates: dict[Path, Facts] = {}
    for facts in _fitting(python, workshop):
        candidates.setdefault(Path(facts.path).resolve(), facts)
    if not candidates:
        return None
    best, *others = candidates
    for path in others:
        if _seconds(path, workshop) < _CLEARLY * _seconds(best, workshop):
            best = path
    return Interpreter(str(best), candidates[best].version, "machine")


def has_interpreter(python: Minor, workshop: Workshop) -> bool:
    """Return whether a Python of this minor version is here, without looking for the fastest."""
    return next(_fitting(python, workshop), None) is not None


def _fitting(python: Minor, workshop: Workshop) -> Iterator[Facts]:
    for path in _paths(python):
        facts = examined(path, workshop)
        if facts is not None and facts.fits(python):
            yield facts


def examined(path: Path, workshop: Workshop) -> Facts | None:
    """Return an interpreter's facts, asked once for as long as its file stays the same; None if it does not run."""
    key = _key("facts", path)
    if key is None:
        return None
    known = workshop.recall(_KIND, key)
    if known is not None:
        return Facts(**known)
    facts = _answer_of(path, key)
    # A shim may start another Python tomorrow, or one at all.
    if facts is not None and Path(facts.path).resolve() == path.resolve():
        workshop.remember(_KIND, key, asdict(facts))
    return facts


@lru_cache(maxsize=256)
def _answer_of(path: Path, _key: str) -> Facts | None:
    return facts_of(path)


def _paths(python: Minor) -> Iterator[Path]:
    """Yield where Pythons of a minor version may be, in the order of preference."""
    name = f"python{python[0]}.{python[1]}"
    if sys.version_info[:2] == python:
        yield Path(sys.executable)
    folders = [Path(folder) for folder in (*os.get_exec_path(), *_SYSTEM)]
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR")
    for collection in (*_COLLECTIONS, *([managed] if managed else [])):
        folders += sorted(Path(collection).expanduser().glob("[!.]*/bin"))
    for folder in dict.fromkeys(folders):
        path = folder / name
        if os.access(path, os.X_OK):
            yield path


def _seconds(path: Path, workshop: Workshop) -> float:
    """Return how long an interpreter takes to compile a small text, measured once."""
    key = _key("seconds", path)
    known = workshop.recall(_KIND, key) if key is not None else None
    if isinstance(known, float):
        return known
    try:
        answer = subprocess.run(
            [path, "-s", "-S", "-c", _MEASURING_SCRIPT],
            capture_output=True,
            text=True,
            timeout=_MEASURING_SECONDS,
            check=True,
        ).stdout
        seconds = float(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return _MEASURING_SECONDS
    if key is not None:
        workshop.remember(_KIND, key, seconds)
    return seconds


def _key(what: str, path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{what} {path.absolute()} {path.resolve()} {status.st_size} {status.st_mtime_ns}"
