"""pip, as the judge of what is right: what it would install, and how it reads a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_READER = """
import json, sys
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import RequirementsFileParser, get_line_parser
lines = RequirementsFileParser(PipSession(), get_line_parser(None)).parse(sys.argv[1], constraint=False)
print(json.dumps([[line.requirement if line.is_requirement else "", line.opts.__dict__] for line in lines], default=str))
"""


def would_install(lines: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the versions that pip would install of these requirement lines, by name."""
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--no-cache-dir"]
    done = _pip(*command, "--isolated", "--no-build-isolation", "-r", str(folder / "requirements.txt"))
    reported = [item["metadata"] for item in json.loads(done)["install"]]
    return {item["name"].replace("_", "-").lower(): item["version"] for item in reported}


def as_pip_reads(line: str, folder: Path) -> tuple[str, dict[str, object]]:
    """Return the requirement that pip reads in a line, and the values of its options."""
    (folder / "requirements.txt").write_text(f"{line}\n")
    command = [sys.executable, "-c", _READER, str(folder / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ((requirement, options),) = json.loads(done.stdout)
    return requirement, options


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
