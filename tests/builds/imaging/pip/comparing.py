"""pip, as the judge of what is right: what it would install, and how it reads a line."""

from __future__ import annotations

import json
import subprocess
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pip._internal.network.session import PipSession
from pip._internal.req.req_file import RequirementsFileParser, get_line_parser

from tests.services.servers.preloaded import run_preloaded


def would_install(lines: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the versions that pip would install of these requirement lines, by name."""
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--no-cache-dir"]
    # As an option: isolated from its environment, pip asks the public index for a newer pip.
    command += ["--isolated", "--disable-pip-version-check", "--no-build-isolation"]
    done = _pip(*command, "-r", str(folder / "requirements.txt"))
    reported = [item["metadata"] for item in json.loads(done)["install"]]
    return {item["name"].replace("_", "-").lower(): item["version"] for item in reported}


def as_pip_reads(line: str, folder: Path) -> tuple[str, dict[str, object]]:
    """Return the requirement that pip reads in a line, and the values of its options."""
    file = folder / "requirements.txt"
    file.write_text(f"{line}\n")
    (read,) = RequirementsFileParser(_session(), get_line_parser(None)).parse(str(file), constraint=False)
    options: dict[str, object] = json.loads(json.dumps(read.opts.__dict__, default=str))
    return read.requirement if read.is_requirement else "", options


@cache
def _session() -> PipSession:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports a library that warns of its own end
        return PipSession()


def _pip(*arguments: str) -> str:
    done = run_preloaded(["-m", "pip", *arguments], env={"PATH": "/usr/bin:/bin"})
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done.stdout
