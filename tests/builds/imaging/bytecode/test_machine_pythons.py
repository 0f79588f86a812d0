"""The Pythons of this machine: which of them compile, and which is taken."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from builds.imaging.bytecode import machine
from builds.imaging.bytecode.interpreters import Facts, facts_of, read_facts, running
from builds.imaging.bytecode.machine import machine_interpreter
from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder

COLLECTIONS = machine._COLLECTIONS
FINAL = Facts("cpython", "3.13.5", 3571, "", True, "/usr/bin/python3.13")


@pytest.fixture(autouse=True)
def only_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with nothing but what a test puts on PATH."""
    monkeypatch.setattr(machine, "_SYSTEM", ())
    monkeypatch.setattr(machine, "_COLLECTIONS", (str(tmp_path / "collection"),))
    monkeypatch.delenv("UV_PYTHON_INSTALL_DIR", raising=False)


def python(folder: Path, script: str) -> Path:
    path = folder / "python3.99"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def answering(folder: Path, seconds: float = 1.0, **facts: object) -> Path:
    """Make a Python 3.99 that answers so, and that compiles the measured text in so many seconds."""
    path = folder / "python3.99"
    answer = {**asdict(FINAL), "version": "3.99.1", "path": str(path), **facts}
    return python(
        folder,
        f"case $4 in *process_time*) echo {seconds};; *) echo {shlex.quote(json.dumps(answer))};; esac",
    )


def test_only_a_python_that_runs_and_is_of_that_version_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    """pyenv, for one, has a program for each version that it knows, which may only say where that is."""
    python(tmp_path / "pyenv", "exit 127")
    python(tmp_path / "other", f'exec {sys.executable} "$@"')
    python(tmp_path / "talking", "echo hello")
    real = answering(tmp_path / "real")
    folders = [str(tmp_path / name) for name in ("pyenv", "other", "talking", "real")]

    monkeypatch.setenv("PATH", ":".join(folders))
    assert (chosen := machine_interpreter((3, 99), workshop)) is not None
    assert (chosen.path, chosen.version, chosen.provider) == (str(real), "3.99.1", "machine")
    monkeypatch.setenv("PATH", ":".join(folders[:3]))
    assert machine_interpreter((3, 99), workshop) is None


def test_the_path_of_the_python_behind_a_shim_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    real = answering(tmp_path / "real")
    python(tmp_path / "shims", f'exec {real} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))

    assert (chosen := machine_interpreter((3, 99), workshop)) is not None
    assert chosen.path == str(real)


def test_the_fastest_is_taken_and_of_equals_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    folders = [tmp_path / name for name in ("slow", "fast", "as-fast")]
    for folder, seconds in zip(folders, (0.2, 0.1, 0.099), strict=True):
        answering(folder, seconds)
    monkeypatch.setenv("PATH", ":".join(map(str, folders)))

    assert (chosen := machine_interpreter((3, 99), workshop)) is not None
    assert Path(chosen.path).parent == folders[1]


def test_pythons_are_measured_once_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    calls = tmp_path / "calls"
    for name in ("one", "two"):
        path = answering(tmp_path / name)
        path.write_text(path.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\necho >> {calls}\n"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'one'}:{tmp_path / 'two'}")

    first = machine_interpreter((3, 99), workshop)
    answers = len(calls.read_text())
    assert machine_interpreter((3, 99), workshop) == first
    assert len(calls.read_text()) == answers == 4
    answering(tmp_path / "one", version="3.99.20")
    assert (chosen := machine_interpreter((3, 99), workshop)) is not None
    assert chosen.version == "3.99.20"


def test_a_python_in_a_folder_of_its_own_beside_others_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    """As the studio's own image has them, manylinux images, and uv."""
    path = answering(tmp_path / "collection" / "cpython-3.99.1-linux-x86_64-gnu" / "bin")
    answering(tmp_path / "collection" / ".temp" / "bin", version="3.99.2")
    monkeypatch.setenv("PATH", "/nowhere")

    assert (chosen := machine_interpreter((3, 99), workshop)) is not None
    assert chosen.path == str(path)


def test_the_studios_own_image_has_its_pythons_where_they_are_looked_for() -> None:
    dockerfile = (Path(__file__).parents[4] / "Dockerfile").read_text()

    installed = re.search(r"uv python install .*--install-dir (\S+) \$version", dockerfile)
    versions = re.search(r'ARG PYTHONS="(.+)"', dockerfile)
    own = re.search(r"PYTHON=python:(\S+)-slim", dockerfile)
    assert installed is not None
    assert own is not None
    assert versions is not None
    assert installed[1] == COLLECTIONS[0]
    assert f"COPY --from=pythons {installed[1]} {installed[1]}\n" in dockerfile
    assert {own[1], *versions[1].split()} == {f"3.{minor}" for minor in range(10, 15)}


@pytest.mark.parametrize(
    "facts",
    [
        replace(FINAL, implementation="pypy"),
        replace(FINAL, flags="t"),
        replace(FINAL, flags="d"),
        replace(FINAL, hashes=False),
        replace(FINAL, version="3.13.0rc1"),
        replace(FINAL, magic=3570),
        replace(FINAL, version="3.14.1", magic=3627),
    ],
)
def test_other_builds_do_not_compile_for_releases(facts: Facts) -> None:
    assert not facts.fits((3, 13))


def test_releases_do_and_one_of_a_version_that_came_later_too() -> None:
    assert FINAL.fits((3, 13))
    assert replace(FINAL, flags="m", version="3.7.16", magic=3394).fits((3, 7))
    assert replace(FINAL, version="3.16.1", magic=3710).fits((3, 16))
    assert replace(FINAL, version="3.13.0rc1", magic=3570).compiles((3, 13))


@pytest.mark.parametrize(
    "answer", ["", "[]", "null", '{"version": 3}', "[" * 100_000, '{"version": "3.13.0; rm"}']
)
def test_answers_that_are_none_are_nothing(answer: str) -> None:
    assert read_facts(answer) is None


def test_the_running_python_answers_for_itself(workshop: Workshop) -> None:
    facts = facts_of(Path(sys.executable))
    assert facts is not None
    assert facts.fits(running().minor)
    assert (chosen := machine_interpreter(running().minor, workshop)) is not None
    assert chosen.minor == running().minor


def test_a_build_chooses_once_and_logs_it_once(workshop: Workshop, reporter: Recorder) -> None:
    chosen = find_interpreter(running().minor, workshop, reporter)

    assert find_interpreter(running().minor, workshop, reporter) is chosen
    assert reporter.lines == [f"Bytecode: {chosen}"]
    assert find_interpreter(running().minor, replace(workshop, bytecode="none"), reporter) is None


def test_a_python_without_unchecked_bytecode_gets_none(workshop: Workshop, reporter: Recorder) -> None:
    assert find_interpreter((3, 6), workshop, reporter) is None
    assert "imports will take longer" in reporter.log
