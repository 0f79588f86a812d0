"""The SDKs: their virtual environment, made once and kept outside of the repository, and sessions in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
INDEX = "https://pypi.org/simple"
SECONDS = 120.0  # for one piece of code


class NotInstalled(Exception):
    """The SDKs cannot be installed here."""


class ClientError(Exception):
    """An exception of a client: its class, message, and the status and the code of the answer."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(f"{answer['raised']}: {answer['message']}\n{answer['traceback']}")
        self.kind: str = answer["raised"]
        self.message: str = answer["message"]
        self.status: int | None = answer["status"]
        self.code: str | None = answer["code"]
        self.details: dict[str, str] = dict(answer["details"])


def cache_folder() -> Path:
    """Return the folder for virtual environments of clients."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "environment-studio-tests"


def install() -> Path:
    """Return the Python of the SDKs' virtual environment; make it if these requirements have none yet."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(version.encode() + REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"azure-{digest}"
    python, done = folder / "bin" / "python", folder / "installed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"azure-{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--python", sys.executable, folder)
            _uv("pip", "install", "--python", python, "--default-index", INDEX, "-r", REQUIREMENTS)
            done.touch()
    return python


def _uv(*argv: str | Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    done = subprocess.run([uv, "--quiet", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip()[-500:])


class Session:
    """A Python with the SDKs, with an empty home and settings of its own."""

    def __init__(self, python: Path, folder: Path, settings: Mapping[str, str], way: str) -> None:
        folder.mkdir(parents=True)
        self.way = way  # in which it reaches the studio
        self.folder = folder
        self.printed = ""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        more = {"HOME": str(folder), "AZURE_CONFIG_DIR": str(folder / "azure"), "NO_PROXY": "*"}
        self._errors = (folder / "errors.txt").open("w")
        self._process = subprocess.Popen(
            [python, "-I", HERE / "agent.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=folder,
            env={**kept, **more, "PYTHONWARNINGS": "ignore", **settings},
        )

    def run(self, code: str, /, **values: Any) -> Any:
        """Run code with these values as names; return the value of its last expression, `printed` has what it printed.

        Raises ClientError for what the code raises.
        """
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"code": textwrap.dedent(code), "values": values}) + "\n")
        process.stdin.flush()
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        line = process.stdout.readline()
        late.cancel()
        if not line:
            raise AssertionError(f"The client ended.\n{(self.folder / 'errors.txt').read_text()[-3000:]}")
        answer = json.loads(line)
        self.printed = answer["printed"]
        if "raised" in answer:
            raise ClientError(answer)
        return answer["value"]

    def fails(self, code: str, /, **values: Any) -> ClientError:
        """Run code that must raise, and return what it raised."""
        try:
            value = self.run(code, **values)
        except ClientError as error:
            return error
        raise AssertionError(f"Nothing was raised; the value is {value!r}")

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream
            stream.close()
