"""The image that gateways run: this machine's Python and the few modules that a relay needs, at their own paths."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from builds.engine.connection import BASES, LABEL, Engine
from builds.imaging.child_process import run
from builds.imaging.reporting import ImageError, Reporter
from builds.proxy import relay

_INTERPRETER = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
_OPTIONS = ("-I", "-S")
_SCRIPT = Path(relay.__file__).read_text()
_BYTECODE = "/bytecode"
ARGV = (_INTERPRETER, *_OPTIONS, "-X", f"pycache_prefix={_BYTECODE}", "-c", _SCRIPT)
"""The program of a gateway, but for its port."""

# Without ssl, which is large and which the relay does without.
_LISTING = """import sys
sys.modules["ssl"] = None
__name__ = ""
exec(sys.argv[1])
print(*[m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)], sep="\\n")
"""


def gateway_image(engine: Engine, reporter: Reporter) -> str:
    """Return the name of the gateway's image in the engine, made now if it is not there. Raises ImageError."""
    key = hashlib.sha256(f"{LABEL} {_INTERPRETER} {sys.version} {_SCRIPT}".encode()).hexdigest()
    tag = f"gateway-{key[:24]}"
    name = f"{BASES}:{tag}"
    if engine.local(name) is None:
        files = _archive(reporter)
        engine.api.import_image_from_data(
            files, repository=BASES, tag=tag, changes=[f"LABEL {LABEL}=gateway"]
        )
    engine.api.tag(name, BASES, tag)  # which notes the time: a clean-up leaves what is in use
    return name


def _archive(reporter: Reporter) -> bytes:
    """Return the interpreter, the relay's modules with their bytecode and the libraries of both, as a tar archive."""
    buffer = io.BytesIO()
    with (
        tempfile.TemporaryDirectory() as bytecode,
        tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive,
    ):
        compiling = ["-X", f"pycache_prefix={bytecode}"]
        modules = _printed(
            [_INTERPRETER, *_OPTIONS, *compiling, "-c", _LISTING, _SCRIPT], reporter
        ).splitlines()
        programs = [_INTERPRETER, *(path for path in modules if path.endswith(".so"))]
        listed = _printed([shutil.which("ldd") or "ldd", *programs], reporter).split()
        libraries = [word.rstrip(":") for word in listed if word.startswith("/")]
        for path in sorted({*programs, *modules, *libraries}):
            if os.path.isfile(path):
                archive.add(path, filter=_readable)
        archive.add(bytecode, _BYTECODE, filter=_readable)
    return buffer.getvalue()


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode |= 0o555 if entry.isdir() else 0o444
    entry.uid = entry.gid = 0
    return entry


def _printed(argv: list[str], reporter: Reporter) -> str:
    """Return a program's output. What is missing then shows when the gateway starts."""
    try:
        return run(argv, reporter, timeout=60, confinement=None).out
    except OSError as error:
        raise ImageError(
            "engine-failed",
            f"The gateway, through which code in containers connects, cannot be made of this machine's Python: {error}",
            "Install the command ldd, or set STUDIO_BUILD_NETWORK to a Docker network that is confined otherwise.",
            fault="studio",
        ) from error
