"""Causes of failed builds: each provoked in a real build, recognised, and linked to its line."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pip
import pytest
from django.test import override_settings

from builds.causes import CATALOGUE, clues_in, diagnose, first_real
from builds.imaging.reporting import ImageError
from builds.logs import read_log
from builds.models import Build, BuildState
from builds.worker import runner
from builds.worker.reconciler import release
from environments.definition import read_path
from environments.versions.service import save_reading
from tests.builds.engine.test_engine import push
from tests.builds.imaging.making import make_wheel
from tests.builds.scenarios import claim_build, queue_build, save_text, workspace_named
from tests.services import parts
from tests.services.fixtures import need
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry

PIP = "RUN python pip.whl/pip --no-cache-dir --disable-pip-version-check"
NO_NETWORK = "--retries 1 --timeout 1 --index-url http://127.0.0.1:9/simple"
LINE = "the line that shows it"


def tools() -> tuple[str, ...]:
    """Return a compiler and apt-get of this machine, with a shell."""
    need(parts.COMPILER)
    compiler = subprocess.run(
        ["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True
    ).stdout.strip()
    apt = ("/usr/bin/apt-get", "/usr/bin/dpkg", "/usr/lib/apt/methods/http", "/usr/lib/apt/methods/store")
    tables = tuple(f"/usr/share/dpkg/{name}table" for name in ("cpu", "os", "abi", "tuple"))
    return ("/bin/sh", "/bin/mkdir", "/bin/touch", "/bin/dd", "/usr/bin/gcc", compiler, *apt, *tables)


@pytest.fixture(scope="module")
def mirror(docker_engine: DockerEngine, registry: Registry) -> Registry:
    """A registry in the role of Docker Hub; `machine:tools` has a compiler and apt-get."""
    push(docker_engine, registry, "tools", tools())
    return registry


def pip_wheel() -> bytes:
    """Return the pinned pip as an archive that Python runs without installing it."""
    buffer = io.BytesIO()
    package = Path(pip.__file__).parent
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                archive.write(file, str(file.relative_to(package.parent)))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of every build context: pip, and two packages that contradict one another."""
    folder = tmp_path_factory.mktemp("files")
    make_wheel(folder, "one", "1.0", needs=["three==1.0"])
    make_wheel(folder, "two", "1.0", needs=["three==2.0"])
    make_wheel(folder, "three", "1.0")
    make_wheel(folder, "three", "2.0")
    return {"pip.whl": pip_wheel()} | {f"wheels/{item.name}": item.read_bytes() for item in folder.iterdir()}


@pytest.fixture(scope="module")
def build_settings(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: DockerEngine, mirror: Registry
) -> Iterator[None]:
    """Settings for real builds: one store and cache for all of them."""
    root = tmp_path_factory.mktemp("studio")
    with override_settings(
        DOCKER_HOST=docker_engine.host,
        STORE=root / "store",
        CACHE=root / "cache",
        REGISTRY_MIRRORS={"docker.io": mirror.address},
    ):
        yield


def built(folder: Path, dockerfile: str, files: dict[str, bytes]) -> Build:
    """Build a context for real, from the request to the end, and return the build."""
    for path, content in (files | {"Dockerfile": dockerfile.encode()}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    reading = read_path(folder)
    assert reading.definition is not None, reading.findings
    version = save_reading(workspace_named("lab"), "failing", reading, source=dockerfile).version
    build = queue_build(version)
    runner.run_build(build.pk, "a worker of a test")
    build.refresh_from_db()
    return build


def log_of(build: Build) -> list[str]:
    return read_log(build.pk, limit=10_000).text.splitlines()


# The instructions that fail, the cause, and what the line says that the failure is linked to.
FAILING = {
    "pip finds no such package": (
        "FROM host\nCOPY . /\n" + PIP + " install --no-index --find-links /wheels nonesuch",
        "no-matching-distribution",
        "Could not find a version that satisfies the requirement nonesuch",
    ),
    "pip finds a conflict": (
        "FROM host\nCOPY . /\n" + PIP + " install --no-index --find-links /wheels one two",
        "conflict",
        "conflicting dependencies",
    ),
    "pip cannot read a requirement": (
        "FROM host\nCOPY . /\n" + PIP + " install numpy=1.26",
        "bad-spec",
        "Invalid requirement: 'numpy=1.26'",
    ),
    "pip is kept from the distribution's Python": (
        'FROM host\nCOPY . /\nRUN python -c "import pathlib as p, sysconfig as s;'
        " p.Path(s.get_path('stdlib'), 'EXTERNALLY-MANAGED').touch()\""
        f" && {PIP.removeprefix('RUN ')} install --no-index --find-links /wheels three",
        "externally-managed",
        "error: externally-managed-environment",
    ),
    "pip does not reach its index": (
        "FROM host\nCOPY . /\n" + PIP + f" install {NO_NETWORK} numpy",
        "index-unreachable",
        "Retrying",
    ),
    "pip's index does not answer": (
        "FROM host\nCOPY . /\nRUN python -c \"import socket, time; s = socket.create_server(('127.0.0.1', 9));"
        ' time.sleep(60)" & '
        f"{PIP.removeprefix('RUN ')} download {NO_NETWORK} numpy",
        "timeout",
        "Read timed out",
    ),
    "a header is missing": (
        'FROM machine:tools\nRUN mkdir -p /usr/include && touch /usr/include/stdc-predef.h && echo "#include <Python.h>" > /tmp/a.c && gcc -c /tmp/a.c -o /tmp/a.o',
        "compile-failed",
        "fatal error: Python.h: No such file or directory",
    ),
    "apt-get knows no such package": (
        "FROM machine:tools\nRUN mkdir -p /var/lib/dpkg /var/lib/apt/lists/partial /var/cache/apt/archives/partial"
        " /etc/apt/apt.conf.d /etc/apt/preferences.d && touch /var/lib/dpkg/status"
        " && apt-get install -y nonesuch",
        "apt-failed",
        "E: Unable to locate package nonesuch",
    ),
    "apt-get does not reach its servers": (
        "FROM machine:tools\nRUN mkdir -p /var/lib/dpkg /var/lib/apt/lists/partial /var/cache/apt/archives/partial"
        " /etc/apt/apt.conf.d /etc/apt/preferences.d && touch /var/lib/dpkg/status"
        " && echo 'deb [trusted=yes] http://127.0.0.1:9/debian stable main' > /etc/apt/sources.list"
        " && apt-get -o APT::Sandbox::User=root update ; apt-get install -y nonesuch",
        "apt-failed",
        # The engine sends a command's two outputs side by side, not in the order in which they were written.
        "Err:1 http://127.0.0.1:9/debian|W: Failed to fetch http://127.0.0.1:9/debian",
    ),
    "a command is missing": ("FROM host\nRUN nonesuch --help", "missing-command", "nonesuch: not found"),
    "a command ends badly": (
        "FROM host\nRUN echo this is why && exit 3",
        "command-failed",
        "this is why",
    ),
    "a file to copy is missing": ("FROM host\nCOPY missing.txt /", "copy-not-found", "COPY missing.txt /"),
    "a disk is full": (
        "FROM machine:tools\nRUN dd if=/dev/zero of=/dev/shm/full bs=1M count=100",
        "disk-full",
        "No space left on device",
    ),
    "memory runs out": (
        "FROM host\nRUN echo taking && python -c \"x = bytearray(10**9); x[::4096] = b'1' * len(x[::4096])\"",
        "out-of-memory",
        "taking|Killed",
    ),
    "a registry is away": ("FROM 127.0.0.1:9/team/image:1\nRUN true", "registry-unreachable", "Error: "),
}


@pytest.mark.parametrize("first", ["Err:1 http://127.0.0.1:9/debian stable InRelease", ""])
def test_apt_that_does_not_reach_its_servers_finds_no_package_for_that_reason(first: str) -> None:
    lines = [
        first,
        "W: Failed to fetch http://127.0.0.1:9/debian/dists/stable/InRelease  Could not connect to 127.0.0.1:9"
        " (127.0.0.1). - connect (111: Connection refused)",
        "E: Unable to locate package nonesuch",
        "Err:1 http://127.0.0.1:9/debian stable InRelease",
    ]
    clue = first_real(clues_in(enumerate(lines)))
    assert clue is not None
    assert (clue.code, clue.fault, clue.line) == ("apt-failed", "outside", 0 if first else 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", FAILING)
def test_a_failure_names_its_cause_and_the_line_that_shows_it(
    tmp_path: Path, build_settings: None, files: dict[str, bytes], what: str
) -> None:
    dockerfile, code, pattern = FAILING[what]
    given = {} if "machine:tools" in dockerfile else files

    with override_settings(BUILD_MEMORY=256 * 1024 * 1024):
        build = built(tmp_path, f"{dockerfile}\n", given)

    lines = log_of(build)
    log = "\n".join(lines)
    assert (build.state, build.error_code) == (BuildState.FAILED, code), f"{build.error}\n{log}"
    assert build.error_line is not None
    assert re.search(pattern, lines[build.error_line - 1]), f"line {build.error_line} of\n{log}"
    assert build.error_help
    assert build.error_fault == ("outside" if "reach" in what else CATALOGUE[code].fault)
    assert lines[-1].startswith(f"Build {build.pk} failed after ")


@pytest.mark.django_db(transaction=True)
def test_a_registry_that_wants_a_login_refuses(
    tmp_path: Path, build_settings: None, private_registry: Registry
) -> None:
    build = built(tmp_path, f"FROM {private_registry.address}/team/image:1\nRUN true\n", {})

    assert build.error_code == "registry-refused", build.error
    assert private_registry.address in build.error
    assert build.error_line is not None
    assert "Error: " in log_of(build)[build.error_line - 1]


@pytest.mark.django_db(transaction=True)
def test_the_steps_of_a_dockerfile_are_listed_with_their_lines_and_their_outcomes(
    tmp_path: Path, build_settings: None
) -> None:
    """The first step holds what the Dockerfile does."""
    build = built(tmp_path, "FROM host\nRUN echo one\nRUN echo two && exit 3\nRUN echo three\n", {})

    (step,) = build.steps.all()
    lines = log_of(build)
    assert [(part["name"], part["failed"]) for part in step.parts] == [
        ("FROM host", False),
        ("RUN echo one", False),
        ("RUN echo two && exit 3", True),
    ]
    for part in step.parts:
        assert part["name"] in lines[part["line"] - 1]
        assert part["seconds"] is not None


# Builds that end for a reason from outside


@pytest.mark.django_db
def test_a_worker_that_died_too_often_leaves_a_cause_and_the_last_line() -> None:

    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (_, reporter):
        reporter.line("the last that was heard")
        reporter.flush(everything=True)
    Build.objects.filter(pk=build.pk).update(attempt=100)

    release(Build.objects.filter(pk=build.pk), died=True)

    build.refresh_from_db()
    assert (build.error_code, build.error_fault, build.error_line) == ("worker-died", "studio", 1)
    assert build.error_help


# Without an engine


def lines_of(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.strip("\n").split("\n"), 1))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        # A second try that helped explains nothing.
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'\n"
            "Successfully installed a\nmain.c:1:10: fatal error: x.h: No such file or directory\n"
            "error: command '/usr/bin/gcc' failed with exit code 1",
            "compile-failed",
            3,
        ),
        # A missing package is more specific than an unsolvable set.
        (
            "LibMambaUnsatisfiableError: Encountered problems while solving:\n"
            "  - nothing provides requested nonesuch",
            "package-not-found",
            2,
        ),
        ("npm ERR! code E404\nnpm ERR! 404 Not Found - GET https://registry.npmjs.org/nonesuch", "package-not-found", 1),
        ("npm error code ERESOLVE\nnpm error ERESOLVE could not resolve", "conflict", 1),
        ("#12 1.234 \x1b[31mE: Unable to locate package x\x1b[0m", "apt-failed", 1),
        ("  error: command 'x86_64-linux-gnu-gcc' failed: No such file\nERROR: Failed building wheel for x", "compile-failed", 1),
        ("ERROR: HTTP error 401 while getting https://host/simple/x", "index-refused", 1),
        ("checking for gcc... not found\nchecking for cc... not found", None, None),
    ],
)  # fmt: skip
def test_the_first_real_cause_counts(text: str, code: str | None, line: int | None) -> None:
    result = first_real(clues_in(lines_of(text)))
    assert (result.code if result else None, result.line if result else None) == (code, line)


def test_what_an_earlier_step_survived_is_not_blamed() -> None:
    lines = lines_of("E: Unable to locate package x\nStep 2/2 : RUN y\nsh: 1: y: not found")
    failure = ImageError("missing-command", "…")

    result = diagnose(failure, lines, begins=2)

    assert (result.line, result.others) == (3, ())


def test_other_causes_are_recognised_too() -> None:
    lines = lines_of("E: Unable to locate package gcc\nsh: 1: gcc: not found\nmake: *** [all] Error 127")

    result = diagnose(ImageError("missing-command", "…"), lines)

    assert result.line == 2
    assert [(clue.code, clue.line) for clue in result.others] == [("apt-failed", 1), ("compile-failed", 3)]
