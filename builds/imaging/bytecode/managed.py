"""Have uv install the Python that this machine lacks, checked against uv's own checksums."""

from __future__ import annotations

import os
import time
from pathlib import Path

import uv
from packaging.version import Version

from builds.confinement.confine import Confinement, environment
from builds.imaging.bytecode.interpreters import Interpreter, Minor
from builds.imaging.bytecode.machine import examined
from builds.imaging.child_process import Ended, run
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import ManagedPythons, Workshop

_FAILED = "interpreters-failed"
_FAILURE_SECONDS = 900.0
"""How long a failure is remembered: until then builds do not try again."""

_OLDEST: Minor = (3, 8)
"""The first CPython for Linux in uv's own list."""

_INSTALLING_SECONDS = 300.0
_MOST_REASON = 600
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def managed_interpreter(python: Minor, workshop: Workshop, reporter: Reporter) -> Interpreter | None:
    """Return the Python of this minor version that uv manages, installed now if it is not here; None without one.

    uv installs one at a time, and moves a Python into its folder when it is complete.
    """
    pythons = workshop.managed_pythons
    if pythons is None:
        return None
    interpreter = installed(python, workshop)
    if interpreter is not None or not installable(python, workshop):
        return interpreter
    version = f"{python[0]}.{python[1]}"
    reporter.line(f"uv installs CPython {version}, which this machine does not have, to compile bytecode")
    problem = _install(version, pythons, workshop, reporter)
    interpreter = installed(python, workshop)
    if interpreter is None:
        reporter.line(f"uv could not install CPython {version}: {problem}")
        workshop.remember(_FAILED, _key(python, pythons), time.time())
    return interpreter


def installed(python: Minor, workshop: Workshop) -> Interpreter | None:
    """Return the newest Python of this minor version that uv has installed."""
    if workshop.managed_pythons is None:
        return None
    name = f"python{python[0]}.{python[1]}"
    candidates = {
        Path(facts.path).resolve(): facts.version
        for path in workshop.managed_pythons.folder.glob(f"cpython-{python[0]}.{python[1]}[.-]*/bin/{name}")
        if (facts := examined(path, workshop)) is not None and facts.fits(python)
    }
    if not candidates:
        return None
    path = max(candidates, key=lambda path: Version(candidates[path]))
    return Interpreter(str(path), candidates[path], "uv")


def installable(python: Minor, workshop: Workshop) -> bool:
    """Return whether it is worth having uv try."""
    pythons = workshop.managed_pythons
    if pythons is None or not pythons.download:
        return False
    listed = python >= _OLDEST or bool(pythons.downloads_json_url)
    return listed and not failed_before(python, workshop)


def failed_before(python: Minor, workshop: Workshop) -> bool:
    """Return whether installing it failed a short while ago."""
    if workshop.managed_pythons is None:
        return False
    at = workshop.recall(_FAILED, _key(python, workshop.managed_pythons))
    return isinstance(at, float) and 0 <= time.time() - at < _FAILURE_SECONDS


def _key(python: Minor, pythons: ManagedPythons) -> str:
    return f"{python} {pythons.mirror} {pythons.downloads_json_url}"


def _install(version: str, pythons: ManagedPythons, workshop: Workshop, reporter: Reporter) -> str:
    """Run uv, and return its error; empty if it is content."""
    cache = workshop.folder("uv-pythons").absolute()
    pythons.folder.mkdir(parents=True, exist_ok=True)
    argv = [uv.find_uv_bin(), "python", "install", "--no-config", "--no-bin", "--no-progress"]
    argv += ["--color", "never", "--install-dir", str(pythons.folder), "--cache-dir", str(cache)]
    if pythons.mirror:
        argv += ["--mirror", pythons.mirror]
    if pythons.downloads_json_url:
        argv += ["--python-downloads-json-url", pythons.downloads_json_url]
    local = [
        Path(url.removeprefix("file://"))
        for url in (pythons.mirror, pythons.downloads_json_url)
        if url.startswith(("file://", "/"))
    ]
    try:
        ended = run(
            [*argv, f"cpython-{version}"],
            reporter,
            timeout=_INSTALLING_SECONDS,
            env=environment(_variables(), cache),
            folder=pythons.folder,
            confinement=Confinement(
                reads=tuple(local), writes=(pythons.folder, cache), network=True, processes=4
            ),
        )
    except Cancelled:
        raise
    except ImageError as error:
        return error.message
    return _reason(ended)


def _variables() -> dict[str, str]:
    """Return uv's environment: the operator's proxies, and no second try where there is no network."""
    proxies = {
        name: os.environ[name] for key in _PROXIES for name in (key, key.lower()) if name in os.environ
    }
    return {**proxies, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10"}


def _reason(ended: Ended) -> str:
    """Return uv's causes in one line."""
    if not ended.code:
        return "it cannot be used"
    lines = [line.strip().removeprefix("cause: ") for line in ended.error.splitlines() if line.strip()]
    begins = next((number for number, line in enumerate(lines) if line.startswith("error")), 0)
    return "; ".join(lines[begins:])[:_MOST_REASON] or f"exit code {ended.code}"
